"""The sensitivity of each parameter to prior and likelihood."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from posterity.artefact.groups import get_group
from posterity.diagnostics.prior_sensitivity import SENSITIVITY_LEVEL
from posterity.plots.style import MODEL_COLOUR, ORANGE, draw_note_figure

MAX_PARAMETERS = 24  # parameters in one figure: those that are most sensitive to the prior


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """Return a figure of how far the posterior of each parameter moves with prior and likelihood.

    A line marks the threshold of the check; the diagnosis stands at the right.
    """
    table = get_group(artefacts["sensitivity"], "psense")
    size = table.sizes.get("parameter", 0)
    if not size:
        return draw_note_figure("No parameter varies among the draws.")
    order = np.argsort(-np.nan_to_num(table["prior"].values), kind="stable")
    shown = table.isel(parameter=np.sort(order[:MAX_PARAMETERS]))
    prior = shown["prior"].values
    likelihood = shown["likelihood"].values
    rows = np.arange(shown.sizes["parameter"])
    figure, axes = plt.subplots(figsize=(7, 1.5 + 0.36 * len(rows)))
    threshold = f"threshold {SENSITIVITY_LEVEL:g}"
    axes.axvline(SENSITIVITY_LEVEL, color="0.45", ls=":", lw=1.2, label=threshold)
    axes.hlines(rows, np.nan_to_num(prior), likelihood, color="0.85", lw=2, zorder=1)
    axes.plot(likelihood, rows, "s", color=MODEL_COLOUR, ms=6, label="likelihood (data)")
    axes.plot(prior, rows, "D", color=ORANGE, ms=6, label="prior")
    axes.set_yticks(rows, [str(name) for name in shown["parameter"].values])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    values = np.nan_to_num(np.concatenate([prior, likelihood]))
    right = 1.08 * max(2 * SENSITIVITY_LEVEL, values.max())
    axes.set_xlim(-0.02 * right, right)
    for row, diagnosis in zip(rows, shown["diagnosis"].values, strict=True):
        axes.annotate(
            str(diagnosis),
            (1.02, row),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
            annotation_clip=False,
        )
    label = "sensitivity: change of the posterior when prior or likelihood is scaled by 1 %"
    axes.set_xlabel(label, fontsize=9)
    title = f"{len(rows)} of {size} parameters" if size > len(rows) else None
    figure.legend(loc="outside upper center", ncols=3, title=title)
    return figure
