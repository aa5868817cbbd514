"""The maximum of the posterior density."""

import numpy as np
import pytest
import xarray as xr
from unit.inference.methods.targets import (
    CONJUGATE_LINE,
    LINE_DATA,
    WIDE_COIN,
    WIDE_COIN_DATA,
    compute_line_posterior,
)

from posterity.config.schema import complete_settings
from posterity.diagnostics.approximation import check_optimum
from posterity.inference.methods import map
from posterity.model.dependencies import list_top_level_sites
from posterity.prediction.predict import predict_posterior
from posterity.runtime.rng import Stream

MAP = complete_settings("map", restarts=8, steps=500)
FLAT_MEAN = """
from numpyro.distributions import constraints
def model(y):
    mu = numpyro.sample("mu", dist.ImproperUniform(constraints.real, (), ()))
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", dist.Normal(mu, 2.0), obs=y)
"""
TWO_MAXIMA = """
def model(y):
    a = numpyro.sample("a", dist.Uniform(-10, 10))
    numpyro.deterministic("twice", 2 * a)
    weights = dist.Categorical(jnp.array([0.3, 0.7]))
    mixture = dist.MixtureSameFamily(weights, dist.Normal(jnp.stack([a + 4, a - 4]), 0.5))
    numpyro.sample("y", mixture, obs=y)
"""
WEAK_PARAMETER = """
def model(x, z, y):
    b = numpyro.sample("b", dist.Normal(0, 10))
    m = numpyro.sample("m", dist.Normal(0, 1))
    numpyro.sample("z", dist.Normal(m, 1), obs=z)
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Normal(b * x, 0.003), obs=y)
"""


@pytest.mark.long
def test_the_point_is_the_mode_of_the_parameters_without_a_jacobian(bind_source):
    result = map.fit(bind_source(WIDE_COIN, WIDE_COIN_DATA), MAP, Stream(1, ("coin",)))
    assert result.sampling == "point"
    assert not result.posterior
    assert result.point["f"] == pytest.approx(15 / 28, abs=1e-6)


def test_the_point_of_a_gaussian_posterior_is_its_mean(bind_source):
    mean, _ = compute_line_posterior()
    result = map.fit(bind_source(CONJUGATE_LINE, LINE_DATA), MAP, Stream(1, ("line",)))
    np.testing.assert_allclose(result.point["b"], mean, rtol=1e-6)
    assert check_optimum(result.optimisation, {"warn": 2}).status == "pass"


@pytest.mark.long
def test_the_highest_of_several_maxima_is_found(bind_source):
    bound = bind_source(TWO_MAXIMA, xr.Dataset({"y": ((), 0.0)}))
    result = map.fit(bound, MAP | {"restarts": 16}, Stream(1, ("two",)))
    assert result.point["a"] == pytest.approx(4, abs=1e-4)
    assert result.point["twice"] == pytest.approx(8, abs=1e-3)
    reached = result.optimisation["log_density"].values
    assert np.ptp(reached) > 0.5, "some starts reach the other maximum"


@pytest.mark.long
def test_a_weak_parameter_converges_next_to_a_large_density(bind_source):
    """Error bars that are much too small make a log density of -1e7."""
    x = np.linspace(1, 2, 1000)
    y = 2 * x + np.random.default_rng(1).normal(0, 0.5, 1000)
    data = xr.Dataset({"x": ("row", x), "y": ("row", y), "z": 2.0})
    result = map.fit(bind_source(WEAK_PARAMETER, data), MAP, Stream(1, ("weak",)))
    assert result.optimisation["log_density"].values.max() < -1e7
    assert result.point["m"] == pytest.approx(1.0, abs=1e-3)
    assert check_optimum(result.optimisation, {"warn": 2}).status == "pass"


def test_an_improper_prior_has_a_maximum(bind_source):
    """Flat in the mean and known errors: the posterior is N(mean, sd / sqrt(n))."""
    bound = bind_source(FLAT_MEAN, xr.Dataset({"y": ("row", np.array([1.0, 2.0, 6.0]))}))
    assert bound.improper_sites == ["mu"]
    assert map.fit(bound, MAP, Stream(1, ("a",))).point["mu"] == pytest.approx(3)


def test_an_improper_prior_has_a_constant_density(bind_source):
    bound = bind_source(FLAT_MEAN, xr.Dataset({"y": ("row", np.array([1.0, 2.0, 6.0]))}))
    values = predict_posterior(bound, {"mu": np.array([3.0, 4.0])}, Stream(1))
    assert values["log_prior"]["mu"].tolist() == [0, 0]
    assert list_top_level_sites(bound) == ["mu"]
