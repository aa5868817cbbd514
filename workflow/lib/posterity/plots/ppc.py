"""Posterior predictive check: whether the fitted model predicts data like the observed ones."""

import textwrap
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from posterity.artefact.groups import get_group
from posterity.diagnostics.predictive import compute_two_sided_p
from posterity.plots.style import (
    BLACK,
    DATA_COLOUR,
    MODEL_COLOUR,
    TRUTH_COLOUR,
    draw_note_figure,
    hide_large_values,
    make_label,
)

MAX_REPLICATES = 50  # predicted data sets in the figure
TITLE_LETTERS = 26  # letters of a line in the title of a panel
SUSPICIOUS_P = 0.01  # p-values below are red


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """
    Return a figure of the observed values and test statistics among those of predictions.

    A test statistic that depends on the parameters has a distribution for the data as well.
    """
    predictive = artefacts["predictive"]
    predictions = get_group(predictive, "posterior_predictive")
    site = next(iter(predictions.data_vars), None)
    if site is None:
        return draw_note_figure(
            "The model has no observed site: there is nothing to predict.", (6, 3)
        )
    values = predictions[site].transpose("chain", "draw", ...)
    count = values.sizes["chain"] * values.sizes["draw"]
    replicates = hide_large_values(values.values.reshape(count, -1))
    observed = get_group(predictive, "observed_data")[site].values.ravel()
    figure = plt.figure(figsize=(9, 4.2))
    parts: Any = figure.subfigures(1, 2, width_ratios=(1, 1.5))
    left, right = parts
    axes = left.subplots()
    if observed.size == 1:
        draw_single_point(axes, replicates[:, 0], float(observed[0]))
    else:
        draw_distributions(axes, replicates, observed)
    axes.set_xlabel(make_label(str(site), values, settings["options"]))
    axes.legend(loc="best", fontsize=8)
    draw_statistics(right, get_group(predictive, "test_statistics"), str(site))
    return figure


def draw_single_point(axes: Axes, predicted: np.ndarray, observed: float) -> None:
    """Draw the histogram of predictions of a single observation, and the observation."""
    axes.hist(predicted, 30, color=MODEL_COLOUR, alpha=0.55, label="predictions")
    axes.axvline(observed, color=DATA_COLOUR, lw=1.8, label="data")
    axes.set_ylabel("number of predictions")


def draw_distributions(axes: Axes, replicates: np.ndarray, observed: np.ndarray) -> None:
    """Draw the cumulative distributions of predicted data sets, shape (draw, point), and data."""
    count = min(MAX_REPLICATES, len(replicates))
    chosen = np.linspace(0, len(replicates) - 1, count).astype(int)
    heights = np.arange(1, observed.size + 1) / observed.size
    look: dict[str, Any] = {
        "where": "post",
        "color": MODEL_COLOUR,
        "lw": 0.5,
        "alpha": 0.35,
        "rasterized": True,
    }
    for i, replicate in enumerate(replicates[chosen]):
        label = f"{count} predictions" if i == 0 else None
        axes.step(np.sort(replicate), heights, label=label, **look)
    look = {"where": "post", "color": DATA_COLOUR, "lw": 1.8, "label": "data"}
    axes.step(np.sort(observed), heights, **look)
    axes.set_ylabel("fraction of points below")
    axes.set_ylim(0, 1.02)


def draw_statistics(figure, statistics: xr.Dataset, site: str) -> None:
    """Draw the least likely test statistics of a site, each in a panel of a figure."""
    replicated = statistics[f"{site}_replicated"]
    names = statistics[f"{site}_statistic"].values
    predicted = replicated.values.reshape(-1, len(names))
    realised = statistics[f"{site}_realised"].values.reshape(-1, len(names))
    p_values = compute_two_sided_p(predicted, realised)
    corrected = np.minimum(1, p_values * len(names))
    panels = figure.subplots(2, 3).ravel()
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    for axes, i in zip(panels, np.argsort(p_values, kind="stable"), strict=False):
        draw_statistic(axes, predicted[:, i], realised[:, i])
        colour = TRUTH_COLOUR if corrected[i] < SUSPICIOUS_P else BLACK
        title = f"{textwrap.fill(names[i], TITLE_LETTERS)}\np = {corrected[i]:.2g}"
        axes.set_title(title, fontsize=8, color=colour)
    count = min(len(panels), len(names))
    shown = f"the {count} least likely of {len(names)}" if count < len(names) else f"all {count}"
    figure.suptitle(
        f"residuals r: {shown} statistics of predictions (filled) and\n"
        f"of the data (black), with p-values corrected for their number",
        fontsize=9,
    )


def draw_statistic(axes: Axes, replicated: np.ndarray, realised: np.ndarray) -> None:
    """Draw the histogram of a statistic of predictions, and the statistic of the data."""
    replicated = hide_large_values(replicated)
    realised = hide_large_values(realised)
    axes.set_yticks([])
    axes.spines.left.set_visible(False)
    axes.tick_params(labelsize=7)
    axes.locator_params(axis="x", nbins=3)
    replicated = replicated[np.isfinite(replicated)]
    realised = realised[np.isfinite(realised)]
    if not (replicated.size and realised.size):
        axes.text(0.5, 0.5, "not finite", ha="center", va="center", transform=axes.transAxes)
        return
    low, high = np.quantile(replicated, [0.002, 0.998])
    low = min(low, np.quantile(realised, 0.01))
    high = max(high, np.quantile(realised, 0.99))
    edges = np.linspace(low, high if high > low else low + 1, 31).tolist()
    axes.hist(replicated, edges, color=MODEL_COLOUR, alpha=0.55, density=True)
    if np.ptp(realised) > 0:
        axes.hist(realised, edges, color=DATA_COLOUR, histtype="step", density=True, lw=1.2)
    else:
        axes.axvline(realised[0], color=DATA_COLOUR, lw=1.8)
