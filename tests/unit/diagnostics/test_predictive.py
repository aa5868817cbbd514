import numpy as np
import pytest

from posterity.diagnostics.predictive import (
    check_prior_bounds,
    check_test_statistics,
    compute_two_sided_p,
)
from posterity.errors import UserError
from posterity.prediction.statistics import TEST_STATISTICS, compute_test_statistics

RNG = np.random.default_rng(11)


def log_density(y, mean, sd):
    return -0.5 * ((y - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)


def one(y, draws=400):
    """The exact posterior of a mean with known sd 1 and a flat prior, its predictions, and the check."""
    mean = RNG.normal(y.mean(), 1 / np.sqrt(y.size), size=(draws, 1))
    replicated = mean + RNG.normal(size=(draws, y.size))
    t_replicated = compute_test_statistics(replicated, log_density(replicated, mean, 1))
    t_observed = compute_test_statistics(y[None], log_density(y, mean, 1))
    return check_test_statistics({"y": t_replicated}, {"y": t_observed}, TEST_STATISTICS, 0.01)


def test_a_right_model_fails_with_at_most_the_level():
    """Null cases: 1,500; at a rate of 1 % more than 29 failures have a probability below 1e-3. p is at least 6 / 401 of 1 / 400."""
    failures = sum(one(RNG.normal(2, 1, size=20), 2000).status == "fail" for _ in range(1500))
    assert failures <= 29


def test_outliers_and_wrong_errors_are_found():
    y = RNG.normal(size=20)
    assert one(y * 3, 4000).status == "fail"
    assert one(y * 0.1, 4000).status == "fail"
    y[3] += 7
    result = one(y, 4000)
    assert result.status == "fail"
    assert "y, " in result.message


def test_statistics_of_one_point_and_of_constants():
    result = compute_test_statistics(np.ones((1, 1)), np.zeros((5, 1)))
    assert result.shape == (5, len(TEST_STATISTICS))
    p = compute_two_sided_p(np.ones((50, 1)), np.ones((50, 1)))
    np.testing.assert_allclose(p, 1, atol=0.03)


def test_prior_bounds():
    predicted = {"y": np.array([[0.0, 5.0], [np.nan, 20.0]])}
    result = check_prior_bounds(predicted, {"y": [0, 10]}, set(), 0.6)
    assert result.value == 0.5
    assert result.status == "fail"
    assert check_prior_bounds(predicted, {"z": [0, 1]}, {"z"}, 0.5).status == "n/a"
    assert check_prior_bounds(predicted, {}, set(), 0.5).status == "n/a"
    with pytest.raises(UserError, match="did you mean 'y'"):
        check_prior_bounds(predicted, {"yy": [0, 1]}, set(), 0.5)
