"""Compare the line models with weighted least squares and with quadrature."""

import importlib.util
import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from conftest import ROOT, make_spec
from matplotlib.lines import AxLine

from posterity.config.schema import complete_settings
from posterity.data.load import run_simulator
from posterity.inference.methods import nuts
from posterity.model.bind import bind_model
from posterity.notebook import load_settings
from posterity.plots import prior as plots_prior
from posterity.runtime.rng import Stream
from posterity.stats.summary import summarise_draws

SETTINGS = complete_settings("nuts", warmup=500, draws=5000)
FEWER = complete_settings("nuts", warmup=500, draws=1500)
SPEC = make_spec("workflow/models/line/model.py")


def points(x_error=None):
    """Return the data, or with `x_error` the pair of the data and the truth."""
    spec = importlib.util.spec_from_file_location(
        "simulate", ROOT / "workflow/models/line/simulate.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    design = {"n": 32, "error": 1.5, "scatter": 10, "legacy_seed": 123}
    return module.simulate(
        None, {"m": 2.0, "c": 3.5}, design | ({"x_error": x_error} if x_error else {})
    )


def test_the_points_agree_with_the_published_code():
    """The published code uses the legacy generator of NumPy."""
    state = np.random.RandomState(123)
    x = np.linspace(0, 10, 32)
    e = state.poisson(lam=10, size=len(x)) / 10 * 1.5
    y = 2 * x + 3.5 + e * state.normal(size=len(x))
    data = points()
    for name, values in (("x", x), ("y", y), ("e", e)):
        np.testing.assert_array_equal(data[name], values)
    np.testing.assert_allclose(
        data["y"][:3], [4.065689590112361, 2.7525825573851024, 7.341460864303495], rtol=1e-12
    )


def test_the_errors_in_x_agree_with_the_published_code():
    """The errors follow the points in the random stream, so the points do not change."""
    state = np.random.RandomState(123)
    state.poisson(lam=10, size=32)
    state.normal(size=32)
    e_x = np.sqrt(state.normal(size=32) ** 2 + state.normal(size=32) ** 2) * 0.25
    data, truth = points(0.25)
    true = points()
    for name, values in (
        ("y", true["y"]),
        ("e", true["e"]),
        ("e_x", e_x),
        ("x", true["x"] + state.normal(size=32) * e_x),
    ):
        np.testing.assert_array_equal(data[name], values)
    np.testing.assert_array_equal(truth["x_true"], true["x"])


def test_simulated_true_values_are_part_of_the_truth():
    study = load_settings("line_xy")
    values, truth = run_simulator(study["data"], study["models"]["line_xy"], "float64", 1, "here")
    assert {name: one.shape for name, one in truth.items()} == {"m": (), "c": (), "x_true": (32,)}
    assert truth["x_true"].dims == values["x"].dims == ("point",)


def least_squares(data):
    """
    Return mean and covariance of (m, c) by weighted least squares.

    The bounds of the uniform priors are 15 sd away, so their effect is negligible.
    """
    design = np.stack([data["x"].values, np.ones(data["x"].size)], axis=1)
    weights = 1 / data["e"].values ** 2
    covariance = np.linalg.inv(design.T @ (weights[:, None] * design))
    return covariance @ design.T @ (weights * data["y"].values), covariance


def fitted(function, seed, data, settings=SETTINGS):
    bound = bind_model(function, {**SPEC, "function": function}, data)
    result = nuts.fit(bound, settings, Stream(seed, ("line", function, "nuts")))
    return bound.to_dataset(result.posterior, ("chain", "draw"), data), result


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in (2, 3))]
)
def test_line_agrees_with_weighted_least_squares(seed):
    data = points()
    mean, covariance = least_squares(data)
    posterior, result = fitted("model", seed, data)
    summary = summarise_draws(posterior, "eti", 0.9)
    for name, exact, variance in zip(("m", "c"), mean, np.diag(covariance), strict=True):
        row, sd = summary.sel(parameter=name), np.sqrt(variance)
        assert abs(row["mean"] - exact) < 4 * row["mcse"]
        ess = float(row["ess_tail"])
        assert abs(row["sd"] / sd - 1) < 4 / np.sqrt(2 * ess)
        # The error is that of a 5 % quantile, where the Gaussian density is 0.103 / sd.
        error = 4 * np.sqrt(0.05 * 0.95 / ess) / 0.1031 * sd
        np.testing.assert_allclose(
            row["interval"], [exact - 1.6449 * sd, exact + 1.6449 * sd], atol=error
        )
    draws = np.stack([posterior[name].values.ravel() for name in ("m", "c")])
    correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert abs(np.corrcoef(draws)[0, 1] - correlation) < 0.03
    assert result.gradient_evaluations > result.statistics["n_steps"].sum()
    assert result.statistics["n_steps"].shape == (4, 5000)


def quadrature(data):
    """
    Return m, c and the posterior weights on a grid of (m, c).

    The posterior is that of line_angle, or that of line_xy if the data have errors in x.
    """
    mean, covariance = least_squares(data)
    sd = np.sqrt(np.diag(covariance)) * (1.5 if "e_x" in data else 1)
    m, c = np.meshgrid(
        *(np.linspace(mean[i] - 7 * sd[i], mean[i] + 7 * sd[i], 801) for i in range(2)),
        indexing="ij",
    )
    variance = data["e"].values[:, None, None] ** 2 * np.ones_like(m)
    if "e_x" in data:
        variance += (m * data["e_x"].values[:, None, None]) ** 2  # marginalise the true x
    x, y = (data[name].values[:, None, None] for name in ("x", "y"))
    log_density = -0.5 * ((y - m * x - c) ** 2 / variance + np.log(variance)).sum(0)
    log_density -= 1.5 * np.log1p(m**2)  # |d(angle, b_perp) / d(m, c)| = (1 + m^2)^(-3/2)
    weight = np.exp(log_density - log_density.max())
    assert max(edge.max() for edge in (weight[0], weight[-1], weight[:, 0], weight[:, -1])) < 1e-6
    return m, c, weight / weight.sum()


def agrees(row, weight, grid, name):
    exact = (weight * grid).sum()
    spread = np.sqrt((weight * (grid - exact) ** 2).sum())
    assert abs(row["mean"] - exact) < 4 * row["mcse"], name
    assert abs(row["sd"] / spread - 1) < 4 / np.sqrt(2 * float(row["ess_tail"])), name


@pytest.mark.long
@pytest.mark.parametrize("function", ["line_angle", "line_xy", "line_xy_integrated"])
def test_lines_of_any_direction_agree_with_quadrature(function):
    data = points() if function == "line_angle" else points(0.25)[0]
    m, c, weight = quadrature(data)
    posterior, _ = fitted(function, 1, data, SETTINGS if function == "line_angle" else FEWER)
    summary = summarise_draws(posterior, "eti", 0.9)
    for name, grid in (
        ("m", m),
        ("c", c),
        ("angle", np.arctan(m)),
        ("b_perp", c / np.sqrt(1 + m**2)),
    ):
        agrees(summary.sel(parameter=name), weight, grid, name)
    if function != "line_xy":
        return
    x, y, e, e_x = (data[name].values for name in ("x", "y", "e", "e_x"))
    for i in range(0, 32, 3):  # given the line, each true x is Gaussian
        precision = 1 / e_x[i] ** 2 + m**2 / e[i] ** 2
        centre = (x[i] / e_x[i] ** 2 + m * (y[i] - c) / e[i] ** 2) / precision
        row, exact = summary.sel(parameter=f"x_true[{i}]"), (weight * centre).sum()
        spread = np.sqrt((weight * (1 / precision + (centre - exact) ** 2)).sum())
        assert abs(row["mean"] - exact) < 4.5 * row["mcse"], i
        assert abs(row["sd"] / spread - 1) < 4.5 / np.sqrt(2 * float(row["ess_tail"])), i


@pytest.mark.long
def test_draws_do_not_depend_on_the_number_of_devices(tmp_path):
    """One device and two devices give the same draws bit for bit."""
    import subprocess
    import sys

    data = points()
    data.to_netcdf(tmp_path / "data.nc")
    program = f"""
import sys, json
sys.path.insert(0, {str(ROOT / "workflow/lib")!r})
from posterity.runtime.device import configure_jax
from posterity.runtime.rng import Stream
configure_jax(int(sys.argv[1]), "float64", 4)
import jax, numpy as np, xarray as xr
from posterity.inference.methods import nuts
from posterity.model.bind import bind_model
data = xr.load_dataset({str(tmp_path / "data.nc")!r})
settings = json.loads({json.dumps(SETTINGS | {"draws": 200})!r})
bound = bind_model("model", {SPEC | {"function": "model"}!r}, data)
result = nuts.fit(bound, settings, Stream(1, ("line",)))
np.save(sys.argv[2], np.stack([result.posterior["m"], result.posterior["c"]]))
print(len(jax.devices()))
"""
    devices = []
    for threads in ("1", "2"):
        command = [sys.executable, "-c", program, threads, str(tmp_path / f"{threads}.npy")]
        devices.append(
            int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        )
    np.testing.assert_array_equal(np.load(tmp_path / "1.npy"), np.load(tmp_path / "2.npy"))
    assert devices[0] == 1


def test_a_density_that_is_nowhere_finite_raises():
    from posterity.errors import UserError

    data = points()
    data["y"] = data["y"] * np.inf
    bound = bind_model("model", {**SPEC, "function": "model"}, data)
    with pytest.raises(UserError, match="not finite at any start"):
        nuts.fit(bound, SETTINGS | {"draws": 10, "warmup": 10}, Stream(1, ("line",)))


def figures():
    spec = importlib.util.spec_from_file_location(
        "figures", ROOT / "workflow/models/line/figures.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_curve_is_the_mean_of_the_model():
    assert figures().curve(3.0, 2.0, 1.0) == 7.0


def drawn(name):
    truth = xr.Dataset({"m": 2.0, "c": 3.5})
    artefacts = {"data": xr.DataTree.from_dict({"data": points(), "truth": truth})}
    figure = getattr(figures(), name)(artefacts, {"options": {}})
    plt.close(figure)
    return figure


def test_trial_lines_are_darker_for_a_higher_likelihood():
    """The darkest trial line is the one nearest to the best intercept at the true slope."""
    plain, faded = drawn("trials").axes[:2]
    data = points()
    weight = 1 / data["e"] ** 2
    best = float((weight * (data["y"] - 2 * data["x"])).sum() / weight.sum())
    lines = [
        line for line in faded.lines if len(line.get_xdata()) == 2 and line.get_linestyle() == "-"
    ]
    assert (
        len(lines)
        == len(
            [
                line
                for line in plain.lines
                if len(line.get_xdata()) == 2 and line.get_linestyle() == "-"
            ]
        )
        > 5
    )
    intercepts = np.array([line.get_ydata()[0] for line in lines])  # at x = 0
    darkness = np.array([3 - sum(line.get_color()[:3]) for line in lines])
    assert darkness.argmax() == np.abs(intercepts - best).argmin()
    assert (np.diff(darkness[np.argsort(np.abs(intercepts - best))]) <= 1e-9).all()


def test_ten_lines_are_evenly_spaced_in_gradient_or_angle():
    slopes = [
        [line.get_slope() for line in axes.lines if isinstance(line, AxLine)]
        for axes in drawn("angles").axes
    ]
    np.testing.assert_allclose(slopes[0], np.linspace(0, 20, 10))
    np.testing.assert_allclose(np.diff(np.arctan(slopes[1])), np.arctan(20) / 9)


def test_the_prior_figure_draws_lines():
    data, rng = points(), np.random.default_rng(1)
    prior = {name: (("chain", "draw"), rng.normal(size=(1, 40))) for name in ("m", "c")}
    predictive = xr.Dataset({"y": (("chain", "draw", "point"), rng.normal(size=(1, 40, 32)))})
    groups = {
        "prior": xr.Dataset(prior),
        "prior_predictive": predictive,
        "observed_data": data[["y"]],
    }
    artefacts = {
        "data": xr.DataTree.from_dict({"data": data}),
        "prior": xr.DataTree.from_dict(groups),
    }
    curve = {"curve": str(ROOT / "workflow/models/line/figures.py")}
    figure = plots_prior.draw_figure(
        artefacts, {"options": {"lines": 20}, "bounds": {}, "figure": curve}
    )
    plt.close(figure)
    left = figure.axes[0]
    assert sum(len(line.get_xdata()) == 50 for line in left.lines) == 20
    assert left.get_ylabel() == "y"
