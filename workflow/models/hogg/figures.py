"""The curve of these models, and two custom figures."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import PolyCollection

from posterity.artefact.groups import get_group
from posterity.plots.data import draw_band
from posterity.plots.style import DATA_COLOUR, MODEL_COLOUR, TRUTH_COLOUR, make_label


def curve(x, m, b):
    """Return y on the line at x."""
    return m * x + b


def membership(artefacts, settings):
    """
    The outliers that the mixture finds. The colour of a point is its posterior probability of being
    an outlier, the mean of `p_outlier`. Points above one half carry their id, or row in the table.
    The band is the interval of the line.
    """
    options = settings["options"]
    data, posterior = (
        get_group(artefacts["data"], "data"),
        get_group(artefacts["posterior"], "posterior"),
    )
    probability = posterior["p_outlier"].mean(("chain", "draw")).values
    x, y, e = (data[name].values for name in ("x", "y", "e"))
    ids = data["id"].values if "id" in data else data["row"].values
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), width_ratios=(1.5, 1))

    draw_band(left, np.linspace(x.min(), x.max(), 200), curve, posterior, options | {"lines": 0})
    left.errorbar(x, y, e, fmt="none", lw=1, color="0.4", zorder=4)
    points = left.scatter(
        x,
        y,
        c=probability,
        s=45,
        cmap="cividis",
        vmin=0,
        vmax=1,
        edgecolors="black",
        lw=0.6,
        zorder=5,
    )
    for i in np.flatnonzero(probability > 0.5):
        left.annotate(
            f"{ids[i]}",
            (x[i], y[i]),
            xytext=(7, 5),
            textcoords="offset points",
            fontweight="bold",
            color=TRUTH_COLOUR,
        )
    left.set_xlabel(make_label("x", data["x"], options))
    left.set_ylabel(make_label("y", data["y"], options))
    left.legend(loc="lower right")
    figure.colorbar(points, ax=left, label="probability of being an outlier", pad=0.02)

    order = np.argsort(-probability, kind="stable")
    colours = [TRUTH_COLOUR if probability[i] > 0.5 else MODEL_COLOUR for i in order]
    right.barh(range(len(order)), probability[order], color=colours)
    right.axvline(0.5, color="0.4", ls=":", lw=1.2)
    for row, i in enumerate(order):
        is_inside = probability[i] > 0.85
        text = f"{probability[i]:.2f}" if probability[i] < 0.995 else "> 0.99"
        place = probability[i] + (-0.02 if is_inside else 0.02)
        look = {"ha": "right", "color": "white"} if is_inside else {"ha": "left", "color": "black"}
        right.text(place, row, text, va="center", fontsize=7, **look)
    right.set_yticks(range(len(order)), [str(ids[i]) for i in order], fontsize=7)
    right.set_ylim(len(order) - 0.4, -0.6)
    right.set_xlim(0, 1)
    right.set_xlabel("probability of being an outlier")
    right.set_ylabel("id of the point" if "id" in data else "row")
    return figure


def ellipses(artefacts, settings):
    """
    Each point with the ellipse of its errors in x and y, and the interval of the line. An ellipse
    is 1 sigma, which holds 39 % of a Gaussian in two dimensions. In a model with outliers, colour
    is the posterior probability of being an outlier; points above one half carry their id, or row
    in the table.
    """
    options = settings["options"]
    data, posterior = (
        get_group(artefacts["data"], "data"),
        get_group(artefacts["posterior"], "posterior"),
    )
    x, y, e_x, e_y, rho = (data[name].values for name in ("x", "y", "e_x", "e", "rho"))
    ids = data["id"].values if "id" in data else data["row"].values
    around = np.linspace(0, 2 * np.pi, 73)[:-1, None]
    outlines = np.stack(  # by the Cholesky factor of each covariance
        [
            x + e_x * np.cos(around),
            y + e_y * (rho * np.cos(around) + np.sqrt(1 - rho**2) * np.sin(around)),
        ],
        axis=-1,
    )
    mixed = "p_outlier" in posterior
    figure, axes = plt.subplots(figsize=(7.2 if mixed else 6.2, 4.8))
    grid = np.linspace((x - e_x).min() - 10, (x + e_x).max() + 10, 200)
    draw_band(axes, grid, curve, posterior, options | {"lines": 0})
    look = {"edgecolors": "black", "linewidths": 0.8, "alpha": 0.7, "zorder": 4}
    if mixed:
        probability = posterior["p_outlier"].mean(("chain", "draw")).values
        drawn = PolyCollection(
            outlines.swapaxes(0, 1), array=probability, cmap="cividis", clim=(0, 1), **look
        )
        figure.colorbar(drawn, ax=axes, label="probability of being an outlier", pad=0.02)
        for i in np.flatnonzero(probability > 0.5):
            place = {
                "xytext": (7, 7),
                "textcoords": "offset points",
                "fontweight": "bold",
                "color": TRUTH_COLOUR,
            }
            axes.annotate(f"{ids[i]}", (x[i], y[i] + e_y[i]), **place)
    else:
        drawn = PolyCollection(outlines.swapaxes(0, 1), facecolors="0.85", **look)
    axes.add_collection(drawn)
    dark = probability < 0.5 if mixed else np.zeros(x.size, dtype=bool)
    axes.scatter(x, y, s=5, c=np.where(dark, "white", DATA_COLOUR), lw=0, zorder=5)
    axes.plot(
        [], [], "o", ms=9, mfc="0.85", mec="black", mew=0.8, label="data, with 1 sigma ellipses"
    )
    axes.set_xlim(grid[0], grid[-1])
    axes.set_ylim(min(0, (y - e_y).min() - 20), (y + e_y).max() + 30)
    axes.set_xlabel(make_label("x", data["x"], options))
    axes.set_ylabel(make_label("y", data["y"], options))
    axes.legend(loc="lower right")
    return figure
