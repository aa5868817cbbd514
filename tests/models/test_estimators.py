"""
Compare five estimators with exact results.

The references are closed forms for point estimates and quadrature for the posterior.
"""

from functools import cache

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import xarray as xr
from conftest import make_spec
from numpyro.infer.util import log_density

from posterity.config.schema import complete_settings
from posterity.inference.methods import laplace, map, mle, nuts, svi
from posterity.model.bind import bind_model, load_model_file
from posterity.runtime.rng import Stream
from posterity.stats.summary import summarise_draws

SPEC = make_spec("workflow/models/estimators/model.py")


@cache
def points(n, slope=0.3, seed=1):
    u = np.linspace(-1, 1, n)
    y = 1.0 + slope * u + np.random.default_rng(seed).normal(size=n)
    return xr.Dataset({"u": ("point", u), "y": ("point", y)})


def fitted(method, data, **given):
    name = method.__name__.rpartition(".")[2]
    return method.fit(
        bind_model("estimators", SPEC, data),
        complete_settings(name, **given),
        Stream(1, ("estimators", name)),
    )


def log_posterior(b, w, sigma, u, y):
    """Return the unnormalised log density of the model's parameters, computed with NumPy."""
    likelihood = -0.5 * (((y - b - w * u) / sigma) ** 2).sum() - u.size * np.log(sigma)
    return likelihood - 0.5 * (b / 2) ** 2 - 0.5 * w**2 - 0.5 * (sigma / 2) ** 2


def quadrature(data, size=400):
    """
    Return mean and sd of b, w and sigma.

    Given w and sigma, y - w u is Gaussian with mean b, and b is Gaussian with mean 0 and sd 2. The
    integral over b has a closed form. The integral over (w, sigma) is a sum over the midpoints of a
    grid.
    """
    u, y = data["u"].values, data["y"].values
    n, least = u.size, least_squares(u, y)
    if n < 10:  # the prior sets the range of the grid
        top, log_sigma = 6.0, np.linspace(np.log(0.005), np.log(12), 2000)
    else:
        top = least[1] + 12 * least[2] / np.sqrt((u**2).sum())
        log_sigma = np.log(least[2]) + np.linspace(-1.2, 1.2, 2000)
    w = (np.arange(size) + 0.5) / size * top
    sigma = np.exp(log_sigma)[None, :]
    rest = y[None, :] - w[:, None] * u[None, :]
    mean, scatter = rest.mean(1)[:, None], rest.var(1)[:, None]
    variance = 1 / (n / sigma**2 + 1 / 4)
    centre = variance * n * mean / sigma**2
    log_p = -0.5 * n * scatter / sigma**2 - n * np.log(sigma) - 0.5 * mean**2 / (4 + sigma**2 / n)
    # The grid is even in log sigma.
    log_p += 0.5 * np.log(variance) - 0.5 * w[:, None] ** 2 - sigma**2 / 8 + np.log(sigma)
    weight = np.exp(log_p - log_p.max())
    weight /= weight.sum()
    # The grid covers the posterior.
    assert weight[-1].sum() < 1e-6 and weight[:, 0].sum() < 1e-6 and weight[:, -1].sum() < 1e-6
    moments = {}
    for name, values, extra in (
        ("b", centre, variance),
        ("w", w[:, None] + 0 * sigma, 0),
        ("sigma", sigma + 0 * w[:, None], 0),
    ):
        m = (weight * values).sum()
        moments[name] = m, np.sqrt((weight * ((values - m) ** 2 + extra)).sum())
    return moments


def least_squares(u, y):
    """
    Return the maximum of the likelihood: b, w and sigma.

    It is the least-squares line with a slope of at least zero. Sigma is the root mean square of the
    residuals.
    """
    w = max(0.0, (u - u.mean()) @ y / ((u - u.mean()) ** 2).sum())
    b = y.mean() - w * u.mean()
    return b, w, np.sqrt(((y - b - w * u) ** 2).mean())


def test_the_density_agrees_with_an_independent_formula():
    data = points(30)
    u, y = data["u"].values, data["y"].values
    found = [
        log_density(
            load_model_file(SPEC).function,
            (jnp.array(u), jnp.array(y)),
            {},
            dict(zip(["b", "w", "sigma"], at, strict=True)),
        )[0]
        for at in ((0.3, 0.2, 1.4), (-0.4, 1.1, 0.6))
    ]
    exact = [log_posterior(*at, u, y) for at in ((0.3, 0.2, 1.4), (-0.4, 1.1, 0.6))]
    np.testing.assert_allclose(found[1] - found[0], exact[1] - exact[0], rtol=1e-10)


@pytest.mark.parametrize(
    ("n", "slope"),
    [(30, -0.6), *(pytest.param(*case, marks=pytest.mark.long) for case in [(30, 0.6), (3, 1.0)])],
)
def test_mle_is_least_squares(n, slope):
    """
    If the line falls, the likelihood is largest at the boundary, w = 0.

    An optimiser in log w approaches it, but does not reach it.
    """
    data = points(n, slope)
    b, w, sigma = least_squares(data["u"].values, data["y"].values)
    found = fitted(mle, data).point
    assert (w > 0) == (slope > 0)
    np.testing.assert_allclose([found["b"], found["w"], found["sigma"]], [b, w, sigma], atol=2e-4)


@pytest.mark.long
@pytest.mark.parametrize("n", [3, 30])
def test_map_agrees_with_the_maximum_of_the_density(n):
    data = points(n, 1.0)
    u, y = data["u"].values, data["y"].values
    start, bounds = (1.0, 0.5, 1.0), [(None, None), (0, None), (1e-3, None)]
    exact = scipy.optimize.minimize(
        lambda at: -log_posterior(*at, u, y), start, bounds=bounds, tol=1e-12
    ).x
    found = fitted(map, data).point
    np.testing.assert_allclose([found["b"], found["w"], found["sigma"]], exact, atol=1e-3)


@pytest.mark.parametrize("n", [3, pytest.param(30, marks=pytest.mark.long)])
def test_nuts_agrees_with_quadrature(n):
    data = points(n)
    bound = bind_model("estimators", SPEC, data)
    result = nuts.fit(
        bound,
        complete_settings("nuts", warmup=1000, draws=5000, target_accept=0.95),
        Stream(1, ("estimators",)),
    )
    summary = summarise_draws(
        bound.to_dataset(result.posterior, ("chain", "draw"), data), "hdi", 0.9
    )
    for name, (mean, sd) in quadrature(data).items():
        row = summary.sel(parameter=name)
        assert abs(row["mean"] - mean) < 5 * row["mcse"], name
        draws = result.posterior[name]
        kurtosis = ((draws - draws.mean()) ** 4).mean() / draws.var() ** 2
        assert abs(row["sd"] / sd - 1) < 5 * np.sqrt(
            (kurtosis - 1) / 4 / min(row["ess_bulk"], row["ess_tail"])
        ), name


@pytest.mark.long
def test_all_methods_agree_for_many_points():
    """
    The slope is nine standard errors away from the boundary.

    There, modes, Gaussian approximations and the posterior differ by an amount of order 1 / sqrt(n)
    posterior sds. The tolerance is five times that, plus Monte Carlo error.
    """
    data = points(1000, 0.5)
    exact, draws, agree = quadrature(data), 10000, 5 / np.sqrt(1000)
    for method in (mle, map):
        point = fitted(method, data, restarts=4).point
        for name, (mean, sd) in exact.items():
            assert abs(point[name] - mean) < agree * sd, (method.__name__, name)
    for method, given in ((laplace, {"restarts": 4}), (svi, {"steps": 4000, "restarts": 10})):
        found = fitted(method, data, draws=draws, **given).posterior
        for name, (mean, sd) in exact.items():
            assert abs(found[name].mean() - mean) < (agree + 5 / np.sqrt(draws)) * sd, (
                method.__name__,
                name,
            )
            assert abs(found[name].std() / sd - 1) < agree + 5 / np.sqrt(2 * draws), (
                method.__name__,
                name,
            )


@pytest.mark.long
def test_mle_and_laplace_are_biased_in_sigma_for_few_points():
    """
    There are three points.

    The likelihood is largest at a noise far below its posterior mean. The posterior is not
    Gaussian in log w and log sigma, so the Laplace approximation differs from it.
    """
    data = points(3, 1.0)
    mean, sd = quadrature(data)["sigma"]
    assert fitted(mle, data).point["sigma"] < mean - sd
    draws = fitted(laplace, data, draws=10000).posterior["sigma"]
    assert abs(draws.mean() - mean) > 0.05 * sd
