"""
Test the data, densities and posteriors of the Hertzsprung-Russell clusters.

The references are NumPy and SciPy for densities and importance sampling for the posterior.
"""

from functools import cache

import jax
import numpy as np
import pytest
import xarray as xr
import yaml
from conftest import ROOT, make_spec
from numpyro.infer.util import log_density
from scipy import stats

from posterity.config.schema import complete_settings
from posterity.data.load import run_simulator
from posterity.inference.methods import nuts
from posterity.model.bind import bind_model
from posterity.python_files import load_module
from posterity.runtime.rng import Stream
from posterity.stats.arviz_bridge import import_array_stats
from posterity.stats.summary import flatten_scalars

FOLDER = ROOT / "workflow/models/hr"
SPEC = make_spec(FOLDER / "model.py", dims={"clusters": "cluster", "stars": "star"})
SIMULATION = yaml.safe_load((ROOT / "config/studies/hr.yaml").read_text())["data"]
TRUTH = SIMULATION["simulate"]["truth"]
ENDS = (1.0, 10.0)  # of the cube root of the distance


@cache
def simulated():
    """Return data and truth of the study."""
    return run_simulator(SIMULATION, SPEC, "float64", 1, "hr")


def bound(function, data):
    return bind_model(function, SPEC | {"function": function}, data)


def table(index, logtemps, parallax, counts):
    columns = {
        "cluster_index": ("star", index),
        "logtemps": ("star", logtemps),
        "fluxcounts": ("star", counts),
    }
    return xr.Dataset(
        {name: (dim, np.array(values)) for name, (dim, values) in columns.items()}
        | {"parallax": ("cluster", np.array(parallax))}
    )


# Clusters are near and far. Stars are bright, faint or without a count.
SMALL = table(
    [0, 0, 0, 1, 1, 1, 2, 2, 2],
    [3.3, 3.4, 3.6, 3.2, 3.5, 3.6, 3.1, 3.3, 3.5],
    [0.1, 0.05, 0.0],
    [30, 60, 120, 9, 40, 80, 0, 2, 25],
)


def test_the_simulated_data_have_the_documented_properties():
    data, truth = simulated()
    index, parallax, counts = (
        data[name].values for name in ("cluster_index", "parallax", "fluxcounts")
    )
    assert np.bincount(index).size == 30
    assert np.bincount(index).min() >= 3
    assert (parallax == 0).any()
    assert (parallax > 0).sum() >= 3
    assert parallax[parallax > 0].min() >= 0.05
    np.testing.assert_allclose(parallax / 0.025, np.round(parallax / 0.025), atol=1e-9)
    assert 0 < (counts == 0).sum() < 20
    assert {*TRUTH, "distance", "absolute_magnitude"} <= set(truth)
    assert truth["distance"].dims == ("cluster",)
    apparent = (
        truth["absolute_magnitude"].values + 5 * np.log10(truth["distance"].values[index]) - 5
    )
    rate = 5e5 * 10 ** (-0.4 * (apparent - 2))
    chi2 = ((counts - rate) ** 2 / rate)[rate > 5]
    assert stats.chi2.sf(chi2.sum(), chi2.size) > 1e-3
    residual = (
        truth["absolute_magnitude"] - TRUTH["offset"] - TRUTH["slope"] * (data["logtemps"] - 4)
    ) / TRUTH["spread"]
    assert stats.kstest(residual, "norm").pvalue > 1e-3


def parameters(rng, data):
    values = {
        "slope": rng.uniform(-10, 0),
        "offset": rng.uniform(-4, 6),
        "spread": abs(rng.normal(0, 2.5)) + 0.05,
    }
    return values | {"root_dist": rng.uniform(*ENDS, data.sizes["cluster"])}


def by_scipy(function, values, magnitude, data):
    """
    Return the log density of a model, computed with SciPy.

    The coordinates are the published ones, except the volume of the model `volume`.
    """
    total = stats.uniform.logpdf(values["slope"], -10, 10) + stats.uniform.logpdf(
        values["offset"], -10, 20
    )
    total += stats.halfnorm.logpdf(values["spread"], scale=2.5)
    if function == "volume":
        distance = np.cbrt(values["volume"])
        total += stats.uniform.logpdf(values["volume"], 1, 1e9 - 1).sum()
    else:
        distance = values["root_dist"] ** 3
        total += stats.uniform.logpdf(values["root_dist"], 1, 9).sum()
    parallax = data["parallax"].values
    if function == "recorded":
        total += sum(recorded(value, 1 / d) for value, d in zip(parallax, distance, strict=True))
    else:
        total += stats.norm.logpdf(parallax, 1 / distance, 0.025).sum()
    mean = values["offset"] + values["slope"] * (data["logtemps"].values - 4)
    total += stats.norm.logpdf(magnitude, mean, values["spread"]).sum()
    apparent = magnitude + 5 * np.log10(distance / 10)[data["cluster_index"].values]
    return (
        total + stats.poisson.logpmf(data["fluxcounts"], 5e5 * 10 ** (-0.4 * (apparent - 2))).sum()
    )


def recorded(value, true):
    """
    Return the log probability of a recorded parallax.

    A recorded zero is a measurement of at most 0.05. Any other value is the multiple of 0.025
    that is nearest to the measurement.
    """
    low, high = (max(value - 0.0125, 0.05), value + 0.0125) if value > 0 else (-np.inf, 0.05)
    low, high = (low - true) / 0.025, (high - true) / 0.025
    return np.log(
        stats.norm.sf(low) - stats.norm.sf(high)
        if low > 0
        else stats.norm.cdf(high) - stats.norm.cdf(low)
    )


def evaluator(model):
    """
    Return a function of the values of the sites of a bound model.

    The function returns the log density and the absolute magnitudes.
    """

    def run(values, traced):
        constant = {name: model.arguments[name] for name in model.constants}
        total, sites = log_density(model.function, (), constant | traced, values)
        return total, sites["absolute_magnitude"]["value"]

    compiled = jax.jit(run)
    return lambda values: [np.asarray(value) for value in compiled(values, model.traced_arguments)]


@pytest.mark.parametrize(
    ("function", "which"),
    [("model", "small"), ("model", "whole"), ("volume", "small"), ("recorded", "small")],
)
def test_the_densities_agree_with_scipy_up_to_the_jacobian(function, which):
    """
    Compare the densities at random points.

    The density of z is larger by the product of dM/dz. For the model with the published prior, the
    published code agrees too.
    """
    data, rng = SMALL if which == "small" else simulated()[0], np.random.default_rng(5)
    plain, centred = bound("as_written", data), bound(function, data)
    assert plain.constants == centred.constants == ("cluster_index",)
    page, ours = evaluator(plain), evaluator(centred)
    for _ in range(20):
        values, z = parameters(rng, data), rng.normal(0, 2, data.sizes["star"])
        if function == "volume":
            values["volume"] = values.pop("root_dist") ** 9
        density, magnitude = ours(values | {"z": z})
        stretch = ours(values | {"z": z + 1})[1] - magnitude
        assert (stretch > 0).all()
        exact = by_scipy(function, values, magnitude, data)
        np.testing.assert_allclose(density, exact + np.log(stretch).sum(), rtol=1e-7)
        if function == "model":
            np.testing.assert_allclose(
                page(values | {"absolute_magnitude": magnitude})[0], exact, rtol=1e-9
            )


def test_parallaxes_are_drawn_with_their_recorded_probabilities():
    """The frequency of each value agrees with its probability."""
    true, draws = 0.06, 100_000
    drawn = (
        load_module(FOLDER / "model.py")
        .RecordedParallax(true)
        .sample(jax.random.PRNGKey(1), (draws,))
    )
    values, counts = np.unique(np.round(np.asarray(drawn), 6), return_counts=True)
    assert values[:3].tolist() == [0.0, 0.05, 0.075]
    probability = np.array([np.exp(recorded(value, true)) for value in values])
    assert abs(probability.sum() - 1) < 1e-3
    often = counts > 20
    z = (counts - draws * probability) / np.sqrt(draws * probability * (1 - probability))
    assert np.abs(z[often]).max() < 4.5


SHOWN = [
    *TRUTH,
    *(f"distance[{i}]" for i in range(3)),
    *(f"absolute_magnitude[{i}]" for i in range(9)),
]


def fitted(function, data, **changes):
    """Return the draws of the scalars in SHOWN by name, each of shape (chain, draw)."""
    one = bound(function, data)
    result = nuts.fit(
        one,
        complete_settings("nuts", warmup=500, draws=1000, **changes),
        Stream(1, ("hr", function)),
    )
    labels, draws = flatten_scalars(one.to_dataset(result.posterior, ("chain", "draw"), data))
    return {label: values for label, values in zip(labels, draws, strict=True) if label in SHOWN}


@pytest.mark.long
def test_both_parametrisations_have_the_same_posterior():
    """
    Means and quantiles agree within Monte Carlo error.

    There are three clusters, for which the published parametrisation converges too.
    """
    plain, centred = (fitted(function, SMALL) for function in ("as_written", "model"))
    assert set(plain) == set(centred) == set(SHOWN)
    for name in SHOWN:
        a, b = plain[name], centred[name]
        for draws in (a, b):
            assert import_array_stats().rhat(draws[None])[0] < 1.03, name
        error = np.hypot(
            *(import_array_stats().mcse(draws[None], method="mean")[0] for draws in (a, b))
        )
        assert abs(a.mean() - b.mean()) < 4.5 * error, name
        for p in (0.1, 0.5, 0.9):
            error = np.hypot(
                *(
                    import_array_stats().mcse(draws[None], method="quantile", prob=p)[0]
                    for draws in (a, b)
                )
            )
            assert abs(np.quantile(a, p) - np.quantile(b, p)) < 4.5 * error, (name, p)


# One cluster with a star without a count.
FEW = table([0, 0, 0], [3.3, 3.4, 3.5], [0.1], [0, 3, 30])


@pytest.mark.long
def test_a_star_without_a_count_agrees_with_importance_sampling_from_the_prior():
    rng, draws = np.random.default_rng(3), 1_000_000
    grid = np.linspace(*ENDS, 20_001)
    cumulative = np.cumsum(stats.norm.pdf(0.1, 1 / grid**3, 0.025))
    # Distances follow the prior times the likelihood of the parallax.
    distance = np.interp(rng.uniform(size=draws), cumulative / cumulative[-1], grid) ** 3
    slope, offset = rng.uniform(-10, 0, draws), rng.uniform(-10, 10, draws)
    spread = np.abs(rng.normal(0, 2.5, draws))
    x, n = FEW["logtemps"].values, FEW["fluxcounts"].values
    magnitude = (
        offset[:, None] + slope[:, None] * (x - 4) + spread[:, None] * rng.normal(size=(draws, 3))
    )
    rate = 5e5 * 10 ** (-0.4 * (magnitude + 5 * np.log10(distance / 10)[:, None] - 2))
    log_weight = (n * np.log(rate) - rate).sum(1)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    size = 1 / (weight**2).sum()
    assert size > 500
    found = fitted("model", FEW, target_accept=0.95)
    exact = {"slope": slope, "offset": offset, "spread": spread, "distance[0]": distance}
    exact |= {f"absolute_magnitude[{i}]": magnitude[:, i] for i in range(3)}
    for name, values in exact.items():
        assert import_array_stats().rhat(found[name][None])[0] < 1.03, name
        mean = (weight * values).sum()
        sd = np.sqrt((weight * (values - mean) ** 2).sum())
        error = np.hypot(
            import_array_stats().mcse(found[name][None], method="mean")[0], sd / np.sqrt(size)
        )
        assert abs(found[name].mean() - mean) < 4.5 * error, name
        order = np.argsort(values)
        for p in (0.1, 0.9):
            quantile = values[order][np.searchsorted(np.cumsum(weight[order]), p)]
            near = np.quantile(found[name], [p - 0.05, p + 0.05])
            error = np.hypot(
                import_array_stats().mcse(found[name][None], method="quantile", prob=p)[0],
                np.sqrt(0.09 / size) * np.ptp(near) / 0.1,
            )
            assert abs(np.quantile(found[name], p) - quantile) < 4.5 * error, (name, p)
