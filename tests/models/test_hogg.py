"""
Test the models of straight lines with outliers.

The references are results of the paper, independent integrals and simulation-based calibration.
"""

import importlib.util
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import ROOT, make_spec
from numpyro.handlers import seed, trace
from numpyro.infer import MCMC, NUTS
from numpyro.infer.util import log_density
from scipy import stats
from synthetic_fits import make_loo

from posterity.comparison.models import compare_models
from posterity.config.schema import complete_settings
from posterity.inference.methods import nuts
from posterity.model.bind import bind_model
from posterity.model.datasets import make_data_groups
from posterity.prediction.predict import make_draws_dataset, predict_posterior
from posterity.runtime.rng import Stream
from posterity.stats.summary import summarise_draws

SETTINGS = complete_settings("nuts", warmup=1000, draws=1000)
SPEC = make_spec("workflow/models/hogg/model.py")


def points(select=slice(None)):
    frame = pd.read_csv(ROOT / "resources/hogg2010/table1.csv").iloc[select]
    columns = {
        "x": frame["x"],
        "y": frame["y"],
        "e": frame["sigma_y"],
        "e_x": frame["sigma_x"],
        "rho": frame["rho_xy"],
    }
    return xr.Dataset({name: ("point", values.to_numpy(float)) for name, values in columns.items()})


@cache
def fitted(function, first=0):
    """Return the posterior for the points from `first` to the last."""
    data = points(slice(first, None))
    bound = bind_model(function, {**SPEC, "function": function}, data)
    return bound.to_dataset(
        nuts.fit(bound, SETTINGS, Stream(1, ("hogg", function))).posterior, ("chain", "draw"), data
    )


def test_the_line_without_the_first_four_points_agrees_with_the_paper():
    """Exercise 1 of the paper: b = 34 +- 18, m = 2.24 +- 0.11, from points 5 to 20."""
    summary = summarise_draws(fitted("line", 4), "eti", 0.68)
    assert abs(summary["mean"].sel(parameter="m") - 2.24) < 0.02
    assert abs(summary["mean"].sel(parameter="b") - 34) < 2
    assert abs(summary["sd"].sel(parameter="m") - 0.11) < 0.01
    assert abs(summary["sd"].sel(parameter="b") - 18) < 1.5


@pytest.mark.long
def test_the_mixture_identifies_the_outliers():
    posterior = fitted("outliers")
    probability = posterior["p_outlier"].mean(("chain", "draw")).values
    assert set(np.flatnonzero(probability > 0.5) + 1) == {2, 3, 4}
    assert probability[[1, 2, 3]].min() > 0.95
    assert abs(posterior["m"].mean() - 2.24) < 0.05
    assert ((posterior["p_outlier"] >= 0) & (posterior["p_outlier"] <= 1)).all()


@pytest.mark.long
def test_the_comparison_prefers_the_mixture():
    """
    The mixture predicts left-out points better than the line.

    The line gets almost no weight.
    """
    trees, data = {}, points()
    for function in ("line", "outliers"):
        posterior = fitted(function)
        bound = bind_model(function, {**SPEC, "function": function}, data)
        latent = {
            name: posterior[name].values.reshape(-1, *bound.sites[name].shape)
            for name in bound.site_names("latent")
        }
        values = predict_posterior(bound, latent, Stream(1))
        groups = {
            "posterior": posterior,
            "log_likelihood": make_draws_dataset(bound, values["log_likelihood"], 4, data),
        }
        groups |= make_data_groups(bound, data)
        trees[function] = xr.DataTree.from_dict(groups | {"loo": make_loo(groups)})
    found = compare_models(trees, None)
    assert found["model"].values.tolist() == ["outliers", "line"]
    assert float(found["weight"][0]) > 0.95
    assert float(found["elpd_diff"][1]) < -2 * float(found["dse"][1])


def test_the_mixture_density_agrees_with_equation_17():
    module_spec = importlib.util.spec_from_file_location("hogg", SPEC["file"])
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    data = points()
    x, y, e = (data[name].values for name in ("x", "y", "e"))
    m, b, p, mean, sd = 2.2, 30.0, 0.2, 400.0, 100.0
    from numpyro.handlers import substitute

    values = {"m": m, "b": b, "fraction": p, "y_outlier": mean, "sigma_outlier": sd}
    sites = trace(substitute(seed(module.outliers, 0), data=values)).get_trace(
        jnp.array(x), jnp.array(e), jnp.array(y)
    )

    def normal(centre, width):
        return np.exp(-0.5 * ((y - centre) / width) ** 2) / (np.sqrt(2 * np.pi) * width)

    good, bad = (1 - p) * normal(m * x + b, e), p * normal(mean, np.sqrt(sd**2 + e**2))
    np.testing.assert_allclose(sites["y"]["fn"].log_prob(y), np.log(good + bad), rtol=1e-10)
    np.testing.assert_allclose(sites["p_outlier"]["value"], bad / (good + bad), rtol=1e-8)


def functions():
    spec = importlib.util.spec_from_file_location("hogg", SPEC["file"])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LINES = [(1.15, 14.0), (-0.4, 300.0), (0.0, 380.0), (1.5, -150.0)]  # theta and b_perp


def gaussian(data, i, x, y):
    """Return the density of point i in two dimensions for true points (x, y)."""
    e_x, e, rho = (float(data[name][i]) for name in ("e_x", "e", "rho"))
    covariance = [[e_x**2, rho * e_x * e], [rho * e_x * e, e**2]]
    centre = (float(data["x"][i]), float(data["y"][i]))
    return stats.multivariate_normal(centre, covariance).pdf(np.stack([x, y], axis=-1))


def place(theta, b_perp, along, across):
    """
    Return the x and y of a point at the distance `along` the line and `across` it.

    The distance along the line starts at the foot of the perpendicular from the origin.
    """
    distance = b_perp + across
    return along * np.cos(theta) - distance * np.sin(theta), along * np.sin(
        theta
    ) + distance * np.cos(theta)


@pytest.mark.parametrize(("theta", "b_perp"), LINES)
def test_the_density_of_a_point_is_its_gaussian_integrated_along_the_line(theta, b_perp):
    """
    The true points are uniform along the line.

    No Gaussian has an sd below 3 along these lines, so that sums in steps of 0.5 are exact.
    """
    data, along = points(), np.arange(-1500, 1500, 0.5)
    integrals = np.array(
        [gaussian(data, i, *place(theta, b_perp, along, 0)).sum() * 0.5 for i in range(20)]
    )
    inside = integrals > 1e-250
    data, integrals = data.isel(point=inside), integrals[inside]
    arguments = {name: jnp.array(data[name].values) for name in ("x", "e_x", "e", "rho", "y")}
    density, _ = log_density(functions().line_xy, (), arguments, {"theta": theta, "b_perp": b_perp})
    prior = -np.log(np.pi) - np.log(2000)
    assert inside.sum() >= 5
    np.testing.assert_allclose(float(density) - prior, np.log(integrals).sum(), rtol=1e-9)


@pytest.mark.parametrize(("theta", "b_perp"), LINES[:2])
def test_the_mixture_in_two_dimensions_is_integrated_over_the_plane(theta, b_perp):
    """The true point of an outlier is uniform in x and follows the broad Gaussian in y."""
    data, fraction, mean, sd = points().isel(point=slice(0, 8)), 0.2, 330.0, 90.0
    along, offsets, heights = (
        np.arange(-1500, 1500, 0.5),
        np.arange(-100, 100, 1.0),
        np.arange(-300, 1000, 1.0),
    )
    total = 0.0
    for i in range(8):
        on = gaussian(data, i, *place(theta, b_perp, along, 0)).sum() * 0.5
        x, y = np.meshgrid(float(data["x"][i]) + offsets, heights, indexing="ij")
        off = (gaussian(data, i, x, y) @ stats.norm(mean, sd).pdf(heights)).sum()
        total += np.log((1 - fraction) * on + fraction * off)
    arguments = {name: jnp.array(data[name].values) for name in ("x", "e_x", "e", "rho", "y")}
    values = {
        "theta": theta,
        "b_perp": b_perp,
        "fraction": fraction,
        "y_outlier": mean,
        "sigma_outlier": sd,
    }
    density, _ = log_density(functions().outliers_xy, (), arguments, values)
    prior = (
        -np.log(np.pi)
        - np.log(2000)
        + stats.norm(0, 500).logpdf(mean)
        + stats.halfnorm(0, 500).logpdf(sd)
    )
    np.testing.assert_allclose(float(density) - prior, total, rtol=1e-8)


def grid(data, per_x=False):
    """
    Return theta, b_perp and the posterior weights of the line of section 7 on a grid.

    With `per_x`, the true points are uniform in x instead of along the line.
    """
    theta, b_perp = np.meshgrid(
        np.linspace(1.0, 1.3, 601), np.linspace(-80, 120, 801), indexing="ij"
    )
    sin, cos, total = np.sin(theta), np.cos(theta), np.zeros_like(theta)
    for x, e_x, e, rho, y in zip(
        *(data[name].values for name in ("x", "e_x", "e", "rho", "y")), strict=True
    ):
        variance = (sin * e_x) ** 2 - 2 * rho * sin * cos * e_x * e + (cos * e) ** 2
        total -= (
            0.5 * (-sin * x + cos * y - b_perp) ** 2 / variance
            + 0.5 * np.log(variance)
            - per_x * np.log(cos)
        )
    weight = np.exp(total - total.max())
    assert max(edge.max() for edge in (weight[0], weight[-1], weight[:, 0], weight[:, -1])) < 1e-6
    return theta, b_perp, weight / weight.sum()


@pytest.mark.long
def test_the_line_in_two_dimensions_agrees_with_quadrature():
    data = points(slice(4, None))
    theta, b_perp, weight = grid(data)
    summary = summarise_draws(fitted("line_xy", 4), "eti", 0.9)
    values = {"theta": theta, "b_perp": b_perp, "m": np.tan(theta), "b": b_perp / np.cos(theta)}
    for name, value in values.items():
        row, exact = summary.sel(parameter=name), (weight * value).sum()
        assert abs(row["mean"] - exact) < 4 * row["mcse"], name
        spread = np.sqrt((weight * (value - exact) ** 2).sum())
        assert abs(row["sd"] / spread - 1) < 4.5 / np.sqrt(2 * float(row["ess_tail"])), name


def test_true_points_uniform_in_x_give_a_flatter_line():
    """The slope decreases by 0.3 to 1 posterior sd, as the README of the model states."""
    data = points(slice(4, None))
    slopes = []
    for per_x in (False, True):
        theta, _, weight = grid(data, per_x)
        slopes.append((weight * np.tan(theta)).sum())
    spread = np.sqrt((weight * (np.tan(theta) - slopes[1]) ** 2).sum())
    assert 0.3 < (slopes[0] - slopes[1]) / spread < 1


@pytest.mark.long
def test_the_mixture_in_two_dimensions_identifies_the_outliers():
    posterior = fitted("outliers_xy")
    probability = posterior["p_outlier"].mean(("chain", "draw")).values
    assert set(np.flatnonzero(probability > 0.5) + 1) == {2, 3, 4}
    clean = fitted("line_xy", 4)
    assert abs(float(posterior["m"].mean() - clean["m"].mean())) < float(clean["m"].std())


@pytest.mark.long
def test_the_mixture_is_calibrated():
    """
    The ranks of the truth are uniform for 300 data sets from the prior.

    This is simulation-based calibration (Talts et al. 2018, arXiv:1804.06788). The level is 1e-3
    for each of five sites (chi-squared over ten bins). The seed is fixed.
    """
    module_spec = importlib.util.spec_from_file_location("hogg", SPEC["file"])
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    data = points()
    x, e = jnp.array(data["x"].values), jnp.array(data["e"].values)
    names = ["m", "b", "fraction", "y_outlier", "sigma_outlier"]

    def one(key):
        draw, fit = jax.random.split(key)
        sites = trace(seed(module.outliers, draw)).get_trace(x, e)
        mcmc = MCMC(
            NUTS(module.outliers, target_accept_prob=0.9),
            num_warmup=500,
            num_samples=990,
            thinning=10,
            progress_bar=False,
        )
        mcmc.run(fit, x, e, sites["y"]["value"])
        samples = mcmc.get_samples()
        return {name: (samples[name] < sites[name]["value"]).sum() for name in names}

    replicates = 300
    ranks = jax.jit(lambda keys: jax.lax.map(one, keys))(
        jax.random.split(jax.random.PRNGKey(0), replicates)
    )
    for name in names:
        counts = np.bincount(np.asarray(ranks[name]) * 10 // 100, minlength=10)
        assert ((counts - replicates / 10) ** 2 / (replicates / 10)).sum() < 27.9, (name, counts)
