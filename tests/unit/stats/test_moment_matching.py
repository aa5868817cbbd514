import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from posterity.stats.leave_one_out import smooth_log_ratios
from posterity.stats.moment_matching import AffineMap, match_moments

OUTLIER = 20.0
MEAN, SD = 1.0, 21**-0.5  # posterior of a mean, of 20 points at 0 and the outlier


def evaluate(positions):
    return norm.logpdf(positions[:, 0], OUTLIER / 21, SD), norm.logpdf(OUTLIER, positions[:, 0])


def draw_posterior():
    return np.random.default_rng(1).normal(OUTLIER / 21, SD, size=(4000, 1))


def test_elpd_of_an_outlier_equals_the_exact_one():
    exact = norm.logpdf(OUTLIER, 0, np.hypot(1, 20**-0.5))
    positions = draw_posterior()
    assert smooth_log_ratios(-evaluate(positions)[1][None], 1.0)[1][0] > 1
    matched = match_moments(positions, evaluate, 1.0, 0.7)
    assert matched.pareto_k < 0.7
    assert matched.elpd == pytest.approx(exact, abs=0.05)


def test_correlated_parameters_are_rotated():
    # The point measures the sum of two parameters, far from the others.
    covariance = np.array([[0.05, -0.02], [-0.02, 0.05]])
    positions = np.random.default_rng(2).multivariate_normal([0, 0], covariance, size=4000)

    def evaluate_sum(z):
        density = multivariate_normal.logpdf(z, [0, 0], covariance)
        return density, norm.logpdf(9.0, z.sum(1), 0.6)

    # Without the point: precision minus that of the point, by completing the square.
    one = np.ones((2, 2)) / 0.36
    without = np.linalg.inv(np.linalg.inv(covariance) - one)
    mean = without @ (-np.ones(2) * 9.0 / 0.36)
    exact = norm.logpdf(9.0, mean.sum(), np.sqrt(without.sum() + 0.36))
    matched = match_moments(positions, evaluate_sum, 1.0, 0.7)
    assert matched.pareto_k < 0.7
    assert matched.elpd == pytest.approx(exact, abs=0.15)


def test_point_with_a_good_k_hat_is_left_alone():
    positions = draw_posterior()
    assert match_moments(positions, evaluate, 1.0, 5.0) is None


def test_maps_are_composed_and_inverted():
    rng = np.random.default_rng(3)
    first, second = (AffineMap(rng.normal(size=(2, 2)), rng.normal(size=2)) for _ in range(2))
    positions = rng.normal(size=(5, 2))
    both = second.follow(first)
    np.testing.assert_allclose(both.apply(positions), second.apply(first.apply(positions)))
    np.testing.assert_allclose(both.invert().apply(both.apply(positions)), positions)
