import numpy as np
import pytest
from scipy.stats import norm

from posterity.stats import importance
from posterity.stats.importance import (
    compute_pareto_k,
    compute_power_scaling,
    smooth_log_weights,
)


def test_equal_weights_have_a_k_hat_of_zero():
    assert compute_pareto_k(np.full(100, 3.0)) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_have_an_infinite_k_hat(bad):
    assert compute_pareto_k(np.r_[np.zeros(99), bad]) == np.inf


def test_too_few_weights_have_an_infinite_k_hat():
    assert compute_pareto_k(np.arange(24.0)) == np.inf
    assert np.isfinite(compute_pareto_k(np.random.default_rng(1).normal(size=100)))


@pytest.mark.parametrize("shape", [0.2, 0.6])
def test_k_hat_is_the_shape_of_a_pareto_tail(shape):
    """The logarithm of a Pareto variable with shape k is exponential with mean k."""
    log_weights = np.random.default_rng(2).exponential(shape, size=20_000)
    assert compute_pareto_k(log_weights) == pytest.approx(shape, abs=0.1)


def test_smoothed_weights_are_normalised_and_keep_the_bulk():
    log_weights = np.random.default_rng(3).normal(size=1000)
    smoothed = smooth_log_weights(log_weights)
    assert np.exp(smoothed).sum() == pytest.approx(1)
    bulk = np.argsort(log_weights)[:500]
    np.testing.assert_allclose(np.ptp(smoothed[bulk] - log_weights[bulk]), 0, atol=1e-9)


def test_constant_density_moves_nothing():
    draws = np.random.default_rng(4).normal(size=(2, 4, 100))
    np.testing.assert_array_equal(compute_power_scaling(draws, np.full((4, 100), 5.0)), [0, 0])


def test_no_scalars_have_no_sensitivities():
    assert compute_power_scaling(np.zeros((0, 4, 100)), np.zeros((4, 100))).shape == (0,)


def test_density_moves_the_scalar_that_it_depends_on():
    draws = np.random.default_rng(5).normal(size=(2, 4, 1000))
    dependent, independent = compute_power_scaling(draws, norm.logpdf(draws[0]))
    assert dependent > 0.05 > 0.01 > independent


@pytest.mark.parametrize(
    ("weights", "size"), [([1, 1, 1], 3), ([1, 1, 0], 2), ([2, 1, 1], 16 / 6), ([0, 0], 0)]
)
def test_kish_size_of_weights(weights, size):
    with np.errstate(divide="ignore"):
        log_weights = 1000 + np.log(weights)
    assert importance.compute_kish_size(log_weights) == pytest.approx(size)
    assert importance.compute_kish_size(np.array([*log_weights, np.nan])) == 0


@pytest.mark.parametrize("log_weights", [np.zeros(100), np.zeros(3), np.r_[np.zeros(400), -1.0]])
def test_weights_without_a_tail_are_not_smoothed(log_weights):
    smoothed = importance.smooth_log_weights(log_weights)
    np.testing.assert_allclose(np.exp(smoothed).sum(), 1)
    np.testing.assert_allclose(np.ptp(smoothed), np.ptp(log_weights))
