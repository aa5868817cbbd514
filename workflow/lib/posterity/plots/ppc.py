"""Posterior predictive check: would the fitted model make data like these?"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from posterity.artefact.groups import get_group
from posterity.diagnostics.predictive import compute_two_sided_p
from posterity.plots.style import (
    BLACK,
    DATA_COLOUR,
    MODEL_COLOUR,
    TRUTH_COLOUR,
    make_label,
    write_note,
)

MAX_REPLICATES = 50


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """
    Draw the distribution of the observed values among predictions, and each test statistic of the data among those of predictions.

    A statistic that depends on the parameters has a distribution for the data as well.
    """
    predictive = artefacts["predictive"]
    statistics, observed = (
        get_group(predictive, "test_statistics"),
        get_group(predictive, "observed_data"),
    )
    site = next(iter(get_group(predictive, "posterior_predictive").data_vars), None)
    if site is None:
        figure, axes = plt.subplots(figsize=(6, 3))
        write_note(axes, "The model has no observed site: there is nothing to predict.")
        return figure
    values = get_group(predictive, "posterior_predictive")[site]
    names = statistics["statistic"].values
    figure = plt.figure(figsize=(9, 4.2))
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.5))
    axes = left.subplots()
    flat = values.transpose("chain", "draw", ...).values.reshape(
        values.sizes["chain"] * values.sizes["draw"], -1
    )
    chosen = flat[np.linspace(0, len(flat) - 1, min(MAX_REPLICATES, len(flat))).astype(int)]
    if flat.shape[1] == 1:  # one point: a distribution of predictions, and where it fell
        axes.hist(flat[:, 0], 30, color=MODEL_COLOUR, alpha=0.55, label="predictions")
        axes.axvline(
            float(observed[site].values.ravel()[0]), color=DATA_COLOUR, lw=1.8, label="data"
        )
        axes.set_ylabel("number of predictions")
        chosen = []
    heights = np.arange(1, flat.shape[1] + 1) / flat.shape[1]
    for i, replicate in enumerate(chosen):
        text = f"{len(chosen)} predictions" if i == 0 else None
        axes.step(
            np.sort(replicate),
            heights,
            where="post",
            color=MODEL_COLOUR,
            lw=0.5,
            alpha=0.35,
            label=text,
            rasterized=True,
        )
    if len(chosen):
        axes.step(
            np.sort(observed[site].values.ravel()),
            heights,
            where="post",
            color=DATA_COLOUR,
            lw=1.8,
            label="data",
        )
        axes.set_ylabel("share of points below")
        axes.set_ylim(0, 1.02)
    axes.set_xlabel(make_label(site, values, settings["options"]))
    axes.legend(loc="best", fontsize=8)

    replicated = statistics[f"{site}_replicated"].values.reshape(-1, len(names))
    realised = statistics[f"{site}_observed"].values.reshape(-1, len(names))
    p_values = np.minimum(1, compute_two_sided_p(replicated, realised) * len(names))
    for i, (name, panel) in enumerate(zip(names, right.subplots(2, 3).ravel(), strict=True)):
        low, high = np.quantile(replicated[:, i], [0.002, 0.998])
        low, high = (
            min(low, np.quantile(realised[:, i], 0.01)),
            max(high, np.quantile(realised[:, i], 0.99)),
        )
        edges = np.linspace(low, high if high > low else low + 1, 31)
        panel.hist(replicated[:, i], edges, color=MODEL_COLOUR, alpha=0.55, density=True)
        if np.ptp(realised[:, i]) > 0:
            panel.hist(
                realised[:, i], edges, color=DATA_COLOUR, histtype="step", density=True, lw=1.2
            )
        else:
            panel.axvline(realised[0, i], color=DATA_COLOUR, lw=1.8)
        suspicious = p_values[i] < 0.01
        panel.set_title(
            f"{name}, p = {p_values[i]:.2g}",
            fontsize=8,
            color=TRUTH_COLOUR if suspicious else BLACK,
        )
        panel.set_yticks([])
        panel.spines.left.set_visible(False)
        panel.tick_params(labelsize=7)
        panel.locator_params(axis="x", nbins=3)
    right.suptitle(
        f"predictions (filled) and data (black); p corrected for {len(names)} statistics",
        fontsize=9,
    )
    return figure
