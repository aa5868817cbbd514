"""All fits of a model side by side, parameter by parameter."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from posterity.artefact.groups import get_group
from posterity.plots.style import (
    COLOUR_CYCLE,
    MAX_SHOWN_SIZE,
    TRUTH_COLOUR,
    describe_interval,
    draw_note_figure,
    explain_missing_density,
    get_true_value,
    select_parameters,
    select_shown_draws,
)
from posterity.stats.summary import compute_interval

MAX_SCALARS = 24  # scalars in one figure


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """Return a figure of the intervals of each parameter in each fit, and the truth if known."""
    options = settings["options"]
    truth = get_group(artefacts["data"], "truth")
    draws: dict[str, dict[str, np.ndarray]] = {}  # by fit and parameter
    labels: dict[str, str] = {}
    for tree in artefacts["posteriors"]:
        scalars = select_parameters(get_fit_draws(tree, options), options, MAX_SCALARS)
        draws[tree.attrs["fit"]] = {scalar.name: scalar.draws.ravel() for scalar in scalars}
        labels |= {scalar.name: scalar.label for scalar in scalars}
    if not labels:
        return draw_note_figure("The fits have no parameters to show.")
    height = 1.1 + len(labels) * (0.45 + 0.25 * len(draws))
    figure, panels = plt.subplots(len(labels), 1, figsize=(6, height), squeeze=False)
    true_values = {name: get_true_value(truth, name) for name in labels}
    for (name, label), axes in zip(labels.items(), panels[:, 0], strict=True):
        for row, fit in enumerate(draws):
            if name in draws[fit]:
                draw_interval(axes, row, draws[fit][name], options["interval"])
        if true_values[name] is not None:
            axes.axvline(true_values[name], color=TRUTH_COLOUR, ls="--", lw=1.5, zorder=0)
        axes.set_yticks(range(len(draws)), list(draws))
        axes.set_ylim(len(draws) - 0.4, -0.6)
        axes.set_xlabel(label)
        axes.spines.left.set_visible(False)
        axes.tick_params(axis="y", length=0)
    title = f"median, 50 % and {describe_interval(options)}"
    sizes = [values.size for scalars in draws.values() for values in scalars.values()]
    title += "; diamond: point estimate" if 1 in sizes else ""
    title += "; dashed: truth" if any(true is not None for true in true_values.values()) else ""
    panels[0, 0].set_title(title, fontsize=9)
    return figure


def draw_interval(axes: Axes, row: int, draws: np.ndarray, interval: dict) -> None:
    """
    Draw median, 50 % and full interval of draws as one row; a diamond for a single value.

    Draws that are not finite, or too large to show, give a sentence in place of intervals.
    """
    look: dict[str, Any]
    colour = COLOUR_CYCLE[row % len(COLOUR_CYCLE)]
    if draws.size == 1:
        axes.plot(draws, row, "D", color=colour, ms=6, zorder=3)
        return
    reason = explain_missing_density(draws)
    if reason and not np.abs(draws).max() <= MAX_SHOWN_SIZE:
        look = {"va": "center", "ha": "center", "color": colour, "fontsize": 8}
        axes.text(0.5, row, reason, transform=axes.get_yaxis_transform(), **look)
        return
    axes.hlines(row, *compute_interval(draws, **interval), color=colour, lw=1.5)
    axes.hlines(row, *compute_interval(draws, interval["kind"], 0.5), color=colour, lw=4.5)
    look = {"color": "white", "mec": colour, "mew": 1.5, "ms": 6, "zorder": 3}
    axes.plot(np.median(draws), row, "o", **look)


def get_fit_draws(tree: xr.DataTree, options: dict) -> xr.Dataset:
    """Return the draws of a fit; a point estimate counts as one draw."""
    if "posterior" in tree.children:
        return select_shown_draws(tree, options)
    return get_group(tree, "point").expand_dims(chain=1, draw=1)
