"""The posterior, in pairs of parameters."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from posterity.artefact.groups import get_group
from posterity.plots.style import (
    MODEL_COLOUR,
    TRUTH_COLOUR,
    get_true_value,
    select_parameters,
    select_shown_draws,
    write_note,
)
from posterity.stats.arviz_bridge import hide_package

with hide_package("arviz"):
    import corner

LEVELS = 1 - np.exp(
    -0.5 * np.array([1.0, 2.0]) ** 2
)  # what lies within 1 and 2 sigma of a Gaussian in two dimensions


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """Draw marginals and pairwise densities, with the contours of 39 % and 86 % (1 and 2 sigma) and the truth where known."""
    shown = select_parameters(
        select_shown_draws(artefacts["posterior"], settings["options"]), settings["options"]
    )
    truth = get_group(artefacts["data"], "truth")
    moving = [(name, label, draws.ravel()) for name, label, draws in shown if np.ptp(draws) > 0]
    if not moving:
        figure, axes = plt.subplots(figsize=(6, 2))
        write_note(axes, "No parameter has draws that differ.")
        return figure
    truths = [get_true_value(truth, name) for name, _, _ in moving]
    ranges = []
    for (_, _, draws), true in zip(moving, truths, strict=True):
        low, high = np.quantile(draws, [0.001, 0.999])
        low, high = (min(low, true), max(high, true)) if true is not None else (low, high)
        margin = 0.08 * (high - low)
        ends = [draws.min(), draws.max()]  # no density where no draw is
        if true is not None and not ends[0] <= true <= ends[1]:
            ends += [true - margin, true + margin]
        ranges.append((max(low - margin, min(ends)), min(high + margin, max(ends))))
    size = len(moving)
    figure = corner.corner(
        np.stack([draws for _, _, draws in moving], axis=1),
        truths=truths if size > 1 else None,  # corner fails with the truth of a single parameter
        truth_color=TRUTH_COLOUR,
        range=ranges,
        levels=LEVELS,
        color=MODEL_COLOUR,
        bins=40,
        smooth=1.0,
        plot_datapoints=False,
        plot_density=False,
        fill_contours=True,
        max_n_ticks=4,
        hist_kwargs={"lw": 1.4},
    )
    side = max(4.2, 1.7 * size + 1.0)
    figure.set_size_inches(side, side)
    for axes in figure.axes:
        axes.tick_params(labelsize=8)
    panels = np.reshape(figure.axes, (size, size))
    for i, (_, label, _) in enumerate(
        moving
    ):  # corner would put them at fixed places, where ticks of many digits are
        text = label.replace(" of ", " of\n") if size > 3 else label
        panels[-1, i].set_xlabel(text, fontsize=9)
        if i:
            panels[i, 0].set_ylabel(text, fontsize=9)
    figure.align_labels()
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
    note = "contours: 39 % and 86 %\n(1 and 2 sigma)" + (
        "\nred lines: truth" if any(t is not None for t in truths) else ""
    )
    if size > 1:
        right = figure.axes[size - 1]
        right.text(0.98, 0.98, note, ha="right", va="top", fontsize=8, transform=right.transAxes)
    elif truths[0] is not None:
        figure.axes[0].axvline(truths[0], color=TRUTH_COLOUR)
        figure.axes[0].set_title("red line: truth", fontsize=8)
    return figure
