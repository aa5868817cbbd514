"""The models of a study beside each other: how well each predicts data that it has not seen."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure, SubFigure

from posterity.artefact.groups import get_group
from posterity.plots.style import BLACK, MODEL_COLOUR, PALE_BLUE, write_note

WIDTH_INCHES = 9  # inches
LINE_INCHES = 0.16  # inches that a line of a sentence takes
LINE_LETTERS = 120  # letters in a line


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """
    Draw, best model on top, elpd by PSIS-LOO, its difference to the reference, and stacking weights; below, what they say.

    Bars are one standard error. Models that cannot be compared have a line without numbers.
    """
    table = get_group(artefacts["comparison"], "models")
    if not table.sizes.get("model"):
        figure, axes = plt.subplots(figsize=(6, 2))
        write_note(axes, "There are no models to compare.")
        return figure
    names, rows = table["model"].values.tolist(), np.arange(table.sizes["model"])
    numbers = {key: table[key].values for key in table.data_vars if key != "message"}
    texts = [
        f"{name}: {message}" for name, message in zip(names, table["message"].values, strict=True)
    ]
    figure, panels = make_figure_with_notes(1.0 + 0.55 * len(names), texts)
    left, middle, right = panels.subplots(1, 3, sharey=True, width_ratios=(1.15, 1.15, 1))
    for axes, key, error in ((left, "elpd", "se"), (middle, "elpd_diff", "dse")):
        bars = axes.errorbar(
            numbers[key],
            rows,
            xerr=numbers[error],
            fmt="o",
            color=MODEL_COLOUR,
            ms=6,
            lw=1.8,
            capsize=4,
            zorder=3,
        )
        bars.lines[0].set_clip_on(False)
        axes.margins(x=0.12)
        axes.locator_params(axis="x", nbins=5)
    base = table.attrs.get("reference") or names[0]
    middle.axvline(0, color=BLACK, lw=0.8, ls=":")
    left.set_xlabel("elpd (nats), higher is better")
    middle.set_xlabel(f"elpd minus that of {textwrap.shorten(base, 20, placeholder='…')} (nats)")
    left.set_title("± 1 standard error", fontsize=9)
    middle.set_title("± 1 standard error of the difference", fontsize=9)
    right.barh(rows, np.nan_to_num(numbers["weight"]), 0.5, color=PALE_BLUE)
    for row, weight in zip(rows, numbers["weight"], strict=True):
        text, colour = ("not comparable", "0.4") if np.isnan(weight) else (f"{weight:.2f}", BLACK)
        right.text(np.nan_to_num(weight) + 0.02, row, text, va="center", color=colour, fontsize=9)
    right.set_xlim(0, 1.17)
    right.set_xticks([0, 0.5, 1])
    right.set_xlabel("stacking weight")
    left.set_yticks(
        rows,
        list(map(_label_model, names, numbers["pareto_k"], numbers["bad_k"], numbers["good_k"])),
    )
    left.set_ylim(len(rows) - 0.45, -0.55)
    for axes in (left, middle, right):
        axes.spines.left.set_visible(False)
        axes.tick_params(axis="y", length=0)
        for row in rows[1:]:
            axes.axhline(row - 0.5, color="0.9", lw=0.8, zorder=0)
    return figure


def _label_model(name: str, k: float, bad: float, good: float) -> str:
    """Name a model on the axis, with its largest k-hat."""
    if np.isnan(k):
        return textwrap.shorten(name, 28, placeholder="…")
    note = f"k-hat up to {k:.2f}" if np.isfinite(k) else "k-hat unknown"
    return f"{textwrap.shorten(name, 28, placeholder='…')}\n{note}" + (
        f", {bad:.0f} above {good:.2f}" if bad else ""
    )


def make_figure_with_notes(
    height: float, texts: list[str], markers: list[dict] | None = None
) -> tuple[Figure, SubFigure]:
    """
    Make a figure with room for panels, of a height in inches, and sentences below them, with their markers where there are such.

    Returns the figure, and the part of it for the panels.
    """
    wrapped = [textwrap.wrap(text, LINE_LETTERS) for text in texts]
    lines = sum(map(len, wrapped)) + 0.5 * len(wrapped)
    below = 0.15 + LINE_INCHES * lines
    figure = plt.figure(figsize=(WIDTH_INCHES, height + below))
    panels, words = figure.subfigures(2, 1, height_ratios=(height, below))
    axes = words.add_axes((0.02, 0, 0.96, 1))
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(below / LINE_INCHES, 0)
    place = 0.3
    for i, part in enumerate(wrapped):
        if markers:
            axes.plot(0.008, place + 0.42, ms=6, **markers[i])
        axes.text(
            0.025 if markers else 0, place, "\n".join(part), va="top", fontsize=9, linespacing=1.25
        )
        place += len(part) + 0.5
    return figure, panels
