import numpy as np
import pytest
import xarray as xr
from scipy.stats import binom, norm

from posterity.diagnostics.predictive import (
    check_posterior_predictive,
    check_prior_bounds,
    check_prior_predictive,
    check_test_statistics,
    compute_two_sided_p,
)
from posterity.errors import UserError
from posterity.prediction.statistics import TEST_STATISTICS, compute_test_statistics

LEVEL = 0.01
CASES = 1500
MAX_FAILURES = binom.isf(1e-3, CASES, LEVEL)  # more have a probability below 0.1 %


def replicate_gaussian(rng, y, draws):
    """
    Return test statistics of predictions and of the data.

    The posterior is the exact one of a mean with known sd 1 and a flat prior.
    """
    mean = rng.normal(y.mean(), 1 / np.sqrt(y.size), size=(draws, 1))
    replicated = mean + rng.normal(size=(draws, y.size))
    of_predictions = compute_test_statistics(replicated, norm.logpdf(replicated, mean, 1))
    of_data = compute_test_statistics(y[None], norm.logpdf(y, mean, 1))
    return of_predictions, of_data


def check_gaussian(rng, y, draws):
    of_predictions, of_data = replicate_gaussian(rng, y, draws)
    return check_test_statistics({"y": of_predictions}, {"y": of_data}, TEST_STATISTICS, LEVEL)


def test_right_model_fails_with_at_most_the_level():
    """p is at least 6 / 2001, so that the level can be reached."""
    rng = np.random.default_rng(11)
    statuses = [check_gaussian(rng, rng.normal(2, 1, size=20), 2000).status for _ in range(CASES)]
    assert statuses.count("fail") <= MAX_FAILURES


@pytest.mark.parametrize("factor", [3, 0.1])
def test_wrong_errors_fail(factor):
    rng = np.random.default_rng(12)
    assert check_gaussian(rng, factor * rng.normal(size=20), 4000).status == "fail"


def test_outlier_fails_and_the_message_names_the_site():
    rng = np.random.default_rng(13)
    y = rng.normal(size=20)
    y[3] += 7
    check = check_gaussian(rng, y, 4000)
    assert check.status == "fail"
    assert "of y, larger than predicted" in check.message


def test_data_beyond_all_predictions_warn_if_there_are_too_few():
    rng = np.random.default_rng(14)
    check = check_gaussian(rng, 50 + 30 * rng.normal(size=20), 100)
    assert check.status == "warn"
    assert "beyond all predictions" in check.message


def test_p_value_is_corrected_for_all_statistics_of_all_sites():
    rng = np.random.default_rng(15)
    replicated = {name: rng.normal(size=(999, 2)) for name in "ab"}
    observed = {"a": np.zeros((1, 2)), "b": np.array([[0.0, 2.0]])}
    check = check_test_statistics(replicated, observed, ("mean", "sd"), LEVEL)
    p_values = compute_two_sided_p(replicated["b"], observed["b"])
    assert check.value == pytest.approx(4 * p_values[1])
    assert check.message.startswith("least likely of 4 statistics: the sd of b, larger than")


def test_check_does_not_apply_without_observed_sites():
    assert check_test_statistics({}, {}, (), LEVEL).status == "n/a"
    assert check_posterior_predictive(xr.Dataset(), LEVEL).status == "n/a"


def test_statistics_of_one_point_are_defined():
    result = compute_test_statistics(np.ones((1, 1)), np.zeros((5, 1)))
    assert result.shape == (5, len(TEST_STATISTICS))


def test_statistic_that_is_always_equal_has_a_p_value_of_one():
    p_values = compute_two_sided_p(np.ones((50, 1)), np.ones((50, 1)))
    np.testing.assert_allclose(p_values, 1, atol=0.03)


def test_p_value_is_never_zero():
    p_values = compute_two_sided_p(np.zeros((99, 1)), np.ones((1, 1)))
    np.testing.assert_allclose(p_values, 2 * 0.5 / 100)


def test_group_of_statistics_equals_arrays_by_site():
    rng = np.random.default_rng(16)
    of_predictions, of_data = replicate_gaussian(rng, rng.normal(size=10), 200)
    dims = ("chain", "draw", "statistic")
    group = xr.Dataset(
        {
            "y_replicated": (dims, of_predictions.reshape(2, 100, -1)),
            "y_observed": (dims, of_data.reshape(2, 100, -1)),
        },
        {"statistic": list(TEST_STATISTICS)},
    )
    expected = check_test_statistics({"y": of_predictions}, {"y": of_data}, TEST_STATISTICS, LEVEL)
    assert check_posterior_predictive(group, LEVEL) == expected


PREDICTIONS = {"y": np.array([[0.0, 5.0], [np.nan, 20.0]])}


def test_share_within_bounds_is_the_value():
    check = check_prior_bounds(PREDICTIONS, {"y": [0, 10]}, set(), 0.6)
    assert (check.value, check.status) == (0.5, "fail")
    message = "50.0% of the prior predictive draws of y lie in [0, 10]"
    assert check.message == message


def test_bounds_of_other_models_do_not_apply():
    finite = {"y": np.zeros((2, 2))}
    assert check_prior_bounds(finite, {"z": [0, 1]}, {"z"}, 0.5).status == "n/a"
    assert check_prior_bounds(finite, {}, set(), 0.5).status == "n/a"
    assert check_prior_bounds({}, {}, set(), 0.5).status == "n/a"


@pytest.mark.parametrize(("count", "status"), [(1, "n/a"), (2, "warn")])
def test_draws_of_the_prior_that_are_not_finite_warn_without_bounds(count, status):
    values = np.zeros((100, 1))
    values[:count] = np.inf
    check = check_prior_bounds({"y": values, "z": np.zeros(3)}, {}, set(), 0.95)
    assert check.status == status
    assert ("draws of y are not finite" in check.message) == (status == "warn")


def test_unknown_name_of_bounds_is_an_error_with_a_hint():
    with pytest.raises(UserError, match="did you mean 'y'"):
        check_prior_bounds(PREDICTIONS, {"yy": [0, 1]}, set(), 0.5)


def make_prior(improper=""):
    values = xr.DataArray([[0.0, 5.0]], dims=("draw", "i"))
    observed = xr.DataArray([1.0, 2.0], dims="i", attrs={"variable": "speed"})
    groups = {"/prior_predictive": {"obs": values}, "/observed_data": {"obs": observed}}
    tree = xr.DataTree.from_dict({name: xr.Dataset(group) for name, group in groups.items()})
    tree.attrs["improper"] = improper
    return tree


@pytest.mark.parametrize("name", ["speed", "obs"])
def test_bounds_name_the_variable_or_the_site(name):
    thresholds = {"prior_predictive": {name: [0, 1]}, "prior_coverage": 0.95}
    check = check_prior_predictive(make_prior(), {"speed"}, thresholds)
    assert (check.value, check.status) == (0.5, "fail")
    assert "of speed lie in" in check.message


def test_improper_prior_predicts_nothing():
    check = check_prior_predictive(make_prior("m"), set(), {"prior_coverage": 0.95})
    assert check.status == "n/a"
    assert "the prior of m is improper" in check.message
