import numpy as np
import pytest
import xarray as xr

from posterity.diagnostics.prior_conflict import check_conflict

WARN = {"warn": 0.01}


def make_conflict(d, p, **bound):
    columns = {"bounded_parameter": [], "side": [], "edge": [], "push": [], "natural": []}
    columns |= {name: [value] for name, value in bound.items()}
    return xr.Dataset(
        {"d": ("parameter", d), "p": ("parameter", p)}
        | {name: ("bound", np.array(values)) for name, values in columns.items()},
        {"parameter": [f"m[{i}]" for i in range(len(d))]},
    )


PILED = {"bounded_parameter": "w", "side": "lower", "edge": 0.0, "push": 0.65, "natural": 0}


def test_a_posterior_in_the_tail_of_its_prior_warns():
    check = check_conflict(make_conflict([0.3, -6.6], [0.8, 1e-6]), WARN)
    assert (check.status, check.value) == ("warn", 2e-6)
    assert check.message.startswith(
        "prior and data disagree in m[1] of 2 scalars: the data lie 6.6"
    )
    assert "below the prior" in check.message


def test_the_p_value_is_corrected_for_the_number_of_scalars():
    check = check_conflict(make_conflict([2.7] + 9 * [0.0], [0.007] + 9 * [1.0]), WARN)
    assert (check.status, check.value) == ("pass", pytest.approx(0.07))
    assert "disagree" not in check.message


def test_of_equal_p_values_the_farthest_scalar_is_named():
    assert "(m[1])" in check_conflict(make_conflict([0.3, 2.0], [1.0, 1.0]), WARN).message


def test_a_posterior_that_piles_up_at_a_bound_warns_by_name():
    check = check_conflict(make_conflict([1.0], [0.3], **PILED), WARN)
    assert check.status == "warn"
    assert check.message.startswith(
        "the posterior piles up at the lower bound 0 of the prior of w; widen that prior"
    )


@pytest.mark.parametrize(
    "change", [{"natural": 1}, {"push": 0.45}, {"push": 300.0}, {"push": np.nan}]
)
def test_a_natural_bound_or_a_weak_push_passes(change):
    assert check_conflict(make_conflict([1.0], [0.3], **PILED | change), WARN).status == "pass"


def test_both_findings_are_named():
    message = check_conflict(make_conflict([5.0], [1e-6], **PILED), WARN).message
    assert "disagree in m[0]" in message
    assert "prior of w" in message


def test_the_check_does_not_apply_without_data_or_proper_priors():
    assert check_conflict(xr.Dataset(), WARN).status == "n/a"
    assert check_conflict(make_conflict([], []), WARN).status == "n/a"
