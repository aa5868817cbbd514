"""The optimiser: convergence, several starts, and densities that are finite nowhere."""

import jax.numpy as jnp
import numpy as np
import pytest
from unit.inference.methods.targets import (
    FAR_DATA,
    MEAN,
    NO_FINITE_DENSITY,
    NORMAL,
    Y,
)

from posterity.config.schema import complete_settings
from posterity.errors import UserError
from posterity.inference.optimise import find_maximum, minimise_loss
from posterity.runtime.rng import Stream

SETTINGS = complete_settings("laplace", restarts=4)


def get_potential(unconstrained, traced):
    return unconstrained.potential


def rosenbrock(position):
    x, y = position["x"], position["y"]
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def test_a_curved_valley_is_followed_to_its_minimum():
    state = minimise_loss(rosenbrock, {"x": jnp.array(-1.2), "y": jnp.array(1.0)}, 500)
    assert float(state.position["x"]) == pytest.approx(1, abs=1e-6)
    assert float(state.position["y"]) == pytest.approx(1, abs=1e-6)
    assert int(state.steps) < 500


def test_the_search_ends_after_the_given_steps():
    state = minimise_loss(rosenbrock, {"x": jnp.array(-1.2), "y": jnp.array(1.0)}, 3)
    assert int(state.steps) == 3


def test_the_maximum_of_a_gaussian_is_its_mean(bind_source):
    optimum = find_maximum(bind_source(NORMAL, y=Y), SETTINGS, Stream(1), get_potential)
    assert float(optimum.position["mu"]) == pytest.approx(MEAN, abs=1e-6)
    assert float(optimum.sites["mu"]) == pytest.approx(MEAN, abs=1e-6)


def test_the_starts_show_what_each_has_reached(bind_source):
    optimum = find_maximum(bind_source(NORMAL, y=Y), SETTINGS, Stream(1), get_potential)
    starts = optimum.starts
    assert set(starts.data_vars) == {"log_density", "rise", "gradient", "steps"}
    assert starts.sizes == {"start": 4}
    np.testing.assert_allclose(starts["log_density"], starts["log_density"].max(), rtol=1e-9)
    assert (starts["gradient"] <= 1e-4).all()
    assert optimum.gradient_evaluations >= int(starts["steps"].sum())


def test_a_point_result_has_the_sites_of_the_optimum(bind_source):
    optimum = find_maximum(bind_source(NORMAL, y=Y), SETTINGS, Stream(1), get_potential)
    result = optimum.to_point_result()
    assert result.sampling == "point"
    assert result.point is optimum.sites
    assert result.optimisation is optimum.starts


def test_a_density_that_is_finite_nowhere_is_an_error(bind_source):
    with pytest.raises(UserError, match="not finite at any start"):
        find_maximum(bind_source(NO_FINITE_DENSITY, FAR_DATA), SETTINGS, Stream(1), get_potential)
