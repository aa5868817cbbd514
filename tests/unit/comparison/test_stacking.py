import numpy as np
import pytest
from scipy.stats import norm

from posterity.comparison.stacking import bootstrap_weights, compute_stacking_weights


def make_densities(*log_densities):
    elpd = np.array(log_densities)
    return np.exp(elpd - elpd.max(axis=0))


@pytest.fixture
def y():
    return np.random.default_rng(1).normal(size=200)


def test_weights_are_at_the_optimum():
    rng = np.random.default_rng(2)
    y = rng.normal(np.where(np.arange(300) % 3, -1.5, 1.5), 1)
    density = make_densities(*(norm.logpdf(y, mean) for mean in (-1.5, 1.5, 0.0)))
    weights = compute_stacking_weights(density)
    slopes = (density / (weights @ density)).mean(axis=1)
    assert slopes.max() < 1 + 1e-8
    assert weights[0] == pytest.approx(2 / 3, abs=0.1)
    assert weights.sum() == pytest.approx(1)


def test_equal_models_share_the_weight(y):
    density = make_densities(norm.logpdf(y), norm.logpdf(y))
    np.testing.assert_allclose(compute_stacking_weights(density), 0.5)


def test_a_model_that_excludes_a_point_does_not_get_all_weight(y):
    density = make_densities(norm.logpdf(y), norm.logpdf(y, 0, 2))
    density[0, 3] = 0
    weights = compute_stacking_weights(density)
    assert 0 < weights[1] < 0.5


def test_weights_of_two_forms_of_one_model_are_not_determined(y):
    noise = np.random.default_rng(3).normal(0, 1e-4, size=(2, 200))
    # The second one is better by 0.007 nats at all points together.
    density = make_densities(norm.logpdf(y) + noise[0], norm.logpdf(y) + noise[1] + 0.007 / 200)
    intervals = bootstrap_weights(density, np.array([0.02, 0.02]))
    np.testing.assert_allclose(intervals, [[0, 1], [0, 1]], atol=0.05)


def test_weights_of_a_clear_winner_are_determined(y):
    density = make_densities(norm.logpdf(y), norm.logpdf(y, 2))
    intervals = bootstrap_weights(density, np.array([0.02, 0.02]))
    np.testing.assert_allclose(intervals, [[1, 1], [0, 0]], atol=0.02)


def test_weights_of_a_real_mixture_are_determined():
    y = np.random.default_rng(4).normal(np.where(np.arange(400) % 2, -2, 2), 1)
    density = make_densities(norm.logpdf(y, -2), norm.logpdf(y, 2))
    low, high = bootstrap_weights(density, np.array([0.02, 0.02]))[0]
    assert 0.4 < low < 0.5 < high < 0.6


def test_the_only_model_has_all_weight(y):
    density = make_densities(norm.logpdf(y))
    assert compute_stacking_weights(density).tolist() == [1]
    assert bootstrap_weights(density, np.zeros(1)).tolist() == [[1, 1]]
