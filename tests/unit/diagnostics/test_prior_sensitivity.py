import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

from posterity.diagnostics.prior_sensitivity import check_sensitivity, measure_sensitivity

LEAD = ("chain", "draw")
WARN = {"warn": 0.05}


def measure_gaussian(prior_mean, prior_sd, likelihood_sd=1.0):
    """Measure the sensitivity of the mean of one observation at 0 with a Gaussian prior."""
    precision = 1 / prior_sd**2 + 1 / likelihood_sd**2
    mean = prior_mean / prior_sd**2 / precision
    draws = np.random.default_rng(1).normal(mean, precision**-0.5, size=(4, 1000))
    return measure_sensitivity(
        xr.Dataset({"m": (LEAD, draws)}),
        xr.Dataset({"m": (LEAD, norm.logpdf(draws, prior_mean, prior_sd))}),
        xr.Dataset({"y": ((*LEAD, "i"), norm.logpdf(0, draws, likelihood_sd)[..., None])}),
        100,
    )


def test_wide_prior_is_dominated_by_the_data():
    sensitivities = measure_gaussian(0, 100)
    assert sensitivities["prior"] < 0.05 <= sensitivities["likelihood"]
    assert sensitivities["diagnosis"].item() == "the data dominate the prior"
    assert check_sensitivity(sensitivities, WARN).status == "pass"


def test_strong_prior_against_weak_data_warns():
    sensitivities = measure_gaussian(0, 1, likelihood_sd=100)
    assert sensitivities["diagnosis"].item() == "the prior is strong, or the data are weak"
    check = check_sensitivity(sensitivities, WARN)
    assert check.status == "warn"
    assert check.value == sensitivities["prior"].item()
    assert check.message.startswith("largest sensitivity to the prior: ")
    assert "(m; to the data " in check.message


def test_prior_far_from_the_data_may_disagree_with_them():
    assert measure_gaussian(8, 1)["diagnosis"].item() == "prior and data may disagree"


def test_flat_prior_has_no_sensitivity():
    draws = np.random.default_rng(2).normal(size=(4, 500))
    sensitivities = measure_sensitivity(
        xr.Dataset({"m": (LEAD, draws)}),
        xr.Dataset(),
        xr.Dataset({"y": (LEAD, norm.logpdf(0, draws))}),
        100,
    )
    assert np.isnan(sensitivities["prior"]).all()
    assert sensitivities["diagnosis"].item() == "the prior is flat"
    assert check_sensitivity(sensitivities, WARN).status == "n/a"


def test_scalars_that_never_change_are_left_out():
    rng = np.random.default_rng(3)
    draws = rng.normal(size=(2, 500, 3))
    draws[..., 1] = 4
    log_density = xr.Dataset({"v": (LEAD, norm.logpdf(draws).sum(-1))})
    posterior = xr.Dataset({"v": ((*LEAD, "i"), draws)})
    sensitivities = measure_sensitivity(posterior, log_density, log_density, 100)
    assert sensitivities["parameter"].values.tolist() == ["v[0]", "v[2]"]
    assert "of 2 scalars" in check_sensitivity(sensitivities, WARN).message


@pytest.mark.parametrize("draws", [np.zeros((1, 4)), np.ones((2, 500))])
def test_check_does_not_apply_without_draws_that_differ(draws):
    posterior = xr.Dataset({"m": (LEAD, draws)})
    density = xr.Dataset({"m": (LEAD, norm.logpdf(draws))})
    check = check_sensitivity(measure_sensitivity(posterior, density, density, 100), WARN)
    assert check.status == "n/a"
    assert "enough draws that differ" in check.message


def test_check_does_not_apply_without_data():
    assert check_sensitivity(xr.Dataset(), WARN).status == "n/a"
    empty = measure_sensitivity(xr.Dataset(), xr.Dataset(), xr.Dataset(), 100)
    assert check_sensitivity(empty, WARN).status == "n/a"
