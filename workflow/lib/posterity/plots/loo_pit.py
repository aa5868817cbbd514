"""Leave-one-out predictive check: where each point lies among its predictions."""

from importlib import import_module
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from posterity.artefact.groups import get_group
from posterity.diagnostics.leave_one_out import (
    compute_site_p_values,
    describe_pit_shape,
    get_reason,
    select_pit,
)
from posterity.plots.style import MODEL_COLOUR, TRUTH_COLOUR, draw_note_figure
from posterity.stats.arviz_bridge import remove_stub_modules

MAX_SITES = 3  # panels: those with the smallest p-values
BAND_PROBABILITY = 0.95
BAND_SIMULATIONS = 1000
MAX_STEPS = 200  # places at which the band is computed
SUSPICIOUS_P = 0.05


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """
    Return a figure of the distribution of LOO-PIT values, minus the uniform one.

    A grey band holds the whole curve in 95 % of right models (Säilynoja, Bürkner & Vehtari 2022,
    Statistics and Computing 32, 32). Parts outside it are red. There is a panel for each observed
    site, at most three.
    """
    loo = get_group(artefacts["predictive"], "loo")
    if reason := get_reason(loo):
        return draw_note_figure(f"There is no leave-one-out: {reason}.", (7, 2))
    p_values = compute_site_p_values(loo)
    if not p_values:
        return draw_note_figure("Too few points have a LOO-PIT value.")
    sites = sorted(p_values, key=lambda site: p_values[site])[:MAX_SITES]
    size = (1 + 4.2 * len(sites), 3.9)
    figure, panels = plt.subplots(1, len(sites), figsize=size, squeeze=False, sharey=True)
    for axes, site in zip(panels[0], sites, strict=True):
        pit = select_pit(loo, site)
        draw_difference(axes, pit)
        p_value = p_values[site]
        shape = f"\n{describe_pit_shape(pit)}" if p_value < SUSPICIOUS_P else ""
        colour = TRUTH_COLOUR if p_value < SUSPICIOUS_P else "black"
        title = f"{site}: {len(pit)} points, p = {p_value:.2g}{shape}"
        axes.set_title(title, fontsize=10, color=colour)
    panels[0, 0].set_ylabel("share of points below,\nminus that expected")
    # Below the panels, since the band leaves no room that the curve never reaches.
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8)
    return figure


def draw_difference(axes: Axes, pit: np.ndarray) -> None:
    """Draw the empirical distribution of PIT values minus the uniform one, and its band."""
    steps = min(MAX_STEPS, len(pit))
    places = np.arange(1, steps) / steps
    low, high = compute_band(len(pit), places)
    label = f"{100 * BAND_PROBABILITY:g} % band of right models"
    axes.fill_between(places, low, high, step="mid", color="0.87", lw=0, label=label)
    axes.axhline(0, color="0.45", lw=0.8, ls=":")
    difference = np.searchsorted(np.sort(pit), places, side="right") / len(pit) - places
    look: dict[str, Any] = {"where": "mid", "lw": 1.8}
    axes.step(places, difference, color=MODEL_COLOUR, label="these points", **look)
    is_outside = (difference < low) | (difference > high)
    if is_outside.any():
        outside = np.where(is_outside, difference, np.nan)
        marks: dict[str, Any] = {"color": TRUTH_COLOUR, "ms": 4, "ls": "none", "marker": "o"}
        axes.plot(places, outside, label="outside the band", **marks)
    axes.set_xlim(0, 1)
    axes.set_xlabel("place among the predictions (LOO-PIT)")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.margins(y=0.15)


def compute_band(points: int, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the simultaneous band of the difference for this many uniform values, by ArviZ."""
    ecdf_utils = import_module("arviz_stats.ecdf_utils")
    remove_stub_modules()
    rng = np.random.default_rng(1)
    level = ecdf_utils.simulate_confidence_bands(
        points, 1, places, BAND_PROBABILITY, BAND_SIMULATIONS, rng
    )
    low, high = ecdf_utils.get_pointwise_confidence_band(level, points, places)
    return low - places, high - places
