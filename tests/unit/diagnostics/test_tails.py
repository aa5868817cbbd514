import numpy as np
import pytest
import xarray as xr

from posterity.diagnostics.tails import check_tails
from posterity.stats.summary import summarise_draws

LEAD = ("chain", "draw")


def judge(threshold=None, **sites):
    variables = {name: (LEAD, values) for name, values in sites.items()}
    summary = summarise_draws(xr.Dataset(variables), "eti", 0.9)
    size = next(iter(sites.values())).size
    return check_tails(summary, size, {"warn": 0.7} if threshold is None else threshold)


def test_scalars_with_a_mean_and_an_sd_pass():
    rng = np.random.default_rng(1)
    size = (4, 1000)
    check = judge(
        normal=rng.normal(size=size),
        exponential=rng.exponential(size=size),
        t3=rng.standard_t(3, size=size),
    )
    assert check.status == "pass"
    assert check.message.startswith("largest Pareto k-hat of the tails of 3 scalars: 0.")


def test_ratio_without_a_mean_warns_by_name():
    rng = np.random.default_rng(1)
    top, bottom = rng.normal(1, 1, size=(2, 4, 1000))
    check = judge(top=top, bottom=bottom, ratio=top / bottom)
    assert check.status == "warn"
    assert "(ratio); no mean and no sd of ratio: report the median" in check.message
    assert check.value > 0.9


def test_threshold_of_fail_fails():
    rng = np.random.default_rng(1)
    assert judge(0.7, x=rng.standard_cauchy((4, 1000))).status == "fail"
    assert judge({"warn": np.inf}, x=rng.standard_cauchy((4, 1000))).status == "pass"


@pytest.mark.parametrize(
    "draws",
    [
        np.random.default_rng(1).standard_cauchy((4, 20)),
        np.random.default_rng(1).poisson(3.0, (4, 1000)).astype(float),
        np.ones((4, 1000)) / 3,
        np.full((4, 1000), np.nan),
    ],
)
def test_few_discrete_constant_or_infinite_draws_have_no_tails(draws):
    assert judge(x=draws).status == "n/a"


def test_only_the_first_of_many_heavy_scalars_are_named():
    rng = np.random.default_rng(1)
    draws = xr.Dataset({"v": ((*LEAD, "i"), rng.standard_cauchy((4, 1000, 8)))})
    check = check_tails(summarise_draws(draws, "eti", 0.9), 4000, {"warn": 0.7})
    assert "v[4] and 3 more: report" in check.message
