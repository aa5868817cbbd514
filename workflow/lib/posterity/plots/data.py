"""The data with error bars, the truth if it is known, and the fitted model."""

from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from posterity.artefact.groups import align_draws, get_group
from posterity.plots.axes import AxisVariables, choose_variables
from posterity.plots.style import (
    DATA_COLOUR,
    MODEL_COLOUR,
    PALE_BLUE,
    TRUTH_COLOUR,
    describe_interval,
    draw_note_figure,
    hide_large_values,
    make_label,
)
from posterity.plots.user_figures import list_curve_sites, load_curve
from posterity.stats.summary import compute_interval

GRID_POINTS = 200  # places at which a curve is evaluated
MAX_BAND_DRAWS = 4000  # draws behind the interval of a curve
LINE_STEP = 10  # grid points per drawn point of a line of a single draw


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """
    Return a figure of the observed variable against a covariate.

    If the model's figures.py has `curve(x, <sites>)`, the figure shows the curve: for the truth,
    for single draws, and as interval over all draws. Otherwise it shows the posterior predictive
    interval of each point.
    """
    options = settings["options"]
    data = get_group(artefacts["data"], "data")
    fit = artefacts["posterior"]
    names = choose_variables(data, get_group(fit, "observed_data"), options.get("data", {}))
    if names is None:
        return draw_note_figure(
            "No observed site has one value per data point:\n"
            "there is nothing to draw against a covariate.",
            (6, 4.2),
        )
    figure, axes = plt.subplots(figsize=(6, 4.2))
    horizontal = data[names.x].values if names.x else np.arange(data[names.y].size)
    curve = load_curve(settings["figure"]["curve"])
    if curve is not None and names.x and has_curve_sites(curve, fit):
        grid = np.linspace(horizontal.min(), horizontal.max(), GRID_POINTS)
        draw_curve(axes, grid, curve, fit, options)
        draw_true_curve(axes, grid, curve, get_group(artefacts["data"], "truth"))
    elif not get_group(fit, "point"):
        horizontal = spread_ties(horizontal.astype(float))
        predictions = get_group(artefacts["predictive"], "posterior_predictive")
        draw_pointwise(axes, horizontal, predictions[names.site], options)
    draw_data(axes, horizontal, data, names)
    axes.set_xlabel(make_label(names.x, data[names.x], options) if names.x else "row")
    axes.set_ylabel(make_label(names.y, data[names.y], options))
    axes.legend(loc="best")
    return figure


def has_curve_sites(curve: Callable, fit: xr.DataTree) -> bool:
    """Return whether all sites of a curve are scalars of the fit (draws or a point estimate)."""
    sites = list_curve_sites(curve)
    point = get_group(fit, "point")
    sample = point or align_draws(fit, sites)
    dimensions = 0 if point else 2  # chain and draw
    scalars = {name for name, values in sample.data_vars.items() if values.ndim == dimensions}
    return set(sites) <= scalars


def draw_curve(
    axes: Axes, grid: np.ndarray, curve: Callable, fit: xr.DataTree, options: dict
) -> None:
    """
    Draw the fitted curve: one line for a point estimate, otherwise a band and single draws.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    grid : np.ndarray
        Places at which the curve is drawn, shape (place,), in units of the covariate.
    curve : callable
        `curve(x, <sites>)` of the model's figures.py.
    fit : xr.DataTree
        posterior.nc of the fit.
    options : dict
        Settings `figures` of the study.
    """
    point = get_group(fit, "point")
    if not point:
        draw_band(axes, grid, curve, align_draws(fit, list_curve_sites(curve)), options)
        return
    values = evaluate_curve(curve, grid, point)
    axes.plot(grid, values, color=MODEL_COLOUR, lw=1.8, label="point estimate")


def draw_true_curve(axes: Axes, grid: np.ndarray, curve: Callable, truth: xr.Dataset) -> None:
    """Draw the curve of the true values, if those of all its sites are known."""
    if set(list_curve_sites(curve)) <= set(truth.data_vars):
        values = evaluate_curve(curve, grid, truth)
        axes.plot(grid, values, color=TRUTH_COLOUR, ls="--", lw=1.8, label="truth", zorder=4)


def evaluate_curve(curve: Callable, grid: np.ndarray, values: xr.Dataset) -> np.ndarray:
    """Return the curve at the places `grid`, for one value of each of its sites."""
    sites = [values[site].values for site in list_curve_sites(curve)]
    return np.broadcast_to(curve(grid, *sites), grid.shape)


def draw_band(
    axes: Axes, grid: np.ndarray, curve: Callable, posterior: xr.Dataset, options: dict
) -> None:
    """
    Draw the interval of a curve at each place, and the curves of single draws.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    grid : np.ndarray
        Places at which the curve is drawn, shape (place,), in units of the covariate.
    curve : callable
        `curve(x, <sites>)`; it must broadcast x of shape (1, place) with sites of shape (draw, 1).
    posterior : xr.Dataset
        Draws of the sites of the curve, with dimensions chain and draw. At most 4,000 are used.
    options : dict
        Settings `figures` of the study: `interval`, and `lines`, the number of single draws.
    """
    draws = [posterior[site].values.reshape(-1) for site in list_curve_sites(curve)]
    size = draws[0].size
    chosen = np.unique(np.linspace(0, size - 1, min(size, MAX_BAND_DRAWS)).astype(int))
    values = curve(grid[None, :], *[site_draws[chosen, None] for site_draws in draws])
    bounds = compute_interval(np.ascontiguousarray(values.T), **options["interval"])
    bounds = hide_large_values(bounds)
    values = hide_large_values(values)
    mark_missing_bounds(axes, bounds)
    label = f"{describe_interval(options)} of the curve"
    axes.fill_between(grid, *bounds.T, color=MODEL_COLOUR, alpha=0.25, lw=0, label=label)
    if not options["lines"]:
        return
    places = [0, *range(LINE_STEP - 1, len(grid) - 1, LINE_STEP), len(grid) - 1]
    for row in np.linspace(0, len(values) - 1, options["lines"]).astype(int):
        axes.plot(grid[places], values[row, places], color=MODEL_COLOUR, lw=0.4, alpha=0.25)


def draw_pointwise(
    axes: Axes, horizontal: np.ndarray, predicted: xr.DataArray, options: dict
) -> None:
    """
    Draw the posterior predictive interval and median of each point.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    horizontal : np.ndarray
        Place of each point, shape (point,).
    predicted : xr.DataArray
        Predictions, with dimensions chain, draw and one for the points.
    options : dict
        Settings `figures` of the study.
    """
    bounds, median = map(hide_large_values, compute_pointwise_interval(predicted, options))
    mark_missing_bounds(axes, bounds)
    label = f"{describe_interval(options)} of predictions"
    axes.vlines(horizontal, *bounds.T, color=PALE_BLUE, lw=4, label=label)
    label = "median of predictions"
    axes.plot(horizontal, median, "_", color=MODEL_COLOUR, ms=7, mew=2, label=label)


def mark_missing_bounds(axes: Axes, bounds: np.ndarray) -> None:
    """Write into the title at how many places the bounds, shape (place, 2), are not known."""
    missing = int(np.isnan(bounds).any(1).sum())
    if missing:
        where = f"at {missing} of {len(bounds)} places"
        axes.set_title(f"no interval {where}: values not finite or too large", fontsize=9)


def draw_data(axes: Axes, horizontal: np.ndarray, data: xr.Dataset, names: AxisVariables) -> None:
    """Draw the observed values at the places `horizontal`, with their error bars."""
    y_errors = data[names.error].values if names.error else None
    x_errors = data[names.x_error].values if names.x_error else None
    look: dict[str, Any] = {"fmt": "o", "ms": 3.5, "lw": 1, "color": DATA_COLOUR, "zorder": 5}
    axes.errorbar(horizontal, data[names.y].values, y_errors, x_errors, label="data", **look)


def spread_ties(x: np.ndarray) -> np.ndarray:
    """Return places at which points of equal x stand apart, by less than the next x is away."""
    values, group, counts = np.unique(x, return_inverse=True, return_counts=True)
    if counts.max() == 1:
        return x
    room = 0.7 * (np.diff(values).min() if len(values) > 1 else 1.0)
    rank = np.zeros(x.size)
    for i in range(len(values)):
        rank[group == i] = np.arange(counts[i]) - (counts[i] - 1) / 2
    return x + room * rank / counts.max()


def compute_pointwise_interval(
    predicted: xr.DataArray, options: dict
) -> tuple[np.ndarray, np.ndarray]:
    """
    Return the interval, shape (point, 2), and median, shape (point,), of predictions.

    `predicted` has the dimensions chain, draw and one more. `options` are the settings `figures`
    of the study.
    """
    draws = predicted.transpose(..., "chain", "draw").values
    draws = draws.reshape(len(draws), -1).astype(float)
    return compute_interval(draws, **options["interval"]), np.median(draws, axis=1)
