"""Importance resampling."""

import numpy as np
import pytest

from posterity.errors import UserError
from posterity.inference.importance import resample_draws


@pytest.fixture
def pool():
    """Draws of N(0, 1), and log weights that make them draws of N(0.5, 1)."""
    x = np.random.default_rng(1).normal(size=(1, 20000))
    return {"x": x}, (0.5 * x - 0.125)[0]


def test_resampled_draws_have_the_moments_of_the_target(pool):
    sites, log_weights = pool
    draws = resample_draws(sites, log_weights, 4000, np.random.default_rng(2))["posterior"]["x"]
    assert draws.shape == (1, 4000)
    assert draws.mean() == pytest.approx(0.5, abs=0.06)
    assert draws.std() == pytest.approx(1, abs=0.04)


def test_sites_stay_together(pool):
    sites, log_weights = pool
    sites = sites | {"y": 2 * sites["x"][..., None]}
    draws = resample_draws(sites, log_weights, 100, np.random.default_rng(2))["posterior"]
    np.testing.assert_array_equal(draws["y"][..., 0], 2 * draws["x"])


def test_draws_without_a_finite_weight_are_never_chosen(pool):
    sites, log_weights = pool
    log_weights = np.where(sites["x"][0] < 0, np.nan, log_weights)
    fields = resample_draws(sites, log_weights, 1000, np.random.default_rng(2))
    assert (fields["posterior"]["x"] >= 0).all()
    assert np.isneginf(fields["log_weights"][0][sites["x"][0] < 0]).all()
    assert fields["weighted"] is sites


def test_too_few_finite_weights_are_an_error(pool):
    sites, log_weights = pool
    with pytest.raises(UserError, match="hardly any draw"):
        resample_draws(sites, np.full_like(log_weights, -np.inf), 1000, np.random.default_rng(2))
