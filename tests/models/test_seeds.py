"""
Test the published models that the project supports, in their published form.

Only errors of the published code are corrected.
"""

import numpy as np
import pytest
import xarray as xr
from conftest import make_spec
from synthetic_fits import make_loo

from posterity.artefact.groups import get_group
from posterity.comparison.fits import compare_fits, describe_pairs
from posterity.comparison.models import compare_models
from posterity.config.schema import complete_settings
from posterity.inference.methods import nuts
from posterity.model.bind import bind_model
from posterity.model.datasets import make_data_groups
from posterity.model.preflight import check_model
from posterity.prediction.predict import make_draws_dataset, predict_posterior, sample_prior
from posterity.runtime.rng import Stream

SETTINGS = complete_settings("nuts", chains=2, warmup=400, draws=800)
HEADER = """
import jax, numpyro
import jax.numpy as jnp
import numpy as np
from numpyro import distributions as dist
gain, mag0, E_parallax, logtemp0, min_dist, max_dist = 5e5, 2, 0.025, 4, 1, 1000
"""
SOURCES = {
    "model(X, Y, E)": """
def model(X,Y,E):
    m = numpyro.sample("m", numpyro.distributions.Uniform(-5,5))   # prior on m
    c = numpyro.sample("c", numpyro.distributions.Uniform(-10,10)) # Prior on c

    # For every data point...
    with numpyro.plate('data', len(X)):
        y_model = m*X + c  # Get the model value
        # Compare to observation
        numpyro.sample('y', numpyro.distributions.Normal(y_model,E), obs = Y)
""",
    "the loop": """
def model(X,Y,E):
    m = numpyro.sample('m', numpyro.distributions.Uniform(-5,5)) # prior on m
    c = numpyro.sample('c', numpyro.distributions.Uniform(-10,10)) # Prior on c

    y_model = m*X + c

    for i in range(len(X)):
        numpyro.sample('y_%i' %i, numpyro.distributions.Normal(y_model[i], E[i]), obs=Y[i])
""",
    "model_reparam(X, Y, E)": """
def model(X,Y,E):
    angle = numpyro.sample('angle', numpyro.distributions.Uniform(-jnp.pi/2,jnp.pi/2))
    b_perp = numpyro.sample('b_perp', numpyro.distributions.Uniform(-5,5))

    m = numpyro.deterministic("m", jnp.tan(angle))
    c = numpyro.deterministic("c", b_perp / jnp.cos(angle))

    with numpyro.plate('data', len(X)):
        y_model = m*X + c
        numpyro.sample('y', numpyro.distributions.Normal(y_model,E), obs = Y)
""",
    "model_XYerr(X, Y, E_X, E_Y)": """
def model(X,Y,E_X,E_Y):
    angle = numpyro.sample('angle', numpyro.distributions.Uniform(-jnp.pi/2,jnp.pi/2))
    b_perp = numpyro.sample('b_perp', numpyro.distributions.Uniform(-5,5))

    m = numpyro.deterministic("m", jnp.tan(angle))
    c = numpyro.deterministic("c", b_perp / jnp.cos(angle))

    with numpyro.plate('data', len(X)):
        x_model = numpyro.sample('x', numpyro.distributions.Normal(X,E_X))
        y_model = m*x_model + c
        numpyro.sample('y', numpyro.distributions.Normal(y_model,E_Y), obs = Y)
""",
    "model(u, y=None)": """
def model(u, y=None):
    # sample parameters
    bias = numpyro.sample("b", dist.Normal(0.0, 0.2))
    weight = numpyro.sample("w", dist.Normal(0.0, 0.5))
    sigma = numpyro.sample("sigma", dist.Exponential(1.0))
    # calculate formula
    mu = weight * u + bias
    # data likelihood
    numpyro.sample("obs", dist.Normal(mu, sigma), obs=y)
""",
    "model(input, observed=None)": """
def model(input, observed=None):
    # Define priors of the model
    parameter = numpyro.sample("parameter", dist.Normal(0, 1))
    sigma = numpyro.sample("sigma", dist.HalfCauchy(1))
    # Define the model itself
    pred = input * parameter
    # Construct the log-likelihood
    numpyro.sample("obs", dist.Normal(pred, sigma), obs=observed)
""",
    "model(data)": """
def model(data):
    f = numpyro.sample("latent_fairness", dist.Beta(10, 10))
    with numpyro.plate("N", data.shape[0] if data is not None else 10):
        numpyro.sample("obs", dist.Bernoulli(f), obs=data)
""",
    "HRmodel": """
def model(cluster_index, logtemps, parallax = None, fluxcounts = None):
    slope = numpyro.sample('slope', dist.Uniform(-10,0) )
    offset = numpyro.sample('offset', dist.Uniform(-10,10) )
    spread = numpyro.sample('spread', dist.HalfNormal(2.5) )

    n_clusters = np.unique(cluster_index).size
    n_stars = cluster_index.size

    with numpyro.plate("clusters", n_clusters):
        root_dist = numpyro.sample('root_dist', dist.Uniform(min_dist**(1/3),max_dist**(1/3)) )
        distance = numpyro.deterministic('distance', jnp.power(root_dist,3))
        dist_mod = jnp.log10(distance/10) * 5.0

        numpyro.sample('parallax', dist.Normal(jnp.power(distance,-1), E_parallax), obs=parallax)

    with numpyro.plate('stars', n_stars):
        absolute_magnitude = numpyro.sample(
            'absolute_magnitude', dist.Normal((logtemps-logtemp0) * slope + offset,spread))
        apparent_magnitude = numpyro.deterministic(
            'apparent_magnitude',absolute_magnitude + dist_mod[cluster_index])

        flux = jnp.power(10,-(apparent_magnitude-mag0)/2.5) * gain

        numpyro.sample('fluxcounts', dist.Poisson(flux), obs = fluxcounts)
""",
}


def the_line():
    """Return the 32 published points with their errors in x."""
    rng = np.random.RandomState(123)
    x = np.linspace(0, 10, 32)
    e = rng.poisson(10, size=32) / 10 * 1.5
    y = 2 * x + 3.5 + e * rng.normal(size=32)
    e_x = np.hypot(rng.normal(size=32), rng.normal(size=32)) * 0.25
    columns = {"X": x, "Y": y, "E": e, "E_X": e_x, "E_Y": e}
    return xr.Dataset({name: ("point", values) for name, values in columns.items()})


def regression(u, y):
    rng = np.random.default_rng(1)
    values = np.linspace(-1, 2, 40)
    return xr.Dataset(
        {u: ("row", values), y: ("row", 0.4 * values + 0.1 + 0.3 * rng.normal(size=40))}
    )


def clusters():
    rng = np.random.default_rng(2)
    index = np.repeat(np.arange(5), 4)
    distance = np.array([12.0, 20.0, 30.0, 60.0, 90.0])
    logtemps = 3.5 + rng.normal(size=20) / 6
    magnitude = (
        (logtemps - 4) * -8 + 2 + 0.5 * rng.normal(size=20) + 5 * np.log10(distance / 10)[index]
    )
    return xr.Dataset(
        {
            "cluster_index": ("star", index),
            "logtemps": ("star", logtemps),
            "parallax": ("cluster", 1 / distance + 0.025 * rng.normal(size=5)),
            "fluxcounts": ("star", rng.poisson(10 ** (-(magnitude - 2) / 2.5) * 5e5)),
        }
    )


DATA = {
    # The compilation of a site for each point is slow, so use every third point.
    "the loop": lambda: the_line().isel(point=slice(None, None, 3)),
    **dict.fromkeys(
        ("model(X, Y, E)", "model_reparam(X, Y, E)", "model_XYerr(X, Y, E_X, E_Y)"), the_line
    ),
    "model(u, y=None)": lambda: regression("u", "y"),
    "model(input, observed=None)": lambda: regression("input", "observed"),
    "model(data)": lambda: xr.Dataset({"data": ("row", np.array([1] * 6 + [0] * 4))}),
    "HRmodel": clusters,
}


def bound(name, folder, data=None):
    file = folder / "model.py"
    file.write_text(HEADER + SOURCES[name])
    dims = {"clusters": "cluster", "stars": "star"} if name == "HRmodel" else {}
    spec = make_spec(file, dims=dims)
    data = DATA[name]() if data is None else data
    one = bind_model("seed", spec, data)
    check_model(one, data, "the data")
    return one, spec, data


def latent_draws(one, result):
    return {
        site: result.posterior[site].reshape(-1, *one.sites[site].shape)
        for site in one.site_names("latent")
    }


EXPECTED = {
    "model(X, Y, E)": (["m", "c"], ["y"]),
    "the loop": (["m", "c"], [f"y_{i}" for i in range(11)]),
    "model_reparam(X, Y, E)": (["angle", "b_perp"], ["y"]),
    "model_XYerr(X, Y, E_X, E_Y)": (["angle", "b_perp", "x"], ["y"]),
    "model(u, y=None)": (["b", "w", "sigma"], ["obs"]),
    "model(input, observed=None)": (["parameter", "sigma"], ["obs"]),
    "model(data)": (["latent_fairness"], ["obs"]),
    "HRmodel": (
        ["slope", "offset", "spread", "root_dist", "absolute_magnitude"],
        ["parallax", "fluxcounts"],
    ),
}


# Only the long tests run these.
LATER = (
    "HRmodel",
    "the loop",
    "model_reparam(X, Y, E)",
    "model_XYerr(X, Y, E_X, E_Y)",
    "model(input, observed=None)",
)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.long) if name in LATER else name for name in EXPECTED],
)
def test_a_published_model_binds_and_predicts(name, tmp_path):
    one, _, _ = bound(name, tmp_path)
    assert (one.site_names("latent"), one.site_names("observed")) == EXPECTED[name]
    assert one.constants == (("cluster_index",) if name == "HRmodel" else ())
    prior = sample_prior(one, 5, Stream(1, (name,)))
    latent = {site: prior[site] for site in one.site_names("latent")}
    values = predict_posterior(one, latent, Stream(1, (name,)))
    for site in one.site_names("observed"):
        assert values["predicted"][site].shape == (5, *one.sites[site].shape)
        assert values["log_likelihood"][site].shape == (5, *one.sites[site].shape)
    if name == "HRmodel":
        assert one.sites["distance"].dims == ("cluster",)
        assert one.sites["absolute_magnitude"].dims == one.sites["fluxcounts"].dims == ("star",)
        assert one.sites["parallax"].dims == ("cluster",)


@pytest.mark.long
@pytest.mark.parametrize("name", ["model_reparam(X, Y, E)", "model(u, y=None)", "model(data)"])
def test_nuts_fits_a_published_model(name, tmp_path):
    one, _, _ = bound(name, tmp_path)
    result = nuts.fit(one, SETTINGS, Stream(1, ("seed",)))
    for site, values in result.posterior.items():
        assert np.isfinite(values).all(), site
    if name == "model(data)":  # conjugate: Beta(10 + 6, 10 + 4)
        draws = result.posterior["latent_fairness"]
        assert abs(draws.mean() - 16 / 30) < 4 * draws.std() / np.sqrt(draws.size / 4)


@pytest.mark.long
@pytest.mark.parametrize(
    "name", ["HRmodel", "model_XYerr(X, Y, E_X, E_Y)", "model(input, observed=None)"]
)
def test_nuts_fits_a_larger_published_model(name, tmp_path):
    one, _, _ = bound(name, tmp_path)
    result = nuts.fit(one, SETTINGS | {"warmup": 300, "draws": 200}, Stream(1, ("seed",)))
    for site, values in result.posterior.items():
        assert np.isfinite(values).all(), site


@pytest.mark.long
def test_a_loop_and_a_plate_give_the_same_results(tmp_path):
    """
    The density at given values and the comparison are equal.

    The draws agree within Monte Carlo error.
    """
    fits, trees = {}, {}
    for name in ("model(X, Y, E)", "the loop"):
        folder = tmp_path / name.replace(" ", "")
        folder.mkdir()
        one, _, data = bound(name, folder, DATA["the loop"]())
        result = nuts.fit(one, SETTINGS, Stream(1, ("seed",)))
        fits[name] = one.to_dataset(result.posterior, ("chain", "draw"), data)
        latent = {site: fits["model(X, Y, E)"][site].values.reshape(-1) for site in ("m", "c")}
        values = predict_posterior(one, latent, Stream(1))
        groups = {
            "posterior": fits["model(X, Y, E)"],
            "log_likelihood": make_draws_dataset(one, values["log_likelihood"], 2, data),
            **make_data_groups(one, data),
        }
        trees[name] = xr.DataTree.from_dict(groups | {"loo": make_loo(groups)})
    plate, loop = (get_group(tree, "log_likelihood") for tree in trees.values())
    np.testing.assert_allclose(
        loop.to_dataarray("site").transpose("chain", "draw", "site").values,
        plate["y"].values,
        rtol=1e-10,
    )
    said = describe_pairs(compare_fits(fits, {}, 100))
    assert [pair["agree"] for pair in said] == [True]
    models = compare_models(trees, None)
    np.testing.assert_allclose(*models["elpd"].values, rtol=1e-10)
    np.testing.assert_allclose(*models["p"].values, rtol=1e-8)
