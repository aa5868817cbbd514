"""How much prior and data say about each parameter."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from posterity.artefact.groups import get_group
from posterity.diagnostics.prior_sensitivity import SENSITIVITY_LEVEL
from posterity.plots.style import MODEL_COLOUR, ORANGE, write_note

MAX_PARAMETERS = 24  # parameters in one figure: those that are the most sensitive to the prior


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """Draw, for each parameter, how far the posterior moves with the prior and with the likelihood, and the level that matters."""
    found = get_group(artefacts["sensitivity"], "psense")
    size = found.sizes.get("parameter", 0)
    if not size:
        figure, axes = plt.subplots(figsize=(6, 2))
        write_note(axes, "No parameter has draws that differ.")
        return figure
    prior, data = found["prior"].values, found["likelihood"].values
    chosen = np.sort(np.argsort(-np.nan_to_num(prior), kind="stable")[:MAX_PARAMETERS])
    rows = np.arange(len(chosen))
    figure, axes = plt.subplots(figsize=(7, 1.5 + 0.36 * len(chosen)))
    axes.axvline(
        SENSITIVITY_LEVEL,
        color="0.45",
        ls=":",
        lw=1.2,
        label=f"{SENSITIVITY_LEVEL:g}: matters from here",
    )
    axes.hlines(rows, np.nan_to_num(prior[chosen]), data[chosen], color="0.85", lw=2, zorder=1)
    axes.plot(data[chosen], rows, "s", color=MODEL_COLOUR, ms=6, label="data (likelihood)")
    axes.plot(prior[chosen], rows, "D", color=ORANGE, ms=6, label="prior")
    axes.set_yticks(rows, [str(found["parameter"].values[i]) for i in chosen])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    right = 1.08 * max(
        2 * SENSITIVITY_LEVEL, np.nanmax(data[chosen]), np.nanmax(np.nan_to_num(prior[chosen]))
    )
    axes.set_xlim(-0.02 * right, right)
    for row, i in zip(rows, chosen, strict=True):
        axes.annotate(
            str(found["diagnosis"].values[i]),
            (1.02, row),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
            annotation_clip=False,
        )
    axes.set_xlabel(
        "sensitivity: how far the posterior moves when this part counts 1 % more or less"
    )
    axes.xaxis.label.set_fontsize(9)
    more = f" ({len(chosen)} of {size} parameters)" if size > len(chosen) else ""
    figure.legend(loc="outside upper center", ncols=3, title=more or None)
    return figure
