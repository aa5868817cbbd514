"""The models of straight lines with outliers: known results of the paper, and simulation-based calibration."""

import importlib.util
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import ROOT
from numpyro.handlers import seed, trace
from numpyro.infer import MCMC, NUTS

from posterity import comparison, prediction
from posterity.methods import nuts
from posterity.model import bind, data_groups
from posterity.statistics import summarise
from posterity.study import settings

SETTINGS = settings("nuts", warmup=1000, draws=1000)
SPEC = {"file": str(ROOT / "workflow/models/hogg/model.py"), "arguments": {}, "dims": {}, "observed": None, "figures": []}


def points(select=slice(None)):
    frame = pd.read_csv(ROOT / "resources/hogg2010/table1.csv").iloc[select]
    columns = {"x": frame["x"], "y": frame["y"], "e": frame["sigma_y"]}
    return xr.Dataset({name: ("point", values.to_numpy(float)) for name, values in columns.items()})


@cache
def fitted(function, first=0):
    """The posterior from point `first` on."""
    data = points(slice(first, None))
    bound = bind(function, {**SPEC, "function": function}, data)
    return bound.dataset(nuts.fit(bound, SETTINGS, 1, ("hogg", function)).posterior, ("chain", "draw"), data)


def test_line_without_the_first_four_points_is_that_of_the_paper():
    """Exercise 1 of the paper: b = 34 +- 18, m = 2.24 +- 0.11, from points 5 to 20."""
    summary = summarise(fitted("line", 4), "eti", 0.68)
    assert abs(summary["mean"].sel(parameter="m") - 2.24) < 0.02
    assert abs(summary["mean"].sel(parameter="b") - 34) < 2
    assert abs(summary["sd"].sel(parameter="m") - 0.11) < 0.01
    assert abs(summary["sd"].sel(parameter="b") - 18) < 1.5


def test_the_mixture_finds_the_outliers():
    posterior = fitted("outliers")
    probability = posterior["p_outlier"].mean(("chain", "draw")).values
    assert set(np.flatnonzero(probability > 0.5) + 1) == {2, 3, 4}
    assert probability[[1, 2, 3]].min() > 0.95
    assert abs(posterior["m"].mean() - 2.24) < 0.05
    assert ((posterior["p_outlier"] >= 0) & (posterior["p_outlier"] <= 1)).all()


def test_the_mixture_wins():
    """It predicts every one of the points that the line cannot, left out one by one; the line gets no weight."""
    trees, data = {}, points()
    for function in ("line", "outliers"):
        posterior = fitted(function)
        bound = bind(function, {**SPEC, "function": function}, data)
        latent = {name: posterior[name].values.reshape(-1, *bound.sites[name].shape) for name in bound.names("latent")}
        values = prediction.posterior(bound, latent, 1)
        groups = {"posterior": posterior, "log_likelihood": prediction.posterior_dataset(bound, values["log_likelihood"], 4, data)}
        trees[function] = xr.DataTree.from_dict(groups | data_groups(bound, data))
    found = comparison.models(trees, None)
    assert found["model"].values.tolist() == ["outliers", "line"]
    assert float(found["weight"][0]) > 0.95
    assert float(found["elpd_diff"][1]) < -2 * float(found["dse"][1])


def test_the_mixture_density_is_that_of_equation_17():
    module_spec = importlib.util.spec_from_file_location("hogg", SPEC["file"])
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    data = points()
    x, y, e = (data[name].values for name in ("x", "y", "e"))
    m, b, p, mean, sd = 2.2, 30.0, 0.2, 400.0, 100.0
    from numpyro.handlers import substitute

    values = {"m": m, "b": b, "fraction": p, "y_outlier": mean, "sigma_outlier": sd}
    sites = trace(substitute(seed(module.outliers, 0), data=values)).get_trace(jnp.array(x), jnp.array(e), jnp.array(y))

    def normal(centre, width):
        return np.exp(-0.5 * ((y - centre) / width) ** 2) / (np.sqrt(2 * np.pi) * width)

    good, bad = (1 - p) * normal(m * x + b, e), p * normal(mean, np.sqrt(sd**2 + e**2))
    np.testing.assert_allclose(sites["y"]["fn"].log_prob(y), np.log(good + bad), rtol=1e-10)
    np.testing.assert_allclose(sites["p_outlier"]["value"], bad / (good + bad), rtol=1e-8)


@pytest.mark.long
def test_the_mixture_is_calibrated():
    """
    Simulation-based calibration (Talts et al. 2018, arXiv:1804.06788): 300 data sets from the prior, ranks of the truth uniform.

    The level is 1e-3 for each of five sites (chi-squared over ten bins); the seed is fixed.
    """
    module_spec = importlib.util.spec_from_file_location("hogg", SPEC["file"])
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    data = points()
    x, e = jnp.array(data["x"].values), jnp.array(data["e"].values)
    names = ["m", "b", "fraction", "y_outlier", "sigma_outlier"]

    def one(key):
        draw, fit = jax.random.split(key)
        sites = trace(seed(module.outliers, draw)).get_trace(x, e)
        mcmc = MCMC(NUTS(module.outliers, target_accept_prob=0.9), num_warmup=500, num_samples=990, thinning=10, progress_bar=False)
        mcmc.run(fit, x, e, sites["y"]["value"])
        samples = mcmc.get_samples()
        return {name: (samples[name] < sites[name]["value"]).sum() for name in names}

    replicates = 300
    ranks = jax.jit(lambda keys: jax.lax.map(one, keys))(jax.random.split(jax.random.PRNGKey(0), replicates))
    for name in names:
        counts = np.bincount(np.asarray(ranks[name]) * 10 // 100, minlength=10)
        assert ((counts - replicates / 10) ** 2 / (replicates / 10)).sum() < 27.9, (name, counts)
