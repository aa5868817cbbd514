"""Samplers against exact answers, within Monte Carlo error, and where they must say that they fail."""

import importlib

import numpy as np
import pytest
import scipy.stats
import xarray as xr

from posterity.config.schema import complete_settings
from posterity.diagnostics.convergence import check_convergence, check_sampler
from posterity.errors import UserError
from posterity.model.datasets import make_sample_stats
from posterity.model.preflight import find_model_errors
from posterity.runtime.rng import Stream
from posterity.stats.arviz_bridge import import_array_stats
from posterity.stats.summary import summarise_draws

LIMITS = {
    "rhat": 1.01,
    "ess_bulk": 400,
    "ess_tail": 400,
    "mcse": 0.05,
    "divergences": 0,
    "e_bfmi": 0.3,
    "tree_depth": {"warn": 0.0},
    "acceptance": {"warn": 0.1},
}
SIGMAS = 4.5  # of the Monte Carlo error; with about 300 comparisons one in 500 runs would fail if the seeds were not fixed

METHODS = {
    "nuts": complete_settings("nuts", warmup=500, draws=2000),
    "hmc": complete_settings("hmc", warmup=500, draws=2000, trajectory_length=1.5),
    "barker": complete_settings("barker", warmup=2000, draws=10000),
    "sa": complete_settings("sa", warmup=10000, draws=20000),
    "aies": complete_settings("aies", chains=20, warmup=1000, draws=3000),
    "ess": complete_settings("ess", chains=20, warmup=1000, draws=2000),
    "chees": complete_settings("chees"),
}


def run(one, chosen, *names):
    return importlib.import_module(f"posterity.inference.methods.{chosen['method']}").fit(
        one, chosen, Stream(1, names or ("test",))
    )


def compare(draws, exact, quantiles=(0.05, 0.5, 0.95)):
    """Assert that means, sds and quantiles of draws, shape (chain, draw), are those of a distribution of SciPy's."""
    array = import_array_stats()
    error = float(array.mcse(draws[None], method="mean")[0])
    assert abs(draws.mean() - exact.mean()) < SIGMAS * error, (draws.mean(), exact.mean(), error)
    error = float(array.mcse(draws[None], method="sd")[0])
    assert abs(draws.std() - exact.std()) < SIGMAS * error, (draws.std(), exact.std(), error)
    for probability in quantiles:
        error = float(array.mcse(draws[None], method="quantile", prob=probability)[0])
        found = np.quantile(draws, probability)
        assert abs(found - exact.ppf(probability)) < SIGMAS * error, (
            probability,
            found,
            exact.ppf(probability),
            error,
        )


NORMAL = """
def model(y):
    mu = numpyro.sample("mu", dist.Normal(1, 2))
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", dist.Normal(mu, 1.5), obs=y)
"""
COIN = """
def model(y):
    p = numpyro.sample("p", dist.Beta(2, 3))
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", dist.Bernoulli(p), obs=y)
"""
COUNTS = """
def model(y):
    rate = numpyro.sample("rate", dist.Gamma(2, 0.5))
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", dist.Poisson(rate), obs=y)
"""
Y, TOSSES, NUMBERS = (
    np.array([0.3, 2.5, 1.1, 3.0, 2.2]),
    np.array([1, 0, 1, 1, 0, 1, 1]),
    np.array([3, 5, 2, 4]),
)


@pytest.mark.parametrize(
    "method",
    [
        "nuts",
        *(pytest.param(method, marks=pytest.mark.long) for method in METHODS if method != "nuts"),
    ],
)
def test_conjugate_models(bind_source, method):
    """Normal, Beta-Bernoulli and Gamma-Poisson."""
    precision = 1 / 4 + len(Y) / 2.25
    mean = (1 / 4 + Y.sum() / 2.25) / precision
    heads = TOSSES.sum()
    for source, data, site, exact in (
        (NORMAL, Y, "mu", scipy.stats.norm(mean, precision**-0.5)),
        (COIN, TOSSES, "p", scipy.stats.beta(2 + heads, 3 + len(TOSSES) - heads)),
        (
            COUNTS,
            NUMBERS,
            "rate",
            scipy.stats.gamma(2 + NUMBERS.sum(), scale=1 / (0.5 + len(NUMBERS))),
        ),
    ):
        result = run(bind_source(source, y=data), METHODS[method], method, site)
        compare(result.posterior[site], exact)
        assert result.stopped == "draws" and result.warmup == METHODS[method]["warmup"]


GAUSSIAN = """
def model():
    n = SIZE
    place = jnp.arange(n)
    covariance = 0.9 ** jnp.abs(place[:, None] - place[None, :]) * (1 + place[:, None]) * (1 + place[None, :])
    numpyro.sample("x", dist.MultivariateNormal(place * 1.0, covariance))
"""


@pytest.mark.parametrize(
    ("size", "chosen"),
    [
        (2, METHODS["nuts"]),
    ]
    + [
        pytest.param(*case, marks=pytest.mark.long)
        for case in [
            (2, METHODS["sa"] | {"draws": 40000}),
            (2, METHODS["aies"]),
            (2, METHODS["ess"]),
            (2, METHODS["barker"] | {"dense_mass": True, "draws": 30000}),
            (10, METHODS["hmc"] | {"dense_mass": True}),
            (100, METHODS["nuts"] | {"dense_mass": True, "warmup": 1000, "draws": 1000}),
        ]
    ],
)
def test_correlated_gaussians(bind_source, size, chosen):
    """Of some elements, and of the sum of two neighbours, which sees the correlation."""
    draws = run(bind_source(GAUSSIAN.replace("SIZE", str(size))), chosen).posterior["x"]
    for place in {0, size // 2, size - 1}:
        compare(draws[..., place], scipy.stats.norm(place, 1 + place))
    compare(draws[..., 0] + draws[..., 1], scipy.stats.norm(1, np.sqrt(1 + 4 + 2 * 0.9 * 2)))


FUNNEL = """
def model():
    v = numpyro.sample("v", dist.Normal(0, 3))
    with numpyro.plate("place", 9):
        numpyro.sample("x", dist.Normal(0, jnp.exp(v / 2)))
"""


def checks(one, result, chosen):
    draws = one.to_dataset(result.posterior, ("chain", "draw"), xr.Dataset())
    summary = summarise_draws(draws, "hdi", 0.9)
    found = check_convergence(summary, chosen["chains"], LIMITS, set(one.site_names("latent")))
    found += check_sampler(make_sample_stats(result.statistics), chosen, LIMITS)
    return {check.name: check.status for check in found}


@pytest.mark.long
def test_neals_funnel_needs_other_coordinates(bind_source):
    """As it is bind_source the checks say that it failed; by its standard form it is right, in the model's own coordinates."""
    one = bind_source(FUNNEL)
    assert "fail" in checks(one, run(one, METHODS["nuts"]), METHODS["nuts"]).values()
    chosen = METHODS["nuts"] | {"reparam": {"x": "LocScale"}}
    result = run(one, chosen)
    assert set(result.posterior) == {"v", "x"}
    assert "fail" not in checks(one, result, chosen).values()
    compare(result.posterior["v"], scipy.stats.norm(0, 3))
    scaled = result.posterior["x"][..., 4] / np.exp(result.posterior["v"] / 2)
    compare(scaled, scipy.stats.norm(0, 1))


ISLANDS = """
def model():
    weights = jnp.array([2, 2, 2, 1]) / 7
    centres = jnp.array([[-1.5, 0.0], [0.0, 1.5], [0.0, -1.5], [1.5, 0.0]]) * jnp.sqrt(2.0)
    islands = dist.Normal(centres, 0.25).to_event(1)
    numpyro.sample("x", dist.MixtureSameFamily(dist.Categorical(weights), islands))
"""


@pytest.mark.long
def test_the_checks_say_that_nuts_has_not_been_on_all_islands(bind_source):
    one = bind_source(ISLANDS)
    result = run(one, METHODS["nuts"])
    assert checks(one, result, METHODS["nuts"])["rhat"] == "fail"


BANANA = """
def model():
    a = numpyro.sample("a", dist.Normal(0, 1))
    numpyro.sample("b", dist.Normal(a**2, 0.5))
"""


@pytest.mark.long
@pytest.mark.parametrize("method", ["nuts", "hmc", "ess", "aies"])
def test_a_banana(bind_source, method):
    """The curved coordinate is the sum of a squared normal and a normal: mean 1, variance 2.25."""
    chosen = METHODS[method] | (
        {"draws": 10000} if method in ("ess", "aies") else {"draws": 4000, "target_accept": 0.95}
    )
    draws = run(bind_source(BANANA), chosen).posterior
    compare(draws["a"], scipy.stats.norm(0, 1))
    compare(draws["b"] - draws["a"] ** 2, scipy.stats.norm(0, 0.5))
    error = float(import_array_stats().mcse(draws["b"][None], method="mean")[0])
    assert abs(draws["b"].mean() - 1) < SIGMAS * error


SCHOOLS = """
def model(y, sigma):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", 8):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)
"""


@pytest.mark.long
def test_eight_schools_against_quadrature(bind_source):
    """The effects integrate out: mu and tau by a sum over a fine grid."""
    y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
    sigma = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    one = bind_source(SCHOOLS, y=y, sigma=sigma)
    result = run(
        one,
        METHODS["nuts"]
        | {"draws": 5000, "warmup": 1000, "target_accept": 0.95, "reparam": {"theta": "LocScale"}},
    )
    mu = np.linspace(-25, 35, 601)[:, None]
    tau = (np.tan(np.linspace(0, np.pi / 2, 4001)[1:-1]) * 5)[
        None, :
    ]  # even in the prior's probability
    log = scipy.stats.norm.logpdf(mu, 0, 5)
    for value, error in zip(y, sigma, strict=True):
        log = log + scipy.stats.norm.logpdf(value, mu, np.sqrt(error**2 + tau**2))
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    array = import_array_stats()
    for draws, exact in (
        (result.posterior["mu"], (weight * mu).sum()),
        (np.log(result.posterior["tau"]), (weight * np.log(tau)).sum()),
    ):
        error = float(array.mcse(draws[None], method="mean")[0])
        assert abs(draws.mean() - exact) < SIGMAS * error, (draws.mean(), exact, error)


@pytest.mark.long
def test_dense_blocks_and_starts(bind_source):
    """A block of two sites learns their correlation; chains may start at given values."""
    source = """
def model():
    a = numpyro.sample("a", dist.Normal(0, 100))
    numpyro.sample("b", dist.Normal(a, 1))
    numpyro.sample("c", dist.Normal(0, 1))
"""
    one = bind_source(source)
    steps = {}
    for name, mass in (("diagonal", False), ("block", [["a", "b"]]), ("all", True)):
        result = run(one, METHODS["nuts"] | {"dense_mass": mass, "init": {"a": 5.0, "b": 5.0}})
        compare(result.posterior["a"], scipy.stats.norm(0, 100))
        steps[name] = result.statistics["n_steps"].mean()
    assert steps["block"] < 0.2 * steps["diagonal"] and steps["all"] < 0.2 * steps["diagonal"]


@pytest.mark.parametrize(
    ("method", "more", "parts"),
    [
        ("nuts", {"init": {"a": 1.0}}, ["init", "no latent site 'a'", "known: mu"]),
        ("nuts", {"init": {"mu": [1.0, 2.0]}}, ["init: mu", "shape ()", "(2,)"]),
        ("nuts", {"reparam": {"mw": "LocScale"}}, ["reparam", "no latent site 'mw'", "known: mu"]),
        ("hmc", {"dense_mass": [["mu", "mu"]]}, ["dense_mass", "'mu' stands in two blocks"]),
        ("hmc", {"dense_mass": [["nu"]]}, ["dense_mass", "no latent site 'nu'"]),
        (
            "nuts",
            {"dense_mass": [["mu"]], "reparam": {"mu": "LocScale"}},
            ["dense_mass", "'mu' is reparametrised", "leave it out"],
        ),
        ("nuts", {"reparam": {"mu": "Circular"}}, ["reparam: mu: Circular", "take another"]),
        ("sa", {"init": "pathfinder"}, ["sa cannot start from pathfinder"]),
        ("aies", {"init": {"mu": 1.0}}, ["walkers that all start at one value", "take uniform"]),
        ("aies", {"chains": 5}, ["chains: 5 walkers for 1 latent", "even"]),
        ("ess", {"chains": 2}, ["chains: 2 walkers", "at least 4"]),
    ],
)
def test_settings_that_cannot_be(bind_source, method, more, parts):
    with pytest.raises(UserError) as told:
        run(bind_source(NORMAL, y=Y), METHODS[method] | more)
    assert all(part in str(told.value) for part in parts), told.value


CLASSES = """
from numpyro.ops.indexing import Vindex


def model(y=None):
    centres = numpyro.sample("centres", dist.Normal(jnp.array([-3.0, 0.0, 3.0]), 0.1).to_event(1))
    with numpyro.plate("row", 6):
        k = numpyro.sample("k", dist.Categorical(jnp.ones(3) / 3))
        numpyro.sample("y", dist.Normal(Vindex(centres)[k], 0.5), obs=y)
"""


@pytest.mark.long
def test_classes_by_their_numbers_are_found(bind_source):
    bound = bind_source(CLASSES, y=np.array([-3.0, 3, 0, 0, 3, -3]))
    result = run(bound, complete_settings("nuts", warmup=300, draws=300))
    np.testing.assert_array_equal(np.median(result.posterior["k"], axis=(0, 1)), [0, 2, 1, 1, 2, 0])


@pytest.mark.long
@pytest.mark.parametrize(
    ("source", "methods", "said"),
    [
        (CLASSES, ("nuts", "svi"), "which svi cannot fit; take nuts or hmc"),
        (
            CLASSES.replace("Vindex(centres)[k]", "jnp.array([centres[int(one)] for one in k])"),
            ("nuts",),
            "",
        ),
    ],
)
def test_methods_that_cannot_sum_refuse_discrete_sites(bind_source, source, methods, said):
    if not said:
        with pytest.raises(UserError, match="needs the value of what depends on a latent site"):
            bind_source(source, y=np.zeros(6))
        return
    faults = find_model_errors(bind_source(source, y=np.zeros(6)), xr.Dataset(), "the data", methods)
    assert len(faults) == 1
    assert "'k'" in faults[0]
    assert said in faults[0]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            "numpyro.sample('z', dist.Normal(jnp.sum(k) + p, 0.1), obs=y[0])",
            "'k' cannot be summed out, since 'z' depends on it",
        ),
        (
            "numpyro.factor('few', -jnp.sum(k) * p)",
            "'k' cannot be summed out, since 'few' depends on it",
        ),
        (
            "numpyro.sample('z', dist.Normal(jnp.cumsum(k)[2] + p, 0.1), obs=y[0])",
            "'k' cannot be summed out, since 'z' depends",
        ),
        ("numpyro.deterministic('total', jnp.sum(k))", ""),
    ],
)
def test_a_sum_over_a_discrete_site_is_refused(bind_source, lines, said):
    """NumPyro would give a wrong posterior without a word."""
    source = f"""
def model(y=None):
    p = numpyro.sample("p", dist.Beta(2, 2))
    with numpyro.plate("row", 6):
        k = numpyro.sample("k", dist.Bernoulli(p))
        numpyro.sample("y", dist.Normal(k, 1.0), obs=y)
    {lines}
"""
    bound, chosen = (
        bind_source(source, y=np.zeros(6)),
        complete_settings("nuts", chains=1, warmup=50, draws=50),
    )
    if said:
        with pytest.raises(UserError, match=said):
            run(bound, chosen)
    else:
        posterior = run(bound, chosen).posterior
        np.testing.assert_array_equal(posterior["total"], posterior["k"].sum(2))


def test_what_cannot_be_with_discrete_sites_is_told(bind_source):
    bound = bind_source(MIXTURE, y=np.zeros(30))
    for given, said in (
        ({"dense_mass": [["p", "k"]]}, "no latent site 'k'"),
        ({"init": {"k": 1}}, "'k' is discrete and summed out"),
    ):
        with pytest.raises(UserError, match=said):
            run(bound, complete_settings("nuts", **given))
    moved = bind_source(
        MIXTURE.replace(
            '    numpyro.sample("y"',
            '    centre = numpyro.sample("x", dist.Normal(centre, 1.0))\n        numpyro.sample("y"',
        ),
        y=np.zeros(30),
    )
    with pytest.raises(UserError, match="reparam: x: its prior depends on the discrete site 'k'"):
        run(moved, complete_settings("nuts", reparam={"x": "LocScale"}))


MIXTURE = """
def model(y=None):
    p = numpyro.sample("p", dist.Beta(2, 2))
    with numpyro.plate("row", 30):
        k = numpyro.sample("k", dist.Bernoulli(p))
        centre = numpyro.deterministic("centre", jnp.where(k == 1, 2.0, -1.0))
        numpyro.sample("y", dist.Normal(centre, 1.0), obs=y)
"""


@pytest.mark.parametrize("method", [pytest.param("nuts", marks=pytest.mark.long), "hmc"])
def test_discrete_sites_are_summed_out_and_drawn_afterwards(bind_source, method):
    """The exact posterior is on a grid of p; the draws of k have their probabilities given the draws of p."""
    rng = np.random.default_rng(5)
    y = np.where(rng.random(30) < 0.3, 2.0, -1.0) + rng.normal(size=30)
    bound = bind_source(MIXTURE, y=y)
    assert bound.discrete_latents == ["k"]
    result = run(bound, complete_settings(method, warmup=500, draws=1000))
    grid = np.linspace(0.0005, 0.9995, 1000)
    one, zero = (
        scipy.stats.norm.pdf(y[:, None], 2, 1) * grid,
        scipy.stats.norm.pdf(y[:, None], -1, 1) * (1 - grid),
    )
    weights = np.exp(np.log(one + zero).sum(0) + scipy.stats.beta.logpdf(grid, 2, 2))
    weights /= weights.sum()
    mean = (weights * grid).sum()
    sd = np.sqrt((weights * (grid - mean) ** 2).sum())
    draws = result.posterior["p"]
    error = sd / np.sqrt(import_array_stats().ess(draws[None], method="bulk")[0])
    assert abs(draws.mean() - mean) < 4 * error
    assert abs(draws.std() / sd - 1) < 0.1
    expected = (one / (one + zero) * weights).sum(1)
    share = result.posterior["k"].mean((0, 1))
    assert (abs(share - expected) < 5 * np.sqrt(expected * (1 - expected) / 1000) + 1e-3).all()
    np.testing.assert_array_equal(
        result.posterior["centre"], np.where(result.posterior["k"] == 1, 2.0, -1.0)
    )
    assert result.posterior["k"].shape == result.posterior["centre"].shape == (4, 1000, 30)
