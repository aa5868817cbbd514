"""The Hertzsprung-Russell clusters: the data, the densities against numpy and scipy, and the posterior by brute force."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
import yaml
from conftest import ROOT
from numpyro.infer.util import log_density
from scipy import stats

from data import simulate
from posterity import imports, prediction
from posterity.methods import nuts
from posterity.model import bind
from posterity.statistics import summarise
from posterity.study import settings

FOLDER = ROOT / "workflow/models/hr"
SPEC = {"file": str(FOLDER / "model.py"), "arguments": {}, "dims": {"clusters": "cluster", "stars": "star"}, "observed": None}
SIMULATION = yaml.safe_load((ROOT / "config/studies/hr.yaml").read_text())["data"]
TRUTH = SIMULATION["simulate"]["truth"]
ENDS = (1.0, 10.0)  # of the cube root of the distance


@cache
def simulated():
    """Data and truth of the study."""
    return simulate(SIMULATION, SPEC, "float64", 1, "hr")


def bound(function, data):
    return bind(function, SPEC | {"function": function}, data)


def table(index, logtemps, parallax, counts):
    columns = {"cluster_index": ("star", index), "logtemps": ("star", logtemps), "fluxcounts": ("star", counts)}
    return xr.Dataset(
        {name: (dim, np.array(values)) for name, (dim, values) in columns.items()} | {"parallax": ("cluster", np.array(parallax))}
    )


# Clusters near and far, stars bright, faint and without a count.
SMALL = table(
    [0, 0, 0, 1, 1, 1, 2, 2, 2],
    [3.3, 3.4, 3.6, 3.2, 3.5, 3.6, 3.1, 3.3, 3.5],
    [0.1, 0.05, 0.0],
    [150, 400, 3000, 9, 160, 310, 0, 2, 25],
)


def test_the_data_are_of_the_kind_that_the_page_shows():
    data, truth = simulated()
    index, parallax, counts = (data[name].values for name in ("cluster_index", "parallax", "fluxcounts"))
    assert np.bincount(index).size == 30
    assert np.bincount(index).min() >= 3
    assert (parallax == 0).any()
    assert (parallax > 0).sum() >= 3
    assert parallax[parallax > 0].min() >= 0.05
    np.testing.assert_allclose(parallax / 0.025, np.round(parallax / 0.025), atol=1e-9)
    assert 0 < (counts == 0).sum() < 20
    assert {*TRUTH, "distance", "absolute_magnitude"} <= set(truth)
    assert truth["distance"].dims == ("cluster",)
    apparent = truth["absolute_magnitude"].values + 5 * np.log10(truth["distance"].values[index]) - 5
    rate = 5e5 * 10 ** (-0.4 * (apparent - 2))
    chi2 = ((counts - rate) ** 2 / rate)[rate > 5]
    assert stats.chi2.sf(chi2.sum(), chi2.size) > 1e-3
    residual = (truth["absolute_magnitude"] - TRUTH["offset"] - TRUTH["slope"] * (data["logtemps"] - 4)) / TRUTH["spread"]
    assert stats.kstest(residual, "norm").pvalue > 1e-3


def parameters(rng, data):
    values = {"slope": rng.uniform(-10, 0), "offset": rng.uniform(-4, 6), "spread": abs(rng.normal(0, 2.5)) + 0.05}
    return values | {"root_dist": rng.uniform(*ENDS, data.sizes["cluster"])}


def by_scipy(values, magnitude, data):
    """The log density of the model as the page writes it."""
    total = stats.uniform.logpdf(values["slope"], -10, 10) + stats.uniform.logpdf(values["offset"], -10, 20)
    total += stats.halfnorm.logpdf(values["spread"], scale=2.5) + stats.uniform.logpdf(values["root_dist"], 1, 9).sum()
    distance = values["root_dist"] ** 3
    total += stats.norm.logpdf(data["parallax"], 1 / distance, 0.025).sum()
    mean = values["offset"] + values["slope"] * (data["logtemps"].values - 4)
    total += stats.norm.logpdf(magnitude, mean, values["spread"]).sum()
    apparent = magnitude + 5 * np.log10(distance / 10)[data["cluster_index"].values]
    return total + stats.poisson.logpmf(data["fluxcounts"], 5e5 * 10 ** (-0.4 * (apparent - 2))).sum()


def density(model, values):
    """The log density of a bound model, and the values of its sites."""
    total, sites = log_density(model.function, (), model.arguments, values)
    return float(total), {name: np.asarray(site["value"]) for name, site in sites.items() if site["type"] != "plate"}


@pytest.mark.parametrize("which", ["small", "whole"])
def test_both_forms_have_the_density_of_the_page(which):
    """At random points; that of z is larger by the Jacobian, the product of dM/dz."""
    data = SMALL if which == "small" else simulated()[0]
    plain, centred, rng = bound("as_written", data), bound("model", data), np.random.default_rng(5)
    assert plain.constants == centred.constants == ("cluster_index",)
    for _ in range(20):
        values, z = parameters(rng, data), rng.normal(0, 2, data.sizes["star"])
        ours, sites = density(centred, values | {"z": z})
        stretch = density(centred, values | {"z": z + 1})[1]["absolute_magnitude"] - sites["absolute_magnitude"]
        assert (stretch > 0).all()
        page, _ = density(plain, values | {"absolute_magnitude": sites["absolute_magnitude"]})
        exact = by_scipy(values, sites["absolute_magnitude"], data)
        np.testing.assert_allclose(page, exact, rtol=1e-9)
        np.testing.assert_allclose(ours, exact + np.log(stretch).sum(), rtol=1e-7)


def test_the_density_of_recorded_parallaxes_is_that_of_a_rounded_measurement():
    data = simulated()[0]
    values = parameters(np.random.default_rng(1), data)
    one = bound("recorded", data)
    found = np.asarray(
        jax.vmap(lambda p: imports.load(FOLDER / "model.py").RecordedParallax(p).log_prob(jnp.array([0.0, 0.05, 0.075, 0.5])))(
            jnp.array([[0.001], [0.04], [0.3]])[:, :, None]
        )
    )[:, 0]
    ends = [(-np.inf, 0.05), (0.05, 0.0625), (0.0625, 0.0875), (0.4875, 0.5125)]
    for row, true in zip(found, (0.001, 0.04, 0.3), strict=True):
        a, b = ((np.array(side) - true) / 0.025 for side in zip(*ends, strict=True))
        tail = a > 0
        mass = np.where(tail, stats.norm.sf(a) - stats.norm.sf(b), stats.norm.cdf(b) - stats.norm.cdf(a))
        np.testing.assert_allclose(row, np.log(mass), rtol=1e-6)
    drawn = prediction.prior(one, 2000, 1, "recorded")
    measured = stats.norm.sf(0.05, 1 / drawn["distance"], 0.025)
    share = (drawn["parallax"] > 0).mean()
    assert abs(share - measured.mean()) < 5 * np.sqrt(share / drawn["parallax"].size)
    assert np.isfinite(density(one, values | {"z": np.zeros(data.sizes["star"])})[0])


@pytest.mark.parametrize(("function", "power"), [("as_written", 1 / 3), ("model", 1 / 3), ("volume", 3)])
def test_the_prior_of_the_distance(function, power):
    """The page's is uniform in the cube root of the distance; uniform in volume is the cube."""
    drawn = prediction.prior(bound(function, SMALL), 2000, 1, function)
    uniform = (drawn["distance"].ravel() ** power - 1) / (1000**power - 1)
    assert stats.kstest(uniform, "uniform").pvalue > 1e-3
    mean = drawn["offset"][:, None] + drawn["slope"][:, None] * (SMALL["logtemps"].values - 4)
    residual = (drawn["absolute_magnitude"] - mean) / drawn["spread"][:, None]
    assert stats.kstest(residual.ravel(), "norm").pvalue > 1e-3


@cache
def fitted(function, **changes):
    data = SMALL
    one = bound(function, data)
    result = nuts.fit(
        one, settings("nuts", **{"chains": 4, "warmup": 600, "draws": 2000, "target_accept": 0.9} | changes), 1, ("hr", function)
    )
    return summarise(one.dataset(result.posterior, ("chain", "draw"), data), "eti", 0.9)


SHOWN = [*TRUTH, *(f"distance[{i}]" for i in range(3)), *(f"absolute_magnitude[{i}]" for i in range(9))]


def test_both_forms_have_one_posterior():
    """Three clusters, where the page's form converges too: means and quantiles agree within Monte Carlo error."""
    a, b = (fitted(function).sel(parameter=SHOWN) for function in ("as_written", "model"))
    for one in (a, b):
        assert one["r_hat"].max() < 1.02
        assert one["ess_bulk"].min() > 200
    error = np.hypot(a["mcse"], b["mcse"])
    assert (np.abs(a["mean"] - b["mean"]) < 4.5 * error).all()
    ratio = np.abs(np.log(a["sd"] / b["sd"]))
    assert (ratio < 4.5 * np.hypot(1 / np.sqrt(a["ess_tail"]), 1 / np.sqrt(b["ess_tail"]))).all()


FEW = table([0, 0, 0], [3.3, 3.4, 3.5], [0.1], [0, 3, 30])  # one cluster; a star without a count


def test_a_star_without_a_count_agrees_with_importance_sampling_from_the_prior():
    rng, draws = np.random.default_rng(3), 3_000_000
    grid = np.linspace(*ENDS, 20_001)
    cumulative = np.cumsum(stats.norm.pdf(0.1, 1 / grid**3, 0.025))
    distance = np.interp(rng.uniform(size=draws), cumulative / cumulative[-1], grid) ** 3  # prior and parallax together
    slope, offset = rng.uniform(-10, 0, draws), rng.uniform(-10, 10, draws)
    spread = np.abs(rng.normal(0, 2.5, draws))
    x, n = FEW["logtemps"].values, FEW["fluxcounts"].values
    magnitude = offset[:, None] + slope[:, None] * (x - 4) + spread[:, None] * rng.normal(size=(draws, 3))
    rate = 5e5 * 10 ** (-0.4 * (magnitude + 5 * np.log10(distance / 10)[:, None] - 2))
    log_weight = (n * np.log(rate) - rate).sum(1)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    size = 1 / (weight**2).sum()
    assert size > 1000
    one = bound("model", FEW)
    result = nuts.fit(one, settings("nuts", chains=4, warmup=600, draws=2000, target_accept=0.95), 1, ("few",))
    found = summarise(one.dataset(result.posterior, ("chain", "draw"), FEW), "eti", 0.9)
    exact = {"slope": slope, "offset": offset, "spread": spread, "distance[0]": distance}
    exact |= {f"absolute_magnitude[{i}]": magnitude[:, i] for i in range(3)}
    for name, values in exact.items():
        mean = (weight * values).sum()
        sd = np.sqrt((weight * (values - mean) ** 2).sum())
        row = found.sel(parameter=name)
        assert row["r_hat"] < 1.02, name
        assert abs(row["mean"] - mean) < 4.5 * np.hypot(row["mcse"], sd / np.sqrt(size)), name
        assert abs(np.log(row["sd"] / sd)) < 0.1 + 4.5 / np.sqrt(row["ess_tail"]), name
