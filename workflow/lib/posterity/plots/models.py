"""Comparison of the models of a study by how well they predict unseen data."""

import textwrap
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from posterity.artefact.groups import get_group
from posterity.comparison.stacking import MAX_WEIGHT_WIDTH
from posterity.plots.style import BLACK, MODEL_COLOUR, PALE_BLUE, draw_note_figure

WIDTH_INCHES = 9
LINE_INCHES = 0.16  # height of a line of text
LINE_LETTERS = 120  # letters in a line of text
INTERVAL_LOOK: dict[str, Any] = {"color": MODEL_COLOUR, "lw": 1.8, "capsize": 3}


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """
    Return a figure of elpd by PSIS-LOO, its difference to the reference, and stacking weights.

    The best model is on top. Bars are one standard error. Models that cannot be compared have a row
    without numbers. Sentences below sum up each model.
    """
    table = get_group(artefacts["comparison"], "models")
    if not table.sizes.get("model"):
        return draw_note_figure("There are no models to compare.")
    names = [str(name) for name in table["model"].values]
    messages = zip(names, table["message"].values, strict=True)
    texts = [f"{name}: {message}" for name, message in messages]
    figure, subfigure = make_figure_with_notes(1.0 + 0.55 * len(names), texts)
    panels = subfigure.subplots(1, 3, sharey=True, width_ratios=(1.15, 1.15, 1))
    left, middle, right = panels
    draw_scores(left, table["elpd"].values, table["se"].values)
    draw_scores(middle, table["elpd_diff"].values, table["dse"].values)
    draw_weights(right, table)
    reference = table.attrs.get("reference") or names[0]
    reference = textwrap.shorten(reference, 20, placeholder="…")
    middle.axvline(0, color=BLACK, lw=0.8, ls=":")
    left.set_xlabel("elpd (nats), higher is better")
    middle.set_xlabel(f"elpd minus that of {reference} (nats)")
    left.set_title("± 1 standard error", fontsize=9)
    middle.set_title("± 1 standard error of the difference", fontsize=9)
    right.set_title("with its 90 % interval", fontsize=9)
    left.set_yticks(range(len(names)), label_models(table))
    left.set_ylim(len(names) - 0.45, -0.55)
    for axes in panels:
        axes.spines.left.set_visible(False)
        axes.tick_params(axis="y", length=0)
        for row in range(1, len(names)):
            axes.axhline(row - 0.5, color="0.9", lw=0.8, zorder=0)
    return figure


def draw_scores(axes: Axes, scores: np.ndarray, errors: np.ndarray) -> None:
    """Draw the scores of all models with their standard errors."""
    look: dict[str, Any] = {
        "fmt": "o",
        "color": MODEL_COLOUR,
        "ms": 6,
        "lw": 1.8,
        "capsize": 4,
        "zorder": 3,
    }
    bars = axes.errorbar(scores, np.arange(len(scores)), xerr=errors, **look)
    bars.lines[0].set_clip_on(False)
    axes.margins(x=0.12)
    axes.locator_params(axis="x", nbins=5)


def draw_weights(axes: Axes, table: xr.Dataset) -> None:
    """
    Draw the stacking weights of all models with their intervals.

    A weight that the data do not determine has no number. Models that cannot be compared have a
    note.
    """
    columns = [table[name].values for name in ("weight", "weight_low", "weight_high")]
    for row, (weight, low, high) in enumerate(zip(*columns, strict=True)):
        look: dict[str, Any] = {"va": "center", "color": BLACK, "fontsize": 9}
        if np.isnan(weight):
            axes.text(0.02, row, "not comparable", **look | {"color": "0.4"})
            continue
        is_determined = high - low <= MAX_WEIGHT_WIDTH
        bar: dict[str, Any] = {"color": PALE_BLUE if is_determined else "0.9"}
        axes.barh(row, weight, 0.5, **bar)
        if high > low:
            axes.errorbar((low + high) / 2, row, xerr=(high - low) / 2, fmt="none", **INTERVAL_LOOK)
        text = f"{weight:.2f}" if is_determined else "not\ndetermined"
        axes.text(max(weight, high) + 0.04, row, text, **look | {"fontsize": 8})
    axes.set_xlim(0, 1.5)
    axes.set_xticks([0, 0.5, 1])
    axes.set_xlabel("stacking weight")


def label_models(table: xr.Dataset) -> list[str]:
    """Return the label of each model: its name, and its largest Pareto k-hat."""
    columns = [table[key].values for key in ("model", "pareto_k", "bad_k", "good_k")]
    labels = []
    for name, k, bad, good in zip(*columns, strict=True):
        label = textwrap.shorten(str(name), 28, placeholder="…")
        if not np.isnan(k):
            label += f"\nk-hat up to {k:.2f}" if np.isfinite(k) else "\nk-hat unknown"
            label += f", {bad:.0f} above {good:.2f}" if bad else ""
        labels.append(label)
    return labels


def make_figure_with_notes(
    height: float, texts: list[str], markers: list[dict] | None = None
) -> tuple[Figure, SubFigure]:
    """
    Return a figure with sentences below its panels, and the part of it for the panels.

    Parameters
    ----------
    height : float
        Height of the part for the panels, in inches.
    texts : list of str
        Sentences, which are wrapped.
    markers : list of dict, optional
        Properties of the marker in front of each sentence.

    Returns
    -------
    figure : Figure
    panels : SubFigure
    """
    wrapped = [textwrap.wrap(text, LINE_LETTERS) for text in texts]
    line_count = sum(map(len, wrapped)) + 0.5 * len(wrapped)
    notes_height = 0.15 + LINE_INCHES * line_count
    figure = plt.figure(figsize=(WIDTH_INCHES, height + notes_height))
    parts: Any = figure.subfigures(2, 1, height_ratios=(height, notes_height))
    panels, notes = parts
    axes = notes.add_axes((0.02, 0, 0.96, 1))
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(notes_height / LINE_INCHES, 0)
    place = 0.3
    indent = 0.025 if markers else 0
    for i, lines in enumerate(wrapped):
        if markers:
            axes.plot(0.008, place + 0.42, ms=6, **markers[i])
        axes.text(indent, place, "\n".join(lines), va="top", fontsize=9, linespacing=1.25)
        place += len(lines) + 0.5
    return figure, panels
