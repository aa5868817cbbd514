"""Trace and rank plots: do the chains look at the same posterior?"""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from posterity.artefact.groups import get_group
from posterity.plots.style import (
    BLACK,
    COLOUR_CYCLE,
    TRUTH_COLOUR,
    get_true_value,
    select_parameters,
    select_shown_draws,
)
from posterity.stats.summary import thin_to_ess

MAX_POINTS = 250  # points of a trace that are drawn, per chain
MAX_BINS = 20


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """
    Draw, for each parameter, the trace of each chain and the histogram of its ranks among all draws.

    Where the chains agree, the histogram of each chain is flat (Vehtari et al. 2021, Bayesian Analysis 16, 667, section 4.1);
    the grey band holds 99 % of the bars if draws were independent. Only every n-th draw is used for ranks of autocorrelated
    chains, so that the band means what it says.
    """
    fit = artefacts["posterior"]
    sample = select_shown_draws(fit, settings["options"])
    shown = select_parameters(sample, settings["options"])
    truth = get_group(artefacts["data"], "truth")
    diverging = get_group(fit, "sample_stats").get("diverging")
    chains, draws = shown[0][2].shape
    few = 1 < chains <= len(COLOUR_CYCLE)  # that have a colour each, and a line in the legend
    figure, grid = plt.subplots(
        len(shown), 2, figsize=(8, 1.4 + 1.5 * len(shown)), width_ratios=(2, 1), squeeze=False
    )
    step = max(1, -(-draws // MAX_POINTS))
    places = np.arange(0, draws, step)
    for (name, text, values), (left, right) in zip(shown, grid, strict=True):
        for chain in range(chains):
            colour = COLOUR_CYCLE[chain % len(COLOUR_CYCLE)]
            left.plot(
                places,
                values[chain, ::step],
                lw=0.5,
                alpha=0.8,
                color=colour,
                label=f"chain {chain}" if few else "",
            )
        true = get_true_value(truth, name)
        if true is not None:
            left.axhline(true, color=TRUTH_COLOUR, ls="--", lw=1.5, label="truth")
        left.set_ylabel("\n".join(wrap_label(text)))
        left.set_xlim(0, draws)
        draw_ranks(right, values)
    if diverging is not None and bool(diverging.any()):
        where = np.unique(
            np.nonzero(diverging.sel(draw=sample["draw"]).transpose("chain", "draw").values)[1]
        )
        for left in grid[:, 0]:
            left.plot(
                where,
                np.full(len(where), left.get_ylim()[0]),
                "|",
                color=BLACK,
                ms=6,
                label="divergence",
                clip_on=False,
            )
    of = f"trace of {chains} chains" if chains > 1 else "trace of one chain"
    grid[0, 0].set_title(f"{of} (1 of {step} draws)" if step > 1 else of)
    grid[0, 1].set_title("ranks, flat = 1 (99 % in grey)")
    grid[-1, 0].set_xlabel("draw")
    grid[-1, 1].set_xlabel("rank / number of draws")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    shown_handles = dict(zip(labels, handles, strict=True))
    if shown_handles:
        figure.legend(
            shown_handles.values(),
            shown_handles.keys(),
            loc="outside lower center",
            ncols=min(6, len(shown_handles)),
        )
    return figure


def draw_ranks(axes, values: np.ndarray) -> None:
    """Draw the histograms of the ranks of each chain, as steps, relative to a flat one."""
    values = thin_to_ess(values)
    chains, draws = values.shape
    order = values.ravel().argsort(kind="stable").argsort(kind="stable").reshape(values.shape)
    bins = max(2, min(MAX_BINS, draws // 10))
    edges = np.linspace(0, 1, bins + 1)
    expected = draws / bins
    spread = (
        2.576 * np.sqrt(expected * (1 - 1 / bins) * (1 - 1 / chains)) / expected
        if chains > 1
        else 0
    )
    axes.axhspan(1 - spread, 1 + spread, color="0.88", lw=0)
    for chain in range(chains):
        counts, _ = np.histogram((order[chain] + 0.5) / order.size, edges)
        axes.stairs(
            counts / expected,
            edges,
            baseline=None,
            color=COLOUR_CYCLE[chain % len(COLOUR_CYCLE)],
            lw=1,
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, max(2, axes.get_ylim()[1]))
    if chains == 1:
        axes.text(
            0.5,
            0.25,
            "one chain:\nnothing to compare",
            transform=axes.transAxes,
            ha="center",
            va="center",
            fontsize=8,
        )


def wrap_label(text: str, width: int = 18) -> list[str]:
    """Break a label into lines."""
    return textwrap.wrap(text, width) or [""]
