"""The data with error bars, the truth where it is known, and what the fitted model says of them."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from posterity.artefact.groups import align_draws, get_group
from posterity.plots.axes import choose_variables
from posterity.plots.style import (
    DATA_COLOUR,
    MODEL_COLOUR,
    PALE_BLUE,
    TRUTH_COLOUR,
    describe_interval,
    make_label,
    write_note,
)
from posterity.plots.user_figures import list_curve_sites, load_curve
from posterity.stats.summary import compute_interval

GRID_POINTS = 200


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """
    Draw the observed variable against a covariate.

    Where figures.py beside the model has `curve(x, <sites>)`, the curve is drawn for the truth, for single draws, and as the
    interval over all draws; else the posterior predictive interval of each point.
    """
    options = settings["options"]
    data, truth = get_group(artefacts["data"], "data"), get_group(artefacts["data"], "truth")
    fit = artefacts["posterior"]
    names = choose_variables(data, get_group(fit, "observed_data"), options.get("data", {}))
    figure, axes = plt.subplots(figsize=(6, 4.2))
    if names is None:
        write_note(
            axes,
            "No site of the model is observed point by point:\nthere is nothing to draw against a covariate.",
        )
        return figure
    horizontal = data[names.x].values if names.x else np.arange(data[names.y].size)
    curve = load_curve(settings["figure"]["curve"])
    sites, point = list_curve_sites(curve) if curve else [], get_group(fit, "point")
    sample = point or align_draws(fit, sites)
    single = {
        name for name, values in sample.data_vars.items() if values.ndim == (0 if point else 2)
    }
    if curve is not None and names.x and set(sites) <= single:
        grid = np.linspace(horizontal.min(), horizontal.max(), GRID_POINTS)
        if point:
            values = np.broadcast_to(
                curve(grid, *(point[site].values for site in sites)), grid.shape
            )
            axes.plot(grid, values, color=MODEL_COLOUR, lw=1.8, label="point estimate")
        else:
            draw_band(axes, grid, curve, sample, options)
        if set(sites) <= set(truth.data_vars):
            values = np.broadcast_to(
                curve(grid, *(truth[site].values for site in sites)), grid.shape
            )
            axes.plot(grid, values, color=TRUTH_COLOUR, ls="--", lw=1.8, label="truth", zorder=4)
    elif not point:
        horizontal = spread_ties(horizontal.astype(float))
        draw_pointwise(
            axes,
            horizontal,
            get_group(artefacts["predictive"], "posterior_predictive")[names.site],
            options,
        )
    bars = [data[error].values if error else None for error in (names.error, names.x_error)]
    axes.errorbar(
        horizontal,
        data[names.y].values,
        *bars,
        fmt="o",
        ms=3.5,
        lw=1,
        color=DATA_COLOUR,
        label="data",
        zorder=5,
    )
    axes.set_xlabel(
        make_label(names.x, data[names.x], options) if names.x else "number of the point"
    )
    axes.set_ylabel(make_label(names.y, data[names.y], options))
    axes.legend(loc="best")
    return figure


def spread_ties(x: np.ndarray) -> np.ndarray:
    """Move points that share an x apart, by less than the distance to the next x."""
    values, group, counts = np.unique(x, return_inverse=True, return_counts=True)
    if counts.max() == 1:
        return x
    room = 0.7 * (np.diff(values).min() if len(values) > 1 else 1.0)
    rank = np.zeros(x.size)
    for i in range(len(values)):
        rank[group == i] = np.arange(counts[i]) - (counts[i] - 1) / 2
    return x + room * rank / counts.max()


def draw_band(axes, grid: np.ndarray, curve, posterior: xr.Dataset, options: dict) -> None:
    """Draw the curve for single draws, and its interval over (at most 4,000) draws at each place."""
    draws = {site: posterior[site].values.reshape(-1) for site in list_curve_sites(curve)}
    size = len(next(iter(draws.values())))
    chosen = np.unique(np.linspace(0, size - 1, min(size, 4000)).astype(int))
    values = curve(grid[None, :], *(draw[chosen, None] for draw in draws.values()))
    bounds = compute_interval(np.ascontiguousarray(values.T), **options["interval"])
    axes.fill_between(
        grid,
        *bounds.T,
        color=MODEL_COLOUR,
        alpha=0.25,
        lw=0,
        label=f"{describe_interval(options)} of the curve",
    )
    for line in (
        values[np.linspace(0, len(values) - 1, options["lines"]).astype(int)]
        if options["lines"]
        else ()
    ):
        axes.plot(
            grid[[0, *range(9, GRID_POINTS - 1, 10), -1]],
            line[[0, *range(9, GRID_POINTS - 1, 10), -1]],
            color=MODEL_COLOUR,
            lw=0.4,
            alpha=0.25,
        )


def draw_pointwise(axes, horizontal: np.ndarray, predicted: xr.DataArray, options: dict) -> None:
    """Draw the posterior predictive interval of each point, and its median."""
    bounds, median = compute_pointwise_interval(predicted, options)
    axes.vlines(
        horizontal,
        *bounds.T,
        color=PALE_BLUE,
        lw=4,
        label=f"{describe_interval(options)} predicted",
    )
    axes.plot(horizontal, median, "_", color=MODEL_COLOUR, ms=7, mew=2, label="median predicted")


def compute_pointwise_interval(
    predicted: xr.DataArray, options: dict
) -> tuple[np.ndarray, np.ndarray]:
    """Compute interval (point, 2) and median (point,) of predictions over chain, draw and one more dimension."""
    draws = (
        predicted.transpose(..., "chain", "draw")
        .values.reshape(predicted.sizes[predicted.dims[-1]], -1)
        .astype(float)
    )
    return compute_interval(draws, **options["interval"]), np.median(draws, axis=1)
