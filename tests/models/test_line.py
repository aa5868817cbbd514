"""The line models against exact answers: weighted least squares, and quadrature."""

import importlib.util
import json

import numpy as np
import pytest
from conftest import ROOT

from posterity.methods import nuts
from posterity.model import bind
from posterity.statistics import summarise
from posterity.study import settings

SETTINGS = settings("nuts", warmup=500, draws=5000)
SPEC = {"file": str(ROOT / "workflow/models/line/model.py"), "arguments": {}, "dims": {}, "observed": None, "figures": []}


def points():
    spec = importlib.util.spec_from_file_location("simulate", ROOT / "workflow/models/line/simulate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    design = {"n": 32, "error": 1.5, "scatter": 10, "legacy_seed": 123}
    return module.simulate(None, {"m": 2.0, "c": 3.5}, design)


def test_the_points_are_those_of_the_page():
    """The page's own lines, run in NumPy's legacy generator."""
    state = np.random.RandomState(123)
    x = np.linspace(0, 10, 32)
    e = state.poisson(lam=10, size=len(x)) / 10 * 1.5
    y = 2 * x + 3.5 + e * state.normal(size=len(x))
    data = points()
    for name, values in (("x", x), ("y", y), ("e", e)):
        np.testing.assert_array_equal(data[name], values)
    np.testing.assert_allclose(data["y"][:3], [4.065689590112361, 2.7525825573851024, 7.341460864303495], rtol=1e-12)


def least_squares(data):
    """Weighted least squares: mean and covariance of (m, c). The priors' box is 15 sd away, so it cuts nothing that shows."""
    design = np.stack([data["x"].values, np.ones(data["x"].size)], axis=1)
    weights = 1 / data["e"].values ** 2
    covariance = np.linalg.inv(design.T @ (weights[:, None] * design))
    return covariance @ design.T @ (weights * data["y"].values), covariance


def fitted(function, seed, data):
    bound = bind(function, {**SPEC, "function": function}, data)
    result = nuts.fit(bound, SETTINGS, seed, ("line", function, "nuts"))
    return bound.dataset(result.posterior, ("chain", "draw"), data), result


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_line_agrees_with_weighted_least_squares(seed):
    data = points()
    mean, covariance = least_squares(data)
    posterior, result = fitted("model", seed, data)
    summary = summarise(posterior, "eti", 0.9)
    for name, exact, variance in zip(("m", "c"), mean, np.diag(covariance), strict=True):
        row, sd = summary.sel(parameter=name), np.sqrt(variance)
        assert abs(row["mean"] - exact) < 4 * row["mcse"]
        ess = float(row["ess_tail"])
        assert abs(row["sd"] / sd - 1) < 4 / np.sqrt(2 * ess)
        error = 4 * np.sqrt(0.05 * 0.95 / ess) / 0.1031 * sd  # of a 5 % quantile: the Gaussian density there is 0.103 / sd
        np.testing.assert_allclose(row["interval"], [exact - 1.6449 * sd, exact + 1.6449 * sd], atol=error)
    draws = np.stack([posterior[name].values.ravel() for name in ("m", "c")])
    correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert abs(np.corrcoef(draws)[0, 1] - correlation) < 0.03
    assert result.gradient_evaluations > result.statistics["n_steps"].sum()
    assert result.statistics["n_steps"].shape == (4, 5000)


def test_line_angle_agrees_with_quadrature():
    data = points()
    mean, covariance = least_squares(data)
    sd = np.sqrt(np.diag(covariance))
    m, c = np.meshgrid(*(np.linspace(mean[i] - 7 * sd[i], mean[i] + 7 * sd[i], 801) for i in range(2)), indexing="ij")
    x, y, e = (data[name].values for name in ("x", "y", "e"))
    log_density = -0.5 * sum(((y[i] - m * x[i] - c) / e[i]) ** 2 for i in range(x.size))
    log_density -= 1.5 * np.log1p(m**2)  # |d(angle, b_perp) / d(m, c)| = (1 + m^2)^(-3/2)
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    posterior, _ = fitted("line_angle", 1, data)
    summary = summarise(posterior, "eti", 0.9)
    for name, grid in (("m", m), ("c", c), ("angle", np.arctan(m)), ("b_perp", c / np.sqrt(1 + m**2))):
        row = summary.sel(parameter=name)
        exact = (weight * grid).sum()
        spread = np.sqrt((weight * (grid - exact) ** 2).sum())
        assert abs(row["mean"] - exact) < 4 * row["mcse"], name
        assert abs(row["sd"] / spread - 1) < 4 / np.sqrt(2 * float(row["ess_tail"])), name


@pytest.mark.long
def test_draws_do_not_depend_on_devices(tmp_path):
    """The same draws from one device and from two, bit for bit."""
    import subprocess
    import sys

    data = points()
    data.to_netcdf(tmp_path / "data.nc")
    program = f"""
import sys, json
sys.path.insert(0, {str(ROOT / "workflow/lib")!r})
from posterity import device
device.prepare(int(sys.argv[1]), "float64", 4)
import jax, numpy as np, xarray as xr
from posterity.methods import nuts
from posterity.model import bind
data = xr.load_dataset({str(tmp_path / "data.nc")!r})
settings = json.loads({json.dumps(SETTINGS | {"draws": 200})!r})
result = nuts.fit(bind("model", {SPEC | {"function": "model"}!r}, data), settings, 1, ("line",))
np.save(sys.argv[2], np.stack([result.posterior["m"], result.posterior["c"]]))
print(len(jax.devices()))
"""
    devices = []
    for threads in ("1", "2"):
        command = [sys.executable, "-c", program, threads, str(tmp_path / f"{threads}.npy")]
        devices.append(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    np.testing.assert_array_equal(np.load(tmp_path / "1.npy"), np.load(tmp_path / "2.npy"))
    assert devices[0] == 1


def test_a_density_that_is_nowhere_finite_is_told():
    from posterity.errors import UserError

    data = points()
    data["y"] = data["y"] * np.inf
    bound = bind("model", {**SPEC, "function": "model"}, data)
    with pytest.raises(UserError, match="not finite at any start"):
        nuts.fit(bound, SETTINGS | {"draws": 10, "warmup": 10}, 1, ("line",))


def test_curve_is_the_models_mean():
    spec = importlib.util.spec_from_file_location("figures", ROOT / "workflow/models/line/figures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.curve(3.0, 2.0, 1.0) == 7.0
