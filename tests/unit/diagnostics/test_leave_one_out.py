import numpy as np
import pytest
import xarray as xr

from posterity.diagnostics.leave_one_out import (
    check_leave_one_out,
    check_loo_pit,
    describe_pit_shape,
    label_point,
)

K_HAT = {"warn": 0.7}
P_VALUE = {"warn": 0.05, "fail": 0.01}
EVEN = (np.arange(100) + 0.5) / 100


def make_loo(pareto_k=None, pit=EVEN, sites=None, **attributes):
    """Return the group `loo` of a right model of 3 parameters, unless attributes differ."""
    pit = np.asarray(pit)
    pareto_k = np.full(len(pit), 0.1) if pareto_k is None else np.asarray(pareto_k)
    sites = ["y"] * len(pit) if sites is None else sites
    standard = {
        "good_k": 0.7,
        "p_loo": 2.8,
        "p_loo_se": 0.4,
        "parameters": 3,
        "points": len(pit),
        "matched": 0,
        "unmatched_bad": 0,
        "discrete_sites": "",
    }
    return xr.Dataset(
        {"pareto_k": ("point", pareto_k), "pit": ("point", pit)},
        {"site": ("point", np.array(sites, dtype=object))},
        standard | attributes,
    )


def with_large_k(points, *large):
    return make_loo(np.r_[large, np.full(points - len(large), 0.2)], np.linspace(0, 1, points))


def test_right_model_passes_and_the_sentence_names_point_and_parameters():
    check = check_leave_one_out(make_loo(np.r_[0.4, np.zeros(99)]), K_HAT)
    assert check.status == "pass"
    assert "largest Pareto k-hat of 100 points left out: 0.40 (y[0])" in check.message
    assert "effective number of parameters 2.8 +- 0.4 of 3" in check.message


@pytest.mark.parametrize(
    ("points", "large", "status"),
    [
        (30, (0.75,), "warn"),
        (600, (0.75, 0.8, 0.72), "pass"),  # fewer than 1 %: noise of the estimate
        (600, (0.75,) * 7, "warn"),
        (600, (1.2,), "warn"),  # no noise
        (600, (np.inf,), "warn"),
    ],
)
def test_allowance_for_the_number_of_points(points, large, status):
    check = check_leave_one_out(with_large_k(points, *large), K_HAT)
    assert check.status == status
    assert ("look at these points" in check.message) == (status == "warn")


@pytest.mark.parametrize(("share", "status"), [(0.05, "pass"), (0.2, "warn")])
def test_hard_points_of_a_flexible_model_are_usual(share, status):
    large = (1.1,) * int(share * 600)
    loo = with_large_k(600, *large).assign_attrs(parameters=203, p_loo=125)
    assert check_leave_one_out(loo, K_HAT).status == status


def test_one_large_k_of_an_approximation_passes():
    loo = with_large_k(600, 1.2)
    loo.attrs["is_corrected"] = 1
    assert check_leave_one_out(loo, K_HAT).status == "pass"


def test_few_draws_lower_the_threshold():
    loo = make_loo(np.full(100, 0.6))
    assert check_leave_one_out(loo, K_HAT).status == "pass"
    few = check_leave_one_out(loo.assign_attrs(good_k=0.55), K_HAT)
    assert (few.status, few.threshold) == ("warn", pytest.approx(0.55))


def test_study_may_set_another_threshold():
    loo = with_large_k(30, 1.5)
    assert check_leave_one_out(loo, {"warn": 2}).status == "pass"
    assert check_leave_one_out(loo, 1.2).status == "fail"


@pytest.mark.parametrize(
    ("p_loo", "error", "status"), [(5.0, 1.5, "pass"), (5.9, 1.4, "warn"), (9.0, 5.0, "warn")]
)
def test_more_effective_than_real_parameters_are_a_misfit(p_loo, error, status):
    check = check_leave_one_out(make_loo(p_loo=p_loo, p_loo_se=error), K_HAT)
    assert check.status == status
    assert ("wrong model" in check.message) == (status == "warn")


def test_matched_and_left_out_points_are_mentioned():
    check = check_leave_one_out(make_loo(matched=2, points=50_000), K_HAT)
    assert "evenly spaced ones of 50000" in check.message
    assert "after moment matching at 2" in check.message


@pytest.mark.parametrize(
    ("loo", "reason"),
    [
        (xr.Dataset(attrs={"reason": "20 draws are too few", "points": 3}), "20 draws are too few"),
        (xr.Dataset(), "no data to leave out"),
    ],
)
def test_checks_do_not_apply_without_leave_one_out(loo, reason):
    for check in (check_leave_one_out(loo, K_HAT), check_loo_pit(loo, P_VALUE)):
        assert check.status == "n/a"
        assert reason in check.message


def test_checks_do_not_apply_with_a_parameter_for_each_point():
    loo = make_loo(np.full(100, 1.5), parameters=103)
    assert "103 latent scalars for 100 points" in check_leave_one_out(loo, K_HAT).message
    assert check_loo_pit(loo, P_VALUE).status == "n/a"


def test_pit_values_of_a_flexible_model_need_good_weights():
    central = 0.5 + 0.3 * (EVEN - 0.5)
    loo = make_loo(pit=central, parameters=40)
    assert check_loo_pit(loo, P_VALUE).status == "fail"
    bad = check_loo_pit(loo.assign_attrs(unmatched_bad=30), P_VALUE)
    assert "30 of 100 points" in bad.message
    assert check_loo_pit(loo.assign_attrs(unmatched_bad=30, parameters=3), P_VALUE).status == "fail"


def test_uniform_pit_values_pass():
    assert check_loo_pit(make_loo(), P_VALUE).status == "pass"


@pytest.mark.parametrize(
    ("pit", "text"),
    [
        (EVEN**2, "predictions are too high"),
        (EVEN**0.5, "predictions are too low"),
        (np.where(EVEN < 0.5, EVEN * 0.5, 1 - (1 - EVEN) * 0.5), "predictions are too narrow"),
        (0.5 + 0.5 * (EVEN - 0.5), "predictions are too wide"),
    ],
)
def test_other_pit_values_fail_with_their_shape(pit, text):
    check = check_loo_pit(make_loo(pit=pit), P_VALUE)
    assert check.status == "fail"
    assert text in check.message
    assert describe_pit_shape(pit) == text


def test_sites_are_tested_apart():
    # Together their values are uniform.
    pit = np.r_[EVEN / 2, 0.5 + EVEN / 2]
    check = check_loo_pit(make_loo(pit=pit, sites=["a"] * 100 + ["b"] * 100), P_VALUE)
    assert check.status == "fail"
    assert "100 LOO-PIT values (a)" in check.message
    assert "corrected for 2 sites" in check.message


def test_many_scalar_sites_are_tested_together():
    loo = make_loo(sites=[f"y_{i}" for i in range(100)])
    check = check_loo_pit(loo, P_VALUE)
    assert "100 LOO-PIT values (all sites)" in check.message
    assert label_point(loo, 3) == "y_3"


def test_few_points_have_no_test():
    assert check_loo_pit(make_loo(pit=EVEN[:9]), P_VALUE).status == "n/a"
    unknown = make_loo(pit=np.full(100, np.nan))
    assert check_loo_pit(unknown, P_VALUE).status == "n/a"
