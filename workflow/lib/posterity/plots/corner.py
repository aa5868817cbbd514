"""The posterior, in pairs of parameters."""

import warnings

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from posterity.artefact.groups import get_group
from posterity.plots.style import (
    MODEL_COLOUR,
    TRUTH_COLOUR,
    ScalarDraws,
    draw_note_figure,
    explain_missing_density,
    get_true_value,
    select_parameters,
    select_shown_draws,
)
from posterity.stats.arviz_bridge import hide_package

with hide_package("arviz"):
    import corner

# The content of 1 and 2 sigma of a Gaussian in two dimensions
CONTOUR_LEVELS = 1 - np.exp(-0.5 * np.array([1.0, 2.0]) ** 2)


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """Return a figure of marginal and pairwise densities.

    Contours hold 39 % and 86 % of the draws (1 and 2 sigma). Lines are the truth, if it is known.
    """
    options = settings["options"]
    scalars = select_parameters(select_shown_draws(artefacts["posterior"], options), options)
    reasons = {scalar.name: explain_missing_density(scalar.draws) for scalar in scalars}
    missing = [f"no density of {name}: {reason}" for name, reason in reasons.items() if reason]
    scalars = [scalar for scalar in scalars if not reasons[scalar.name]]
    if not scalars:
        return draw_note_figure("\n".join(missing) or "The fit has no parameters to show.")
    truth = get_group(artefacts["data"], "truth")
    true_values = [get_true_value(truth, scalar.name) for scalar in scalars]
    figure = draw_panels(scalars, true_values)
    side = max(4.2, 1.7 * len(scalars) + 1.0)
    figure.set_size_inches(side, side)
    for axes in figure.axes:
        axes.tick_params(labelsize=8)
    label_corner_panels(figure, scalars)
    annotate_figure(figure, true_values)
    if missing:
        figure.suptitle("\n".join(missing), fontsize=8)
    return figure


def draw_panels(scalars: list[ScalarDraws], true_values: list[float | None]) -> Figure:
    """Return a figure of all pairs of scalars, without labels."""
    ranges = [
        choose_range(scalar.draws, true) for scalar, true in zip(scalars, true_values, strict=True)
    ]
    with warnings.catch_warnings():
        # corner sets margins, which the layout engine of `style.apply_style()` chooses better
        warnings.filterwarnings("ignore", "This figure was using a layout engine")
        return corner.corner(
            np.stack([scalar.draws.ravel() for scalar in scalars], axis=1),
            # corner fails with the truth of a single parameter
            truths=true_values if len(scalars) > 1 else None,
            truth_color=TRUTH_COLOUR,
            range=ranges,
            levels=CONTOUR_LEVELS,
            color=MODEL_COLOUR,
            bins=40,
            smooth=1.0,
            plot_datapoints=False,
            plot_density=False,
            fill_contours=True,
            max_n_ticks=4,
            hist_kwargs={"lw": 1.4},
        )


def choose_range(draws: np.ndarray, true: float | None) -> tuple[float, float]:
    """Return the limits of an axis: 99.8 % of the draws and the true value, with a margin."""
    low, high = np.quantile(draws, [0.001, 0.999])
    if true is not None:
        low = min(low, true)
        high = max(high, true)
    margin = 0.08 * (high - low)
    ends = [draws.min(), draws.max()]  # no density beyond the draws
    if true is not None and not ends[0] <= true <= ends[1]:
        ends += [true - margin, true + margin]
    return max(low - margin, min(ends)), min(high + margin, max(ends))


def label_corner_panels(figure: Figure, scalars: list[ScalarDraws]) -> None:
    """Label the panels at the left and lower edges.

    corner itself puts labels at fixed places, where tick labels with many digits overlap them.
    """
    size = len(scalars)
    panels = np.reshape(np.array(figure.axes), (size, size))
    for i, scalar in enumerate(scalars):
        text = scalar.label.replace(" of ", " of\n") if size > 3 else scalar.label
        panels[-1, i].set_xlabel(text, fontsize=9)
        if i:
            panels[i, 0].set_ylabel(text, fontsize=9)
    figure.align_labels()
    layout = figure.get_layout_engine()
    if isinstance(layout, ConstrainedLayoutEngine):  # as in `style.apply_style()`
        layout.set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)


def annotate_figure(figure: Figure, true_values: list[float | None]) -> None:
    """Explain contours and lines in the empty corner or in the title of a single panel."""
    size = len(true_values)
    known = [true for true in true_values if true is not None]
    if size > 1:
        note = "contours: 39 % and 86 %\n(1 and 2 sigma)" + ("\nred lines: truth" if known else "")
        axes = figure.axes[size - 1]
        axes.text(0.98, 0.98, note, ha="right", va="top", fontsize=8, transform=axes.transAxes)
    elif known:
        axes = figure.axes[0]
        axes.axvline(known[0], color=TRUTH_COLOUR)
        axes.set_title("red line: truth", fontsize=8)
