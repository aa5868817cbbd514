"""The loss of an optimisation, and whether it has converged."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from posterity.artefact.groups import get_group
from posterity.diagnostics.approximation import find_averaging_windows
from posterity.plots.style import MODEL_COLOUR, ORANGE, PALE_BLUE

MAX_POINTS = 600  # points of a curve; more steps are averaged in blocks
MIN_LOG_RANGE = 50  # nats between highest and lowest loss for a logarithmic axis
MIN_LOG_RATIO = 20  # ... and height above the median, relative to the depth below it


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """Return a figure of the loss against the step: all steps, and all but the first fifth.

    The second panel shows the two averages that the check `elbo_convergence` compares.
    """
    optimisation = get_group(artefacts["posterior"], "optimisation")
    losses = optimisation["loss"].values
    steps = optimisation["step"].values
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4))
    left.plot(*_average_blocks(steps, losses), color=MODEL_COLOUR, lw=1)
    left.set_xlabel("step")
    left.set_ylabel("loss: negative ELBO (nats)")
    left.set_title("all steps")
    set_loss_scale(left, losses)
    first, second, end = find_averaging_windows(optimisation)
    begin = len(losses) // 5
    means = _average_blocks(steps[begin:], losses[begin:])
    right.plot(*means, color=PALE_BLUE, lw=1, label="loss (block averages)")
    draw_window_mean(right, optimisation, (first, second), ORANGE)
    draw_window_mean(right, optimisation, (second, end), MODEL_COLOUR)
    tail = losses[first:]
    if tail.size and np.isfinite(tail).all():
        middle = np.median(tail)
        spread = np.quantile(np.abs(tail - middle), 0.98)
        right.set_ylim(middle - 1.3 * spread - 1e-3, middle + 2.5 * spread + 1e-3)
    right.set_xlabel("step")
    right.set_title("without the first fifth of the steps")
    right.legend(loc="upper right", fontsize=8)
    return figure


def set_loss_scale(axes: Axes, losses: np.ndarray) -> None:
    """Use a logarithmic axis if the loss falls by far more than its noise."""
    known = losses[~np.isnan(losses)]
    if not known.size or not np.isfinite(known).all():
        return
    low, middle, high = np.quantile(known, [0, 0.5, 1])
    if high - low > MIN_LOG_RANGE and high - middle > MIN_LOG_RATIO * (middle - low):
        axes.set_yscale("symlog", linthresh=max(10.0, abs(float(low)) * 1.5))


def draw_window_mean(
    axes: Axes, optimisation: xr.Dataset, window: tuple[int, int], colour: str
) -> None:
    """Draw the mean loss of a window of steps (begin, end) as a line over that window."""
    part = optimisation.isel(step=slice(*window))
    if not part.sizes["step"]:
        return
    steps = part["step"].values
    label = f"mean of steps {window[0]} to {window[1]}"
    look: dict[str, Any] = {"color": colour, "lw": 2.5, "label": label}
    axes.hlines(float(part["loss"].mean()), steps[0], steps[-1], **look)


def _average_blocks(steps: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return means of neighbouring steps and losses, at most twice `MAX_POINTS` of each."""
    size = max(1, len(losses) // MAX_POINTS)
    count = len(losses) // size * size
    return steps[:count].reshape(-1, size).mean(1), losses[:count].reshape(-1, size).mean(1)
