"""The prior predictive distribution, next to the data."""

from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from posterity.artefact.groups import get_group
from posterity.plots.axes import choose_variables
from posterity.plots.style import (
    DATA_COLOUR,
    MODEL_COLOUR,
    ORANGE,
    draw_note_figure,
    hide_large_values,
    make_label,
)
from posterity.plots.user_figures import list_curve_sites, load_curve

GRID_POINTS = 50  # places at which a curve is drawn
FIGURE_SIZE = (8, 3.8)  # inches


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """
    Return a figure of prior predictive draws, the data, and the bounds that the study declares.

    If the model's figures.py has `curve(x, <sites>)`, the figure shows curves of prior draws
    instead of predicted points.
    """
    options = settings["options"]
    tree = artefacts["prior"]
    predictive = get_group(tree, "prior_predictive")
    if not predictive.data_vars:
        return draw_note_figure(_explain_missing_draws(tree.attrs["improper"]), FIGURE_SIZE)
    data = get_group(artefacts["data"], "data")
    names = choose_variables(data, get_group(tree, "observed_data"), options.get("data", {}))
    site = names.site if names else str(next(iter(predictive.data_vars)))
    values = predictive[site].transpose("chain", "draw", ...)
    draws = values.values.reshape(values.sizes["chain"] * values.sizes["draw"], -1).astype(float)
    draws = hide_large_values(draws)
    observed = get_group(tree, "observed_data")[site].values.ravel()
    x = names.x if names else None
    horizontal = data[x].values if x else np.arange(draws.shape[1])
    count = min(max(options["lines"], 1), len(draws))
    chosen = np.linspace(0, len(draws) - 1, count).astype(int)

    figure, (left, right) = plt.subplots(1, 2, figsize=FIGURE_SIZE, width_ratios=(1.5, 1))
    curve = load_curve(settings["figure"]["curve"]) if x else None
    prior = get_group(tree, "prior")
    if curve is not None and has_scalar_sites(curve, prior):
        draw_prior_curves(left, horizontal, curve, prior, chosen)
    else:
        draw_prior_points(left, horizontal, draws[chosen])
    left.plot(horizontal, observed, "o", ms=3.5, color=DATA_COLOUR, label="data")
    left.set_xlabel(make_label(x, data[x], options) if x else "row")
    left.set_ylabel(make_label(site, values, options))
    low, high = draw_histogram(right, draws, observed)
    bounds = settings["bounds"].get(site) or settings["bounds"].get(names.y if names else site)
    set_vertical_limits((left, right), low, high, bounds)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


def _explain_missing_draws(improper: str) -> str:
    """Return why there are no prior predictive draws; `improper` are the sites without a prior."""
    if improper:
        return f"The prior of {improper} is improper,\nso there are no prior predictive draws."
    return "The model has no observed site."


def has_scalar_sites(curve: Callable, prior: xr.Dataset) -> bool:
    """Return whether all sites of a curve are scalars of the prior, and there is at least one."""
    sites = list_curve_sites(curve)
    return bool(sites) and all(name in prior and prior[name].ndim == 2 for name in sites)


def draw_prior_curves(
    axes: Axes, horizontal: np.ndarray, curve: Callable, prior: xr.Dataset, chosen: np.ndarray
) -> None:
    """
    Draw the curves of prior draws.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    horizontal : np.ndarray
        Covariate of the data, shape (point,).
    curve : callable
        `curve(x, <sites>)`; it must broadcast x of shape (place,) with sites of shape (draw, 1).
    prior : xr.Dataset
        Prior draws of the sites of the curve, with dimensions chain and draw.
    chosen : np.ndarray
        Indices of the draws to show, among those of all chains.
    """
    grid = np.linspace(horizontal.min(), horizontal.max(), GRID_POINTS)
    sites = [prior[name].transpose("chain", "draw") for name in list_curve_sites(curve)]
    values = curve(grid, *[site.values.reshape(-1)[chosen, None] for site in sites])
    lines = hide_large_values(np.broadcast_to(values, (chosen.size, grid.size))).T
    axes.plot(grid, lines, "-", color=MODEL_COLOUR, lw=0.6, alpha=0.5)
    label = f"{chosen.size} prior draws of the curve"
    axes.plot([], [], "-", color=MODEL_COLOUR, label=label)


def draw_prior_points(axes: Axes, horizontal: np.ndarray, draws: np.ndarray) -> None:
    """Draw prior predictive data sets, shape (draw, point), as points."""
    order = np.argsort(horizontal, kind="stable")
    look: dict[str, Any] = {"ms": 2, "color": MODEL_COLOUR, "alpha": 0.35, "rasterized": True}
    axes.plot(horizontal[order], draws.T[order], ".", **look)
    axes.plot([], [], ".", color=MODEL_COLOUR, label=f"{len(draws)} prior draws")


def draw_histogram(axes: Axes, draws: np.ndarray, observed: np.ndarray) -> tuple[float, float]:
    """Draw the distribution of all predicted values, with ticks for the data. Return its limits."""
    finite = draws[np.isfinite(draws)]
    missing = draws.size - finite.size
    if missing:
        axes.set_title(f"{missing / draws.size:.1%} not finite or too large", fontsize=9)
    low, high = np.quantile(finite, [0.005, 0.995]) if finite.size else (np.inf, -np.inf)
    low = min(low, observed.min())
    high = max(high, observed.max())
    high = high if high > low else low + 1
    edges = np.linspace(low, high, 41).tolist()
    look: dict[str, Any] = {"color": MODEL_COLOUR, "alpha": 0.55, "label": "prior predictive"}
    axes.hist(finite, edges, density=finite.size > 0, orientation="horizontal", **look)
    look = {"color": DATA_COLOUR, "ms": 14, "mew": 1, "clip_on": False}
    axes.plot(np.zeros(observed.size), observed, "_", **look)
    axes.set_xlabel("density")
    axes.set_xticks([])
    axes.tick_params(labelleft=False)
    return low, high


def set_vertical_limits(
    panels: tuple[Axes, ...], low: float, high: float, bounds: list[float] | None
) -> None:
    """
    Draw the bounds of the study in all panels, and set the limits of their vertical axes.

    Parameters
    ----------
    panels : tuple of Axes
        The panels, which share their vertical axis.
    low, high : float
        Values that the limits must include.
    bounds : list of float or None
        Bounds that the study declares for the check `prior_predictive`, if any.
    """
    span = [low, high, *(bounds or [])]
    margin = 0.04 * (max(span) - min(span))
    for axes in panels:
        if bounds:
            label = "bounds set in the study"
            axes.axhline(bounds[0], color=ORANGE, ls=":", lw=1.5, label=label)
            axes.axhline(bounds[1], color=ORANGE, ls=":", lw=1.5)
        axes.set_ylim(min(span) - margin, max(span) + margin)
