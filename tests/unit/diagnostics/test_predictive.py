import numpy as np
import pytest
import xarray as xr
from scipy.stats import binom, kurtosis, skew

from posterity.diagnostics.predictive import (
    StatisticFamily,
    check_families,
    check_posterior_predictive,
    check_prior_bounds,
    check_prior_predictive,
    collect_family,
    compute_two_sided_p,
)
from posterity.errors import UserError

THRESHOLD = {"warn": 0.05, "fail": 0.01}
CASES = 400
NAMES = ("sum of r²", "skewness of r", "kurtosis of r", "largest |r|")


def compute_shape(r):
    """Return the statistics in NAMES of residuals, shape (draw, point)."""
    columns = [(r**2).mean(1), skew(r, axis=1), kurtosis(r, axis=1), np.abs(r).max(1)]
    return np.stack(columns, axis=1)


def make_family(rng, y, draws, labels=NAMES):
    """Return statistics under the exact posterior of a mean with known sd 1 and a flat prior."""
    mean = rng.normal(y.mean(), 1 / np.sqrt(y.size), size=(draws, 1))
    replicated = compute_shape(rng.normal(size=(draws, y.size)))
    return StatisticFamily(list(labels), replicated, compute_shape(y - mean))


def check_gaussian(rng, y, draws):
    return check_families(make_family(rng, y, draws), None, THRESHOLD)


def test_right_model_warns_and_fails_with_at_most_the_level():
    rng = np.random.default_rng(11)
    statuses = [check_gaussian(rng, rng.normal(2, 1, size=20), 800).status for _ in range(CASES)]
    # More have a probability below 0.1 %.
    assert statuses.count("fail") <= binom.isf(1e-3, CASES, THRESHOLD["fail"])
    assert CASES - statuses.count("pass") <= binom.isf(1e-3, CASES, THRESHOLD["warn"])


@pytest.mark.parametrize("factor", [3, 0.1])
def test_wrong_errors_fail(factor):
    rng = np.random.default_rng(12)
    assert check_gaussian(rng, factor * rng.normal(size=20), 4000).status == "fail"


def test_outlier_fails_and_the_message_names_the_statistic():
    rng = np.random.default_rng(13)
    y = rng.normal(size=20)
    y[3] += 7
    check = check_gaussian(rng, y, 4000)
    assert check.status == "fail"
    assert check.message.startswith("least likely of 4 statistics: ")
    assert "larger than predicted; p of all together = " in check.message


def test_data_beyond_all_predictions_warn_if_there_are_too_few():
    rng = np.random.default_rng(14)
    check = check_families(make_family(rng, 50 + 30 * rng.normal(size=20), 20), None, 0.001)
    assert check.status == "warn"
    assert "beyond all predictions" in check.message


def test_p_value_of_a_family_is_the_harmonic_mean():
    rng = np.random.default_rng(15)
    replicated = rng.normal(size=(999, 3))
    family = StatisticFamily(["a", "b", "c"], replicated, np.array([[0.0, 0.0, 2.5]]))
    assert family.p_value == pytest.approx(3 / (1 / family.p_values).sum())
    assert family.p_value <= 3 * family.p_values.min()
    assert family.labels[family.worst] == "c"


def make_single(realised):
    replicated = np.random.default_rng(16).normal(size=(999, 1))
    return StatisticFamily(["r against id"], replicated, np.array([[realised]]))


def test_other_statistics_only_warn_where_decisive_ones_fail():
    rng = np.random.default_rng(17)
    right = make_family(rng, rng.normal(size=20), 2000)
    check = check_families(right, make_single(5.0), THRESHOLD)
    assert check.status == "warn"
    assert "r against id, larger than predicted" in check.message
    assert "only a warning" in check.message
    assert check_families(right, make_single(2.1), THRESHOLD).status == "pass"
    wrong = make_family(rng, 3 * rng.normal(size=20), 4000)
    assert check_families(wrong, make_single(5.0), THRESHOLD).status == "fail"


def make_statistics():
    rng = np.random.default_rng(18)
    family = make_family(rng, rng.normal(size=10), 200)
    dims = ("chain", "draw", "y_statistic")
    return family, xr.Dataset(
        {
            "y_replicated": (dims, family.replicated.reshape(2, 100, -1)),
            "y_realised": (dims, family.realised.reshape(2, 100, -1)),
            "y_is_decisive": ("y_statistic", [True, True, True, False]),
        },
        {"y_statistic": list(NAMES)},
    )


def test_families_are_collected_from_the_artefact():
    family, statistics = make_statistics()
    decisive = collect_family(statistics, is_decisive=True)
    assert decisive.labels == [f"{name} (site y)" for name in NAMES[:3]]
    np.testing.assert_array_equal(decisive.replicated, family.replicated[:, :3])
    other = collect_family(statistics, is_decisive=False)
    np.testing.assert_array_equal(other.realised, family.realised[:, 3:])
    expected = check_families(decisive, other, THRESHOLD)
    assert check_posterior_predictive(statistics, THRESHOLD) == expected


def test_check_does_not_apply_without_observed_sites():
    assert check_posterior_predictive(xr.Dataset(), THRESHOLD).status == "n/a"


def test_statistic_that_is_always_equal_has_a_p_value_of_one():
    p_values = compute_two_sided_p(np.ones((50, 1)), np.ones((50, 1)))
    np.testing.assert_allclose(p_values, 1, atol=0.03)


def test_p_value_is_never_zero():
    p_values = compute_two_sided_p(np.zeros((99, 1)), np.ones((1, 1)))
    np.testing.assert_allclose(p_values, 2 * 0.5 / 100)


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
