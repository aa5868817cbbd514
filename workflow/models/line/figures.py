"""The curve of a straight line, and two custom figures."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize

from posterity.artefact.groups import get_group
from posterity.plots.style import DATA_COLOUR, MODEL_COLOUR, TRUTH_COLOUR, make_label

OFFSETS = np.linspace(-2, 2, 11)  # of the trial lines from the true one
STEEPEST = 20  # gradient of the steepest of the ten lines
LINES = 10
FAINT = "#E4EEF5"  # colour of lines that the data exclude


def curve(x, m, c):
    """Return y on the line at x, as figures draw it through the data."""
    return m * x + c


def trials(artefacts, settings):
    """
    Trial lines with the true slope and several intercepts. Left: all alike; right: faded by
    likelihood.

    The likelihood follows from the error bars and is relative to that of the best trial.
    """
    options = settings["options"]
    data, truth = get_group(artefacts["data"], "data"), get_group(artefacts["data"], "truth")
    x, y, e = (data[name].values for name in ("x", "y", "e"))
    m, c = float(truth["m"]), float(truth["c"]) + OFFSETS
    log_likelihood = -0.5 * (((y - curve(x, m, c[:, None])) / e) ** 2).sum(1)
    likelihood = np.exp(log_likelihood - log_likelihood.max())
    shades = LinearSegmentedColormap.from_list("faded", [FAINT, MODEL_COLOUR])
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), sharex=True, sharey=True)
    grid = np.array([x.min(), x.max()])
    for i in np.argsort(likelihood):  # the likely ones above the others
        left.plot(grid, curve(grid, m, c[i]), color=MODEL_COLOUR, lw=1)
        right.plot(grid, curve(grid, m, c[i]), color=shades(likelihood[i]), lw=1.6)
    left.plot([], [], color=MODEL_COLOUR, lw=1, label=f"{c.size} trial lines of the true slope")
    for axes in (left, right):
        axes.errorbar(x, y, e, fmt="o", ms=3, lw=0.8, color=DATA_COLOUR, label="data", zorder=3)
        axes.plot(
            grid,
            curve(grid, m, float(truth["c"])),
            "--",
            color=TRUTH_COLOUR,
            lw=1.2,
            label="truth",
            zorder=4,
        )
        axes.set_xlabel(make_label("x", data["x"], options))
    left.set_ylabel(make_label("y", data["y"], options))
    left.legend(loc="upper left")
    left.set_title("trials")
    right.set_title("the same, faded by their likelihood")
    figure.colorbar(
        ScalarMappable(Normalize(0, 1), shades),
        ax=right,
        label="likelihood / that of the best trial",
        pad=0.02,
    )
    return figure


def angles(artefacts, settings):
    """
    The directions that a flat prior on the gradient prefers. Above: ten gradients evenly spaced
    from 0 to 20; below: ten angles evenly spaced.

    The lines go through the true intercept, and the angles reach that of the steepest gradient.
    Evenly spaced gradients crowd at steep lines.
    """
    options = settings["options"]
    data, truth = get_group(artefacts["data"], "data"), get_group(artefacts["data"], "truth")
    gradients = np.linspace(0, STEEPEST, LINES)
    even = {
        f"{LINES} lines, even in the gradient": gradients,
        f"{LINES} lines, even in the angle": np.tan(np.linspace(0, np.arctan(STEEPEST), LINES)),
    }
    figure, panels = plt.subplots(2, 1, figsize=(5, 6.6), sharex=True, sharey=True)
    for axes, (title, slopes) in zip(panels, even.items(), strict=True):
        axes.errorbar(
            data["x"],
            data["y"],
            data["e"],
            fmt="o",
            ms=3,
            lw=0.8,
            color=DATA_COLOUR,
            label="data",
            zorder=3,
        )
        for slope in slopes:
            axes.axline((0, float(truth["c"])), slope=slope, color=MODEL_COLOUR, lw=1.2)
        axes.set_title(title)
        axes.set_ylabel(make_label("y", data["y"], options))
    panels[0].set_xlim(-0.3, float(data["x"].max()) + 0.5)
    panels[0].set_ylim(0, 30)
    panels[0].legend(loc="lower right")
    panels[1].set_xlabel(make_label("x", data["x"], options))
    return figure
