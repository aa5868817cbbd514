"""The loss of an optimisation: has it come to rest?"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from posterity.artefact.groups import get_group
from posterity.diagnostics.approximation import find_averaging_windows
from posterity.plots.style import MODEL_COLOUR, ORANGE, PALE_BLUE

MAX_POINTS = 600  # at most, of the curve


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """Draw the loss against the step: all of it, and once more without the first steps, with the windows of the check."""
    optimisation = get_group(artefacts["posterior"], "optimisation")
    losses, steps = optimisation["loss"].values, optimisation["step"].values
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4))
    for axes in (left, right):
        axes.set_xlabel("step")
    left.set_ylabel("loss: minus the evidence bound (nats)")
    left.plot(*_average_blocks(steps, losses), color=MODEL_COLOUR, lw=1)
    low, middle, high = np.nanquantile(losses, [0, 0.5, 1])
    if (
        np.isfinite([low, high]).all() and high - low > 50 and high - middle > 20 * (middle - low)
    ):  # a fall, and not mere noise
        left.set_yscale("symlog", linthresh=max(10.0, abs(float(low)) * 1.5))
    left.set_title("all steps")
    first, second, end = find_averaging_windows(optimisation)
    begin = len(losses) // 5
    right.plot(
        *_average_blocks(steps[begin:], losses[begin:]),
        color=PALE_BLUE,
        lw=1,
        label="loss, averaged",
    )
    for window, colour, text in (
        (slice(first, second), ORANGE, f"mean of steps {first} to {second}"),
        (slice(second, end), MODEL_COLOUR, f"mean of steps {second} to {end}"),
    ):
        if len(losses[window]):
            right.hlines(
                losses[window].mean(),
                steps[window][0],
                steps[window][-1],
                color=colour,
                lw=2.5,
                label=text,
            )
    tail = losses[first:]
    if np.isfinite(tail).all():
        middle, spread = np.median(tail), np.quantile(np.abs(tail - np.median(tail)), 0.98)
        right.set_ylim(middle - 1.3 * spread - 1e-3, middle + 2.5 * spread + 1e-3)
    right.set_title("without the first fifth of the steps")
    right.legend(loc="upper right", fontsize=8)
    return figure


def _average_blocks(steps: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average neighbouring steps, so that few enough points are left."""
    size = max(1, len(losses) // MAX_POINTS)
    used = len(losses) // size * size
    return steps[:used].reshape(-1, size).mean(1), losses[:used].reshape(-1, size).mean(1)
