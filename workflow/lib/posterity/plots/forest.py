"""All fits of a model beside each other, parameter by parameter."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from posterity.artefact.groups import get_group
from posterity.plots.style import (
    COLOUR_CYCLE,
    TRUTH_COLOUR,
    describe_interval,
    get_true_value,
    select_parameters,
    select_shown_draws,
)
from posterity.stats.summary import compute_interval

MAX_SCALARS = 24  # scalars in one figure


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """Draw median, 50 % and full interval of each parameter for each fit, and the truth where it is known."""
    options = settings["options"]
    truth = get_group(artefacts["data"], "truth")
    fits = {
        tree.attrs["fit"]: select_parameters(get_fit_draws(tree, options), options, MAX_SCALARS)
        for tree in artefacts["posteriors"]
    }
    names = {name: text for shown in fits.values() for name, text, _ in shown}
    height = 1.1 + len(names) * (0.45 + 0.25 * len(fits))
    figure, panels = plt.subplots(len(names), 1, figsize=(6, height), squeeze=False)
    for (name, text), axes in zip(names.items(), panels[:, 0], strict=True):
        for row, shown in enumerate(fits.values()):
            draws = next((values.ravel() for other, _, values in shown if other == name), None)
            if draws is None:
                continue
            colour = COLOUR_CYCLE[row % len(COLOUR_CYCLE)]
            if draws.size == 1:
                axes.plot(draws, row, "D", color=colour, ms=6, zorder=3)
                continue
            outer = compute_interval(draws, **options["interval"])
            inner = compute_interval(draws, options["interval"]["kind"], 0.5)
            axes.hlines(row, *outer, color=colour, lw=1.5)
            axes.hlines(row, *inner, color=colour, lw=4.5)
            axes.plot(
                np.median(draws), row, "o", color="white", mec=colour, mew=1.5, ms=6, zorder=3
            )
        true = get_true_value(truth, name)
        if true is not None:
            axes.axvline(true, color=TRUTH_COLOUR, ls="--", lw=1.5, zorder=0)
        axes.set_yticks(range(len(fits)), list(fits))
        axes.set_ylim(len(fits) - 0.4, -0.6)
        axes.set_xlabel(text)
        axes.spines.left.set_visible(False)
        axes.tick_params(axis="y", length=0)
    known = any(get_true_value(truth, name) is not None for name in names)
    points = any(draws.size == 1 for shown in fits.values() for _, _, draws in shown)
    title = f"median, 50 % and {describe_interval(options)}" + (
        "; diamond: point estimate" if points else ""
    )
    title += "; dashed: truth" if known else ""
    panels[0, 0].set_title(title, fontsize=9)
    return figure


def get_fit_draws(tree: xr.DataTree, options: dict) -> xr.Dataset:
    """Take the draws of a fit; a point estimate counts as one draw."""
    return (
        select_shown_draws(tree, options)
        if "posterior" in tree.children
        else get_group(tree, "point").expand_dims(chain=1, draw=1)
    )
