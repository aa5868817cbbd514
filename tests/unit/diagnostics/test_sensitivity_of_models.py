"""Sensitivity to the prior of models with known posteriors, against ArviZ."""

import arviz_stats
import numpy as np
import pytest
import xarray as xr

from posterity.diagnostics.prior_sensitivity import check_prior_sensitivity, measure_sensitivity
from posterity.prediction.predict import make_draws_dataset, predict_posterior
from posterity.runtime.rng import Stream

SOURCE = """
def model(y):
    mu = numpyro.sample('mu', PRIOR)
    with numpyro.plate('row', 10):
        numpyro.sample('y', dist.Normal(mu, 1), obs=y)
"""
Y = np.random.default_rng(5).normal(3, 1, 10)
# The distribution, its precision, and the status of the check.
PRIORS = {
    "informative": ("dist.Normal(0, 0.3)", 1 / 0.09, "pass"),
    "strong": ("dist.Normal(0, 1e-4)", 1e8, "warn"),
    "wide": ("dist.Normal(0, 100)", 1e-4, "pass"),
    "flat": ("dist.Uniform(-50, 50)", 0, "n/a"),
}


def make_groups(bind_source, prior, precision):
    """Return exact draws, their log prior and their log likelihood, by group."""
    bound = bind_source(SOURCE.replace("PRIOR", prior), xr.Dataset({"y": ("row", Y)}))
    variance = 1 / (10 + precision)
    noise = np.random.default_rng(6).normal(size=(4, 1000))
    draws = variance * Y.sum() + np.sqrt(variance) * noise
    values = predict_posterior(bound, {"mu": draws.reshape(-1)}, Stream(1))
    return {
        "posterior": bound.to_dataset({"mu": draws}, ("chain", "draw"), xr.Dataset()),
        "log_prior": make_draws_dataset(bound, values["log_prior"], 4, xr.Dataset()),
        "log_likelihood": make_draws_dataset(bound, values["log_likelihood"], 4, xr.Dataset()),
    }


@pytest.mark.parametrize("name", PRIORS)
def test_a_strong_prior_warns_and_a_wide_one_passes(bind_source, name):
    prior, precision, status = PRIORS[name]
    sensitivity = measure_sensitivity(*make_groups(bind_source, prior, precision).values(), 100)
    assert check_prior_sensitivity(sensitivity, {"warn": 0.05}).status == status


@pytest.mark.parametrize("name", ["informative", "wide"])
def test_the_sensitivity_is_that_of_arviz(bind_source, name):
    prior, precision, _ = PRIORS[name]
    groups = make_groups(bind_source, prior, precision)
    sensitivity = measure_sensitivity(*groups.values(), 100)
    table = arviz_stats.psense_summary(xr.DataTree.from_dict(groups), round_to=12)
    for part in ("prior", "likelihood"):
        assert float(sensitivity[part][0]) == pytest.approx(table.loc["mu", part], rel=1e-6)


def test_a_model_of_large_sites_alone_has_no_sensitivity():
    sensitivity = measure_sensitivity(xr.Dataset(), xr.Dataset(), xr.Dataset(), 100)
    assert sensitivity.sizes["parameter"] == 0
    assert check_prior_sensitivity(sensitivity, 0.05).status == "n/a"
