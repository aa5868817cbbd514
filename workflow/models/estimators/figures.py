"""The estimates of each parameter by five methods."""

import matplotlib.pyplot as plt
import numpy as np

from posterity.artefact.groups import get_group
from posterity.plots.style import BLACK, GREEN, ORANGE, PALE_BLUE, PURPLE, TRUTH_COLOUR, make_label

BINS = 45
SITES = ("b", "w", "sigma")
POSITIVE = ("w", "sigma")
LINES = {"laplace": (ORANGE, "-"), "svi": (GREEN, "-")}
POINTS = {"mle": (PURPLE, (0, (1, 1)), "v"), "map": (BLACK, (0, (4, 2)), "^")}


def curve(u, b, w):
    """Return the mean of y at u."""
    return b + w * u


def estimates(artefacts, settings):
    """
    The posterior of each parameter by three methods, and the two point estimates. Filled: nuts,
    with which the others should agree. Dotted, triangle down: mle. Dashed, triangle up: map. Red:
    the truth. A point at a boundary or in the tail of a skewed posterior summarises it badly.
    """
    options = settings["options"]
    data, truth = get_group(artefacts["data"], "data"), get_group(artefacts["data"], "truth")
    trees = {tree.attrs["fit"]: tree for tree in artefacts["posteriors"]}
    draws = {
        fit: get_group(tree, "posterior")
        for fit, tree in trees.items()
        if "posterior" in tree.children
    }
    points = {
        fit: get_group(tree, "point") for fit, tree in trees.items() if "point" in tree.children
    }
    figure, panels = plt.subplots(1, len(SITES), figsize=(9.5, 3.6))
    for site, axes in zip(SITES, panels, strict=True):
        exact = draws["nuts"][site]
        low, high = np.quantile(exact, [0.002, 0.995])
        marks = [float(truth[site])] if site in truth else []
        marks += [float(point[site]) for point in points.values()]
        low, high = min(low, *marks), max(high, *marks)
        if site in POSITIVE and low < 0.2 * high:
            low = 0.0  # the boundary is near, and a bin begins there
        margin = 0.04 * (high - low)
        edges = np.linspace(low, high + margin, BINS + 1)
        density = _density(exact.values, edges)
        axes.stairs(density, edges, fill=True, color=PALE_BLUE, label="nuts")
        for fit, (colour, dashes) in LINES.items():
            axes.stairs(
                _density(draws[fit][site].values, edges),
                edges,
                color=colour,
                ls=dashes,
                lw=1.5,
                label=fit,
            )
        top = 1.45 * density.max()
        for fit, (colour, dashes, marker) in POINTS.items():
            value = float(points[fit][site])
            line, top_of_line = [value, value], [0, (0.93 if fit == "mle" else 0.84) * top]
            axes.plot(
                line,
                top_of_line,
                color=colour,
                ls=dashes,
                lw=1.6,
                marker=marker,
                markevery=[1],
                ms=7,
                label=fit,
                zorder=5,
            )
        if site in truth:
            axes.axvline(float(truth[site]), color=TRUTH_COLOUR, lw=1.4, label="truth", zorder=3)
        axes.set_ylim(0, top)
        axes.set_xlim(edges[0] - margin, edges[-1])
        axes.set_yticks([])
        axes.set_xlabel(make_label(site, exact, options))
    panels[0].set_ylabel("density")
    panels[0].set_title(f"{data['y'].size} points")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=6)
    return figure


def _density(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the density of draws in each bin.

    Draws beyond the edges count, so that curves can be compared.
    """
    return np.histogram(values, edges)[0] / values.size / np.diff(edges)
