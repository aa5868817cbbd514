"""Trace and rank plots, which show whether the chains agree."""

import textwrap
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from posterity.artefact.groups import get_group
from posterity.plots.style import (
    BLACK,
    COLOUR_CYCLE,
    TRUTH_COLOUR,
    draw_note_figure,
    get_true_value,
    hide_large_values,
    select_parameters,
    select_shown_draws,
    write_note,
)
from posterity.stats.summary import thin_to_ess

MAX_POINTS = 250  # drawn points of a trace, per chain
MAX_BINS = 20
BAND_QUANTILE = 2.576  # of a Gaussian: 99 % lie within


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """
    Return a figure of the trace of each chain and the histogram of its ranks among all draws.

    If the chains agree, the histogram of each chain is flat (Vehtari et al. 2021, Bayesian Analysis
    16, 667, section 4.1). The grey band holds 99 % of the bars of independent draws. Autocorrelated
    chains are thinned before ranking, so that the band applies.
    """
    fit = artefacts["posterior"]
    sample = select_shown_draws(fit, settings["options"])
    scalars = select_parameters(sample, settings["options"])
    if not scalars:
        return draw_note_figure("The fit has no parameters to show.")
    truth = get_group(artefacts["data"], "truth")
    chains, draws = scalars[0].draws.shape
    height = 1.4 + 1.5 * len(scalars)
    figure, panels = plt.subplots(
        len(scalars), 2, figsize=(8, height), width_ratios=(2, 1), squeeze=False
    )
    step = max(1, -(-draws // MAX_POINTS))
    for scalar, (left, right) in zip(scalars, panels, strict=True):
        draw_trace(left, scalar.draws, step)
        true = get_true_value(truth, scalar.name)
        if true is not None:
            left.axhline(true, color=TRUTH_COLOUR, ls="--", lw=1.5, label="truth")
        left.set_ylabel("\n".join(wrap_label(scalar.label)))
        left.set_xlim(0, draws)
        draw_ranks(right, scalar.draws)
    mark_divergences(panels[:, 0], get_group(fit, "sample_stats"), sample)
    title = f"trace of {chains} chains" if chains > 1 else "trace of one chain"
    panels[0, 0].set_title(f"{title} (1 in {step} draws)" if step > 1 else title)
    panels[0, 1].set_title("ranks (grey: 99 % band)")
    panels[-1, 0].set_xlabel("draw")
    panels[-1, 1].set_xlabel("rank / number of draws")
    add_legend(figure, panels[0, 0])
    return figure


def draw_trace(axes: Axes, values: np.ndarray, step: int) -> None:
    """
    Draw every `step`-th value of each chain. A few chains are named in the legend.

    Values that are not finite, or too large to show, are left out.
    """
    chains, draws = values.shape
    values = hide_large_values(values)
    is_named = 1 < chains <= len(COLOUR_CYCLE)  # else colours repeat
    places = np.arange(0, draws, step)
    for chain in range(chains):
        axes.plot(
            places,
            values[chain, ::step],
            lw=0.5,
            alpha=0.8,
            color=COLOUR_CYCLE[chain % len(COLOUR_CYCLE)],
            label=f"chain {chain}" if is_named else "",
        )


def mark_divergences(panels: np.ndarray, statistics: xr.Dataset, sample: xr.Dataset) -> None:
    """Mark the draws at which any chain has diverged, at the lower edge of each trace."""
    if "diverging" not in statistics or not bool(statistics["diverging"].any()):
        return
    diverging = statistics["diverging"].sel(draw=sample["draw"])
    draws = np.flatnonzero(diverging.any("chain").values)
    look: dict[str, Any] = {"color": BLACK, "ms": 6, "label": "divergence", "clip_on": False}
    for axes in panels:
        axes.plot(draws, np.full(len(draws), axes.get_ylim()[0]), "|", **look)


def add_legend(figure: Figure, axes: Axes) -> None:
    """Add a legend for these axes below the figure, with each label once."""
    handles, labels = axes.get_legend_handles_labels()
    by_label = dict(zip(labels, handles, strict=True))
    if not by_label:
        return
    columns = min(6, len(by_label))
    figure.legend(by_label.values(), by_label.keys(), loc="outside lower center", ncols=columns)


def draw_ranks(axes: Axes, values: np.ndarray) -> None:
    """
    Draw the rank histogram of each chain (chain, draw) as steps, relative to a flat one.

    The ranks of equal draws are in random order. In the order of the chains, chains that agree
    would seem to differ.
    """
    reason = explain_missing_ranks(values)
    if reason:
        write_note(axes, f"no ranks:\n{reason}")
        return
    values = thin_to_ess(values)
    chains, draws = values.shape
    noise = np.random.default_rng(0).random(values.size)
    ranks = np.lexsort((noise, values.ravel())).argsort().reshape(values.shape)
    bins = max(2, min(MAX_BINS, draws // 10))
    edges = np.linspace(0, 1, bins + 1)
    expected = draws / bins
    variance = expected * (1 - 1 / bins) * (1 - 1 / chains)
    spread = BAND_QUANTILE * np.sqrt(variance) / expected
    axes.axhspan(1 - spread, 1 + spread, color="0.88", lw=0)
    for chain in range(chains):
        counts, _ = np.histogram((ranks[chain] + 0.5) / ranks.size, edges)
        colour = COLOUR_CYCLE[chain % len(COLOUR_CYCLE)]
        axes.stairs(counts / expected, edges, baseline=None, color=colour, lw=1)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, max(2, axes.get_ylim()[1]))
    if chains == 1:
        look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8}
        axes.text(0.5, 0.25, "one chain:\nnothing to compare", transform=axes.transAxes, **look)


def explain_missing_ranks(values: np.ndarray) -> str:
    """Return why draws, shape (chain, draw), have no ranks to draw; an empty text if they have."""
    unknown = int((~np.isfinite(values)).sum())
    if unknown:
        return f"{unknown} of {values.size} draws\nare not finite"
    if (np.ptp(values, axis=1) == 0).all():
        return "all draws are equal" if np.ptp(values) == 0 else "no chain moves"
    return ""


def wrap_label(text: str, width: int = 18) -> list[str]:
    """Return the lines of a label, at most `width` letters each."""
    return textwrap.wrap(text, width) or [""]
