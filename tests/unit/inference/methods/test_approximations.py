"""Methods that approximate, optimise or integrate against exact answers, and where they must say that they fail."""

import numpy as np
import pytest
import scipy.stats
from unit.inference.methods.test_samplers import (
    BANANA,
    COIN,
    COUNTS,
    FUNNEL,
    NORMAL,
    NUMBERS,
    SCHOOLS,
    TOSSES,
    Y,
    compare,
    run,
)

from posterity.config.schema import complete_settings
from posterity.diagnostics.approximation import check_elbo_convergence, check_pareto_k
from posterity.errors import UserError

METHODS = {
    "pathfinder": complete_settings("pathfinder", paths=4),
    "laplace": complete_settings("laplace", restarts=8),
    "svi": complete_settings("svi", resample=True),
    "nested": complete_settings("nested", live_points=500),
}
PRECISION = 1 / 4 + len(Y) / 2.25
MEAN = (1 / 4 + Y.sum() / 2.25) / PRECISION


@pytest.mark.parametrize(
    "method",
    [
        "laplace",
        *(
            pytest.param(method, marks=pytest.mark.long)
            for method in METHODS
            if method != "laplace"
        ),
    ],
)
def test_a_gaussian_posterior(bind_source, method):
    """It is in the family of each approximation."""
    result = run(bind_source(NORMAL, y=Y), METHODS[method], method)
    draws = result.posterior["mu"]
    assert draws.shape == (1, 4000)
    compare(draws, scipy.stats.norm(MEAN, PRECISION**-0.5))


@pytest.mark.long
@pytest.mark.parametrize("method", ["svi", "pathfinder", "nested"])
def test_skewed_posteriors_come_right_by_weights(bind_source, method):
    """A Beta and a Gamma: the Gaussian in unconstrained space is near, and its weights do the rest."""
    heads = TOSSES.sum()
    chosen = METHODS[method] | ({"runs": 4} if method == "nested" else {})
    beta, gamma = (
        scipy.stats.beta(2 + heads, 3 + len(TOSSES) - heads),
        scipy.stats.gamma(2 + NUMBERS.sum(), scale=1 / 4.5),
    )
    for source, data, site, exact in ((COIN, TOSSES, "p", beta), (COUNTS, NUMBERS, "rate", gamma)):
        result = run(bind_source(source, y=data), chosen, method, site)
        compare(result.posterior[site], exact)
        assert result.weighted[site].shape[:2] == result.log_weights.shape


@pytest.mark.long
def test_laplace_is_exact_in_unconstrained_space_to_second_order(bind_source):
    """Mode and curvature of log p / (1 - p) with the Jacobian: of Beta(a, b) at the logit of a / (a + b), with variance 1/a + 1/b."""
    a, b = 2 + TOSSES.sum(), 3 + len(TOSSES) - TOSSES.sum()
    result = run(bind_source(COIN, y=TOSSES), METHODS["laplace"])
    logit = np.log(result.posterior["p"] / (1 - result.posterior["p"]))
    compare(logit, scipy.stats.norm(np.log(a / b), np.sqrt(1 / a + 1 / b)))
    assert check_pareto_k(statistics_of(result), {"warn": 0.5, "fail": 0.7}).status == "pass"


def statistics_of(result):
    import xarray as xr

    return xr.Dataset(
        {name: (("chain", "draw"), values) for name, values in result.statistics.items()}
    )


@pytest.mark.long
def test_khat_says_that_a_gaussian_is_no_funnel(bind_source):
    for method in ("laplace", "pathfinder"):
        chosen = METHODS[method] | ({"resample": False} if method == "pathfinder" else {})
        try:
            result = run(bind_source(FUNNEL), chosen, method)
        except UserError as told:  # the density of the funnel has no maximum that is a peak
            assert "no peak" in str(told) and method == "laplace"
            continue
        assert check_pareto_k(statistics_of(result), {"warn": 0.5, "fail": 0.7}).status == "fail"


LINE = """
def model(x, y):
    m = numpyro.sample("m", dist.Uniform(-10, 10))
    c = numpyro.sample("c", dist.Uniform(-10, 10))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Normal(m * x + c, 0.5), obs=y)
"""


def test_mle_is_least_squares(bind_source):
    x = np.linspace(0, 3, 20)
    y = 2 * x + 1 + 0.5 * np.random.default_rng(3).normal(size=20)
    found = run(bind_source(LINE, x=x, y=y), complete_settings("mle")).point
    assert [found["m"], found["c"]] == pytest.approx(np.polyfit(x, y, 1), rel=1e-5)


def test_mle_refuses_a_model_with_levels(bind_source):
    with pytest.raises(
        UserError, match="mle: the latent site 'theta' depends on other latent sites"
    ):
        run(bind_source(SCHOOLS, y=np.zeros(8), sigma=np.ones(8)), complete_settings("mle"))


def test_laplace_refuses_a_density_without_a_peak(bind_source):
    flat = "\ndef model():\n    numpyro.sample('a', dist.ImproperUniform(dist.constraints.real, (), ()))\n    numpyro.sample('b', dist.Normal(0, 1))\n"
    with pytest.raises(UserError, match="no peak at its maximum"):
        run(bind_source(flat), complete_settings("laplace"))


ISLANDS = """
import jax
def model():
    x = numpyro.sample("x", dist.Uniform(-10 * jnp.ones(2), 10).to_event(1))
    centres = jnp.array([[-1.5, 0.0], [0.0, 1.5], [0.0, -1.5], [1.5, 0.0]]) * jnp.sqrt(2.0)
    each = dist.Normal(centres, 0.25).to_event(1).log_prob(x)
    numpyro.factor("density", jax.scipy.special.logsumexp(jnp.log(jnp.array([2, 2, 2, 1.0])) + each))
"""


@pytest.mark.long
def test_nested_gets_the_islands_right(bind_source):
    """Four Gaussians at distance 3, the right one half as high: masses 2/7, 2/7, 2/7, 1/7, and ln Z = ln(7 / 400)."""
    result = run(bind_source(ISLANDS), complete_settings("nested"))
    x = result.posterior["x"][0]
    centres = np.array([[-1.5, 0.0], [0.0, 1.5], [0.0, -1.5], [1.5, 0.0]]) * np.sqrt(2)
    masses = [(np.linalg.norm(x - centre, axis=1) < 1.5).mean() for centre in centres]
    assert masses == pytest.approx([2 / 7, 2 / 7, 2 / 7, 1 / 7], abs=0.05)
    error = float(result.evidence["ln_z_error"])
    assert error < 0.1
    assert abs(float(result.evidence["ln_z"]) - np.log(7 / 400)) < 3 * error


TWO = """
import jax
def model():
    x = numpyro.sample("x", dist.StudentT(3, 0.5, 2))
    numpyro.factor("density", jnp.logaddexp(-0.5 * ((x + 2) / 0.3) ** 2, -0.7 - jnp.abs(x - 3)))
"""


@pytest.mark.long
def test_nested_against_quadrature(bind_source):
    x = np.linspace(-200, 200, 4_000_001)
    log = scipy.stats.t(3, 0.5, 2).logpdf(x) + np.logaddexp(
        -0.5 * ((x + 2) / 0.3) ** 2, -0.7 - np.abs(x - 3)
    )
    exact = np.log(np.trapezoid(np.exp(log), x))
    result = run(bind_source(TWO), complete_settings("nested"))
    assert (
        abs(float(result.evidence["ln_z"]) - exact) < 3 * float(result.evidence["ln_z_error"]) < 0.3
    )


@pytest.mark.long
def test_nested_agrees_with_the_exact_evidence_of_a_conjugate_model(bind_source):
    exact = scipy.stats.multivariate_normal(np.ones(5), 2.25 * np.eye(5) + 4).logpdf(Y)
    pulls = []
    for one in range(8):
        evidence = run(bind_source(NORMAL, y=Y), METHODS["nested"], "again", one).evidence
        pulls.append((float(evidence["ln_z"]) - exact) / float(evidence["ln_z_error"]))
    assert np.mean(np.square(pulls)) < 2.5, (
        pulls
    )  # the chance of more is 1 % where the error is right


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (BANANA, "the model has no likelihood"),
        (
            "\ndef model(y):\n    m = numpyro.sample('m', dist.ImproperUniform(dist.constraints.real, (), ()))\n    numpyro.sample('y', dist.Normal(m, 1).expand([5]), obs=y)\n",
            "the prior of m is improper",
        ),
    ],
)
def test_nested_refuses_what_has_no_evidence(bind_source, source, message):
    with pytest.raises(UserError, match=message):
        run(bind_source(source, **({"y": Y} if "y" in source.split(":")[0] else {})), METHODS["nested"])


HALF = """
def model():
    x = numpyro.sample("x", dist.Uniform(-1, 1))
    numpyro.factor("density", jnp.where(x > 0.8, -8 * x, -jnp.inf))
"""


@pytest.mark.long
def test_nested_where_most_of_the_prior_is_impossible(bind_source):
    """Nine tenths of it: points of no likelihood are not replaced by others like them."""
    exact = np.log((np.exp(-6.4) - np.exp(-8)) / 8 / 2)
    result = run(bind_source(HALF), complete_settings("nested", live_points=500))
    assert (
        abs(float(result.evidence["ln_z"]) - exact) < 3 * float(result.evidence["ln_z_error"]) < 0.5
    )


BATCHED = """
def model(x, y):
    m = numpyro.sample("m", dist.Normal(0, 10))
    c = numpyro.sample("c", dist.Normal(0, 10))
    with numpyro.plate("row", len(x)) as i:
        numpyro.sample("y", dist.Normal(m * x[i] + c, 0.5), obs=y[i])
"""


@pytest.mark.long
def test_minibatches_come_to_the_posterior_of_all_data(bind_source):
    x = np.linspace(0, 3, 400)
    y = 2 * x + 1 + 0.5 * np.random.default_rng(3).normal(size=400)
    one = bind_source(BATCHED, x=x, y=y)
    result = run(
        one,
        complete_settings("svi", minibatch={"row": 50}, steps=20000, step_size=0.01, tolerance=0),
    )
    design = np.stack([x, np.ones(400)], 1)
    covariance = np.linalg.inv(design.T @ design / 0.25 + np.eye(2) / 100)
    mean = covariance @ design.T @ y / 0.25
    for place, site in enumerate(("m", "c")):
        sd = np.sqrt(covariance[place, place])
        assert abs(result.posterior[site].mean() - mean[place]) < 0.3 * sd
        assert result.posterior[site].std() == pytest.approx(sd, rel=0.15)


@pytest.mark.long
def test_a_plate_with_a_subsample_size_has_all_its_elements_elsewhere(bind_source):
    source = BATCHED.replace("len(x))", "len(x), subsample_size=10)")
    x = np.linspace(0, 3, 40)
    y = 2 * x + 1
    one, whole = bind_source(source, x=x, y=y), None
    found = run(one, complete_settings("nuts", draws=200)).posterior["m"]
    whole = run(bind_source(BATCHED, x=x, y=y), complete_settings("nuts", draws=200)).posterior["m"]
    assert np.array_equal(found, whole)


@pytest.mark.long
def test_svi_stops_when_the_loss_rests_and_by_a_point(bind_source):
    one = bind_source(NORMAL, y=Y)
    early, late = (
        run(one, complete_settings("svi")),
        run(one, complete_settings("svi", tolerance=0)),
    )
    assert early.stopped == "converged" and late.stopped == "steps"
    assert len(early.optimisation["loss"]) < 20000 == len(late.optimisation["loss"])
    assert check_elbo_convergence(early.optimisation, 0.1).status == "pass"
    point = run(one, complete_settings("svi", guide="AutoDelta"))
    assert point.sampling == "point" and point.point["mu"] == pytest.approx(MEAN, abs=1e-3)


GUIDE = """
import numpyro
import numpyro.distributions as dist

def guide(y):
    centre, width = numpyro.param("centre", 0.0), numpyro.param("width", 1.0, constraint=dist.constraints.positive)
    numpyro.sample("mu", dist.Normal(centre, width))

def without(y):
    numpyro.param("centre", 0.0)

def other(y):
    numpyro.sample("mu", dist.Normal(numpyro.param("centre", 0.0), 1.0))
    numpyro.sample("nu", dist.Normal(0, 1))

def wide(y):
    numpyro.sample("mu", dist.Normal(numpyro.param("centre", 0.0), 1.0).expand([3]).to_event(1))
"""


def test_a_guide_of_ones_own(bind_source, tmp_path):
    (tmp_path / "guide.py").write_text(GUIDE)
    one = bind_source(NORMAL, y=Y)
    result = run(one, complete_settings("svi", guide="guide", resample=True))
    compare(result.posterior["mu"], scipy.stats.norm(MEAN, PRECISION**-0.5))
    best = result.guide  # its parameters, in their own space
    assert set(best.data_vars) == {"centre", "width"}
    assert abs(best["centre"] - MEAN) < 0.05 * PRECISION**-0.5 and best["width"] == pytest.approx(
        PRECISION**-0.5, rel=0.05
    )
    assert not run(one, complete_settings("svi", steps=200)).guide
    for name, parts in (
        ("without", ["does not match the model", "'mu'", "is not in it"]),
        ("other", ["a site 'nu' that the model does not have"]),
        ("wide", ["'mu' of shape () has shape (3,) there"]),
        ("AutoNormel", ["there is no 'AutoNormel'", "did you mean 'AutoNormal'"]),
        ("gide", ["no function 'gide'", "did you mean 'guide'"]),
    ):
        with pytest.raises(UserError) as told:
            run(one, complete_settings("svi", guide=name))
        assert all(part in str(told.value) for part in parts), told.value
    (tmp_path / "guide.py").unlink()
    with pytest.raises(UserError, match="there is no such file"):
        run(one, complete_settings("svi", guide="guide"))


@pytest.mark.parametrize(
    ("minibatch", "source", "message"),
    [
        ({"rows": 3}, NORMAL, "no plate 'rows': did you mean 'row'"),
        ({"row": 6}, NORMAL, "6 is more than its 5 elements"),
        ({"row": 3}, NORMAL, "cannot be computed on minibatches"),
    ],
)
def test_minibatches_that_cannot_be(bind_source, minibatch, source, message):
    with pytest.raises(UserError) as told:
        run(bind_source(source, y=Y), complete_settings("svi", minibatch=minibatch))
    assert message in str(told.value)
