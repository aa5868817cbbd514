"""Figures of a rating curve: the curve in log-log axes, and the residuals of the gaugings."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from posterity.artefact.groups import get_group
from posterity.plots.data import compute_pointwise_interval
from posterity.plots.style import (
    COLOUR_CYCLE,
    DATA_COLOUR,
    MODEL_COLOUR,
    ORANGE,
    PALE_BLUE,
    describe_interval,
    make_label,
)

STAGES = (0.8, 1, 1.5, 2, 3, 4, 6, 8)  # m
DISCHARGES = (50, 100, 200, 500, 1000)  # m³/s


def _plain(axis, places):
    """Label a logarithmic axis with plain numbers."""
    axis.set_major_locator(FixedLocator(places))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_locator(NullLocator())


def rating_curve(artefacts, settings):
    """
    Gaugings with their errors, and the rating curve: its median and interval (dark), and the
    interval of a new gauging with its error (pale). Grey: stages without gaugings, for which
    discharge is predicted.
    """
    options, tree = settings["options"], artefacts["predictive"]
    data, new, at = (
        get_group(artefacts["data"], "data"),
        get_group(tree, "predictions"),
        get_group(tree, "predictions_constant_data"),
    )
    stage, h, q = at["h"].values, data["h"].values, data["q"].values
    figure, axes = plt.subplots(figsize=(6.4, 4.6))
    text = describe_interval(options)
    for site, colour, label in (
        ("q", PALE_BLUE, f"{text} of a new gauging"),
        ("discharge", MODEL_COLOUR, f"{text} of the curve"),
    ):
        bounds, median = compute_pointwise_interval(new[site], options)
        axes.fill_between(stage, *bounds.T, color=colour, alpha=0.55, lw=0, label=label)
    axes.plot(stage, median, color=MODEL_COLOUR, lw=1.4, label="median of the curve")
    bars = {"fmt": "o", "ms": 3, "lw": 0.9, "capsize": 1.5, "color": DATA_COLOUR, "zorder": 5}
    axes.errorbar(h, q, data["e"].values * q, **bars, label="gaugings, with 1 sigma")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(stage.min(), stage.max())
    for low, high in ((stage.min(), h.min()), (h.max(), stage.max())):
        axes.axvspan(low, high, color="0.92", lw=0, zorder=0)
    axes.text(
        np.sqrt(h.max() * stage.max()),
        0.03,
        "not\ngauged",
        fontsize=8,
        ha="center",
        transform=axes.get_xaxis_transform(),
        color="0.35",
    )
    _plain(axes.xaxis, [tick for tick in STAGES if stage.min() <= tick <= stage.max()])
    _plain(axes.yaxis, DISCHARGES)
    axes.set_xlabel(make_label("h", data["h"], options))
    axes.set_ylabel(make_label("q", data["q"], options))
    axes.legend(loc="upper left")
    return figure


def residuals(artefacts, settings):
    """
    The residual of each gauging from the median curve in per cent (100 times the difference of
    logarithms), against stage and date. The band should hold 90 % of gaugings; it follows from
    their mean error and the fitted scatter.
    """
    options = settings["options"]
    data, posterior = (
        get_group(artefacts["data"], "data"),
        get_group(artefacts["posterior"], "posterior"),
    )
    h, q, e = (data[name].values for name in ("h", "q", "e"))
    draws = {
        name: posterior[name].values.reshape(-1, 1)
        for name in ("log_a", "b", "h0", "sigma")
        if name in posterior
    }
    log_q = np.median(draws["log_a"] + draws["b"] * np.log(h - draws.get("h0", 0)), axis=0)
    residual = 100 * (np.log(q) - log_q)
    half = 164.5 * np.sqrt(np.median(draws["sigma"]) ** 2 + np.mean(e**2))
    figure, panels = plt.subplots(2, 1, figsize=(6.4, 5.6), sharey=True)
    dates = np.array(
        [str(date).replace(" ", "T") for date in data["date"].values], dtype="datetime64[s]"
    )
    for axes, x, name in zip(panels, (h, dates), ("h", "date"), strict=True):
        axes.axhspan(
            -half, half, color=PALE_BLUE, alpha=0.45, lw=0, label="90 % of gaugings expected"
        )
        axes.axhline(0, color=MODEL_COLOUR, lw=1.2)
        for size, marker, colour in zip(
            np.unique(e.round(3)), "so^dv", (ORANGE, DATA_COLOUR, *COLOUR_CYCLE[2:]), strict=False
        ):
            of = e.round(3) == size
            axes.errorbar(
                x[of],
                residual[of],
                100 * e[of],
                fmt=marker,
                ms=3.5,
                lw=0.8,
                color=colour,
                label=f"gaugings, error {100 * size:g} %",
            )
        axes.set_xlabel(make_label(name, data[name], options))
        axes.set_ylabel("gauged minus curve (%)")
    panels[0].set_xscale("log")
    _plain(panels[0].xaxis, STAGES)
    panels[0].set_xlim(h.min() * 0.96, h.max() * 1.04)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure
