"""What the prior says of the data, before they are looked at."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from posterity.artefact.groups import get_group
from posterity.plots.axes import choose_variables
from posterity.plots.style import DATA_COLOUR, MODEL_COLOUR, ORANGE, make_label, write_note
from posterity.plots.user_figures import list_curve_sites, load_curve


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """
    Draw prior predictive draws of the observed variable, the data, and the bounds that the study declares.

    Where figures.py beside the model has `curve(x, <sites>)`, the curves of those draws are drawn rather than their points.
    """
    options, tree = settings["options"], artefacts["prior"]
    data, predictive = get_group(artefacts["data"], "data"), get_group(tree, "prior_predictive")
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.8), width_ratios=(1.5, 1))
    if not predictive.data_vars:
        for axes in (left, right):
            axes.set_axis_off()
        improper = tree.attrs["improper"]
        write_note(
            left,
            f"The prior of {improper} is improper: it predicts nothing."
            if improper
            else "The model has no observed site.",
        )
        return figure
    names = choose_variables(data, get_group(tree, "observed_data"), options.get("data", {}))
    site = names.site if names else next(iter(predictive.data_vars))
    values = predictive[site].transpose("chain", "draw", ...)
    draws = values.values.reshape(values.sizes["chain"] * values.sizes["draw"], -1).astype(float)
    observed = get_group(tree, "observed_data")[site].values.ravel()
    horizontal = data[names.x].values if names and names.x else np.arange(draws.shape[1])
    order = np.argsort(horizontal, kind="stable")
    chosen = np.linspace(0, len(draws) - 1, min(max(options["lines"], 1), len(draws))).astype(int)
    curve, prior = load_curve(settings["figure"]["curve"]), get_group(tree, "prior")
    sites = list_curve_sites(curve) if curve and names and names.x else []
    if sites and all(name in prior and prior[name].ndim == 2 for name in sites):
        grid = np.linspace(horizontal.min(), horizontal.max(), 50)
        curves = curve(
            grid,
            *(
                prior[name].transpose("chain", "draw").values.reshape(-1)[chosen, None]
                for name in sites
            ),
        )
        left.plot(
            grid,
            np.broadcast_to(curves, (chosen.size, grid.size)).T,
            "-",
            color=MODEL_COLOUR,
            lw=0.6,
            alpha=0.5,
        )
        left.plot([], [], "-", color=MODEL_COLOUR, label=f"{chosen.size} prior draws of the curve")
    else:
        left.plot(
            horizontal[order],
            draws[chosen].T[order],
            ".",
            ms=2,
            color=MODEL_COLOUR,
            alpha=0.35,
            rasterized=True,
        )
        left.plot([], [], ".", color=MODEL_COLOUR, label=f"{chosen.size} prior draws")
    left.plot(horizontal, observed, "o", ms=3.5, color=DATA_COLOUR, label="data")
    left.set_xlabel(
        make_label(names.x, data[names.x], options) if names and names.x else "number of the point"
    )
    left.set_ylabel(make_label(site, values, options))

    finite = draws[np.isfinite(draws)]
    low, high = np.quantile(finite, [0.005, 0.995])
    low, high = min(low, observed.min()), max(high, observed.max())
    high = high if high > low else low + 1
    edges = np.linspace(low, high, 41)
    right.hist(
        finite,
        edges,
        density=True,
        color=MODEL_COLOUR,
        alpha=0.55,
        orientation="horizontal",
        label="prior predictive",
    )
    right.plot(
        np.zeros(observed.size), observed, "_", color=DATA_COLOUR, ms=14, mew=1, clip_on=False
    )
    bounds = settings["bounds"].get(site) or settings["bounds"].get(names.y if names else site)
    for axes in (left, right):
        if bounds:
            axes.axhline(bounds[0], color=ORANGE, ls=":", lw=1.5, label="bounds of the study")
            axes.axhline(bounds[1], color=ORANGE, ls=":", lw=1.5)
    span = [low, high, *(bounds or [])]
    margin = 0.04 * (max(span) - min(span))
    for axes in (left, right):
        axes.set_ylim(min(span) - margin, max(span) + margin)
    right.set_xlabel("density")
    right.set_xticks([])
    right.tick_params(labelleft=False)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure
