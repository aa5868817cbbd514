"""The draws of several fits, and the probability of each island in each fit."""

import matplotlib.pyplot as plt
import numpy as np

from posterity.artefact.groups import get_group
from posterity.plots.style import COLOUR_CYCLE

SD, WEIGHTS = 0.25, np.array([2.0, 2.0, 2.0, 1.0])
CENTRES = np.sqrt(2) * np.array([[-1.5, 0.0], [0.0, 1.5], [0.0, -1.5], [1.5, 0.0]])
SHOWN = 400  # draws of each chain
EDGE = 4.1


def islands(artefacts, settings):
    """
    Draws of each fit. Contours enclose 39, 86 and 98.9 % of each island (1, 2 and 3 sigma). Numbers
    are the fraction of draws on an island, and the exact one. Each chain has its colour and marker.
    """
    fits = artefacts["posteriors"]
    figure, panels = plt.subplots(
        1, len(fits), figsize=(4.6 * len(fits), 4.7), sharey=True, squeeze=False
    )
    grid = np.linspace(-EDGE, EDGE, 301)
    for axes, tree in zip(panels[0], fits, strict=True):
        draws = get_group(tree, "posterior")["x"].transpose("chain", "draw", ...).values
        for number, chain in enumerate(draws):
            chosen = chain[
                np.linspace(0, len(chain) - 1, min(len(chain), 4 * SHOWN // len(draws))).astype(int)
            ]
            label = f"chain {number + 1}" if len(draws) > 1 else "draws"
            axes.plot(
                *chosen.T,
                "os^Dv"[number % 5],
                ms=2.2,
                mew=0,
                alpha=0.6,
                color=COLOUR_CYCLE[number % 6],
                label=label,
                rasterized=True,
            )
        nearest = np.linalg.norm(draws.reshape(-1, 1, 2) - CENTRES, axis=2).argmin(axis=1)
        shares = np.bincount(nearest, minlength=len(CENTRES)) / nearest.size
        for centre, share, exact in zip(CENTRES, shares, WEIGHTS / WEIGHTS.sum(), strict=True):
            distance = np.hypot(*np.meshgrid(grid - centre[0], grid - centre[1])) / SD
            axes.contour(grid, grid, distance, levels=[1, 2, 3], colors="0.35", linewidths=0.7)
            above = centre[1] > -1
            text = f"found {share:.3f}\nexact {exact:.3f}"
            axes.text(
                centre[0],
                centre[1] + (3.9 if above else -3.9) * SD,
                text,
                ha="center",
                va="bottom" if above else "top",
                fontsize=9,
            )
        size = f"{draws.shape[1]:,} draws"
        size = f"{len(draws)} chains of {size}" if len(draws) > 1 else f"{size}, independent"
        axes.set_title(f"{tree.attrs['fit']}: {size}")
        axes.set_xlim(-EDGE, EDGE)
        axes.set_ylim(-EDGE, EDGE)
        axes.set_aspect("equal")
        axes.set_xlabel("x[0]")
        axes.legend(
            loc="lower left", fontsize=8, markerscale=2.5, handletextpad=0.2, borderaxespad=0.1
        )
    panels[0, 0].set_ylabel("x[1]")
    return figure
