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
        marks = [float(truth[site])] if site in truth else []
        marks += [float(point[site]) for point in points.values()]
        low, high = _choose_range(site, exact.values, marks)
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
            height = (0.93 if fit == "mle" else 0.84) * top
            look = {"color": colour, "ls": dashes, "lw": 1.6, "marker": marker, "ms": 7}
            axes.plot([value, value], [0, height], markevery=[1], label=fit, zorder=5, **look)
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


def _choose_range(site: str, draws: np.ndarray, marks: list[float]) -> tuple[float, float]:
    """Return the limits of an axis, which include all marks and most draws."""
    low, high = np.quantile(draws, [0.002, 0.995])
    low = min(low, *marks)
    high = max(high, *marks)
    if site in POSITIVE and low < 0.2 * high:
        return 0.0, high  # the boundary is near, and a bin begins there
    return low, high


def _density(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the density of draws in each bin.

    Draws beyond the edges count, so that curves can be compared.
    """
    return np.histogram(values, edges)[0] / values.size / np.diff(edges)
