"""
Compare rating curves with exact posteriors.

Given the scatter and the offset, the model is linear and Gaussian in log space.
"""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xarray as xr
from conftest import ROOT, make_spec
from scipy.special import logsumexp
from synthetic_fits import make_loo

from posterity.comparison.models import compare_models
from posterity.config.schema import complete_settings
from posterity.inference.methods import nuts
from posterity.model.bind import bind_model
from posterity.model.datasets import make_data_groups
from posterity.model.model import trace_conditioned
from posterity.prediction.new_data import bind_new_data, predict_new_data
from posterity.prediction.predict import make_draws_dataset, predict_posterior
from posterity.runtime.rng import Stream
from posterity.stats.arviz_bridge import import_array_stats

SETTINGS = complete_settings("nuts", warmup=1000, draws=2000, dense_mass=True)
SPEC = make_spec("workflow/models/rating/model.py")
# Mean and covariance of the prior of (log a, b).
CENTRE = np.array([np.log(100), 5 / 3])
COVARIANCE = np.diag([1.5**2, 0.5**2])


@cache
def gaugings():
    frame = pd.read_csv(ROOT / "resources/ratingcurve/isere.csv")
    columns = {"h": frame["stage"], "q": frame["q"], "e": frame["q_sigma"] / frame["q"]}
    return xr.Dataset(
        {name: ("gauging", values.to_numpy(float)) for name, values in columns.items()}
    )


@cache
def fitted(function):
    data = gaugings()
    bound = bind_model(function, {**SPEC, "function": function}, data)
    return bound, nuts.fit(bound, SETTINGS, Stream(1, ("rating", function))).posterior


def test_the_gaugings_agree_with_those_of_the_package():
    data = gaugings()
    assert data.sizes["gauging"] == 125
    assert (float(data["h"].min()), float(data["h"].max())) == (0.79, 6.26)
    assert sorted(np.unique(data["e"].values.round(3))) == [0.025, 0.035]


@pytest.mark.parametrize("function", ["model", "offset"])
def test_the_density_agrees_with_the_formula(function):
    bound = bind_model(function, {**SPEC, "function": function}, gaugings())
    h, q, e = (gaugings()[name].values for name in ("h", "q", "e"))
    values = {"log_a": 4.5, "b": 1.4, "sigma": 0.05} | (
        {"h0": -0.3} if function == "offset" else {}
    )
    found = trace_conditioned(bound, values, bound.traced_arguments)["q"]["fn"].log_prob(q)
    mean = np.log(np.exp(4.5) * (h - values.get("h0", 0)) ** 1.4)
    right = scipy.stats.norm.logpdf(np.log(q), mean, np.sqrt(0.05**2 + e**2)) - np.log(q)
    np.testing.assert_allclose(found, right, rtol=1e-10)


def exact(h0s, sigmas, log_prior):
    """
    Return weights of (h0, sigma) on a grid, and mean and covariance of (log a, b) at each point.

    The weights marginalise log a and b. `log_prior` is the log prior density on the grid.
    """
    h, q, e = (gaugings()[name].values for name in ("h", "q", "e"))
    y, weights = np.log(q), 1 / (sigmas[:, None] ** 2 + e**2)
    design = np.stack(
        [np.ones((h0s.size, h.size)), np.log(h - h0s[:, None])], axis=-1
    )  # (h0, gauging, 2)
    precision = np.einsum("gik,si,gil->gskl", design, weights, design) + np.linalg.inv(COVARIANCE)
    towards = np.einsum("gik,si,i->gsk", design, weights, y) + np.linalg.inv(COVARIANCE) @ CENTRE
    covariance = np.linalg.inv(precision)
    mean = np.einsum("gskl,gsl->gsk", covariance, towards)
    square = np.einsum("si,i->s", weights, y**2) + CENTRE @ np.linalg.inv(COVARIANCE) @ CENTRE
    log = 0.5 * (
        np.log(weights).sum(1)
        + np.linalg.slogdet(covariance)[1]
        - square
        + np.einsum("gsk,gsk->gs", mean, towards)
    )
    log = log + log_prior
    total = np.exp(log - log.max())
    return total / total.sum(), mean, covariance


def grids(function, step=1):
    sigmas = np.linspace(0, 0.06, 301)[::step]
    log_prior = scipy.stats.norm.logpdf(sigmas, 0, 0.2)
    if function == "model":
        return np.zeros(1), sigmas, log_prior
    h0s = np.linspace(-2, 0.78, 401)[::step]
    return h0s, sigmas, log_prior + scipy.stats.norm.logpdf(h0s)[:, None]


@pytest.mark.parametrize("function", ["model", pytest.param("offset", marks=pytest.mark.long)])
def test_nuts_agrees_with_the_exact_posterior(function):
    _, posterior = fitted(function)
    h0s, sigmas, log_prior = grids(function)
    weight, mean, covariance = exact(h0s, sigmas, log_prior)
    # The grid covers the posterior.
    assert weight[:, -1].sum() < 1e-8 and (h0s.size == 1 or weight[[0, -1]].sum() < 1e-8)
    moments = {"sigma": ((weight * sigmas).sum(), (weight * sigmas**2).sum())}
    if function == "offset":
        moments["h0"] = ((weight.T * h0s).sum(), (weight.T * h0s**2).sum())
    for place, name in enumerate(("log_a", "b")):
        second = covariance[..., place, place] + mean[..., place] ** 2
        moments[name] = ((weight * mean[..., place]).sum(), (weight * second).sum())
    array = import_array_stats()
    for name, (first, second) in moments.items():
        draws = posterior[name]
        assert abs(draws.mean() - first) < 4.5 * float(array.mcse(draws[None], method="mean")[0]), (
            name
        )
        assert abs(draws.std() - np.sqrt(second - first**2)) < 4.5 * float(
            array.mcse(draws[None], method="sd")[0]
        ), name


def exact_elpd(function):
    """
    Return the exact leave-one-out elpd.

    1 / p(y_i | others) is the posterior mean of 1 / p(y_i), which is an integral over a Gaussian.
    """
    h, q, e = (gaugings()[name].values for name in ("h", "q", "e"))
    h0s, sigmas, log_prior = grids(function, 4)
    weight, mean, covariance = exact(h0s, sigmas, log_prior)
    design = np.stack([np.ones((h0s.size, h.size)), np.log(h - h0s[:, None])], axis=-1)
    centre = np.einsum("gik,gsk->gsi", design, mean)
    left = sigmas[:, None] ** 2 + e**2 - np.einsum("gik,gskl,gil->gsi", design, covariance, design)
    assert left.min() > 0
    log = (
        np.log(2 * np.pi) / 2
        + np.log(sigmas[:, None] ** 2 + e**2)
        - np.log(left) / 2
        + (np.log(q) - centre) ** 2 / (2 * left)
    )
    log_weight = np.full(weight.shape, -np.inf)
    np.log(weight, where=weight > 0, out=log_weight)
    return -(logsumexp(log + log_weight[..., None], axis=(0, 1)) + np.log(q)).sum()


@pytest.mark.long
def test_leave_one_out_and_new_discharges_are_exact():
    """
    The discharge at a new stage is that of the formula for each draw.

    The elpd agrees with its exact value.
    """
    trees, data = {}, gaugings()
    for function in ("model", "offset"):
        bound, posterior = fitted(function)
        latent = {name: posterior[name].reshape(-1)[::2] for name in bound.site_names("latent")}
        values = predict_posterior(bound, latent, Stream(1))
        draws = {name: array.reshape(4, -1) for name, array in latent.items()}
        groups = {
            "posterior": bound.to_dataset(draws, ("chain", "draw"), data),
            "log_likelihood": make_draws_dataset(bound, values["log_likelihood"], 4, data),
        }
        groups |= make_data_groups(bound, data)
        trees[function] = xr.DataTree.from_dict(groups | {"loo": make_loo(groups)})
        there = bind_new_data(
            function, {**SPEC, "function": function}, {"h": [5.0, 7.5], "e": 0.035}, data, 1, "at"
        )
        found = predict_new_data(there, latent, Stream(1))["discharge"]
        above = np.array([5.0, 7.5]) - latent.get("h0", np.zeros(1))[:, None]
        np.testing.assert_allclose(
            found, np.exp(latent["log_a"][:, None]) * above ** latent["b"][:, None], rtol=1e-9
        )
    found = compare_models(trees, None)
    for function in trees:
        assert abs(float(found["elpd"].sel(model=function)) - exact_elpd(function)) < 0.3
    assert found["model"].values.tolist() == ["offset", "model"]
