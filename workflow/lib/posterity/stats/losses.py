"""Convergence test for a noisy loss."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ERROR_BLOCKS = 20  # blocks whose means give the Monte Carlo error of a window
FOURTH_FIFTH = 0.6  # where the fourth fifth begins, as a fraction of the steps
LAST_FIFTH = 0.8
NOISE_STANDARD_ERRORS = 3


class LossDecrease(NamedTuple):
    """The decrease of the mean loss, its Monte Carlo error, and the last mean, in nats."""

    decrease: float
    error: float
    last_mean: float


def find_last_fifths(steps: int) -> tuple[int, int]:
    """Return the first steps of the fourth and of the last fifth."""
    return int(FOURTH_FIFTH * steps), int(LAST_FIFTH * steps)


def compute_decrease(losses: NDArray[np.float64]) -> LossDecrease:
    """
    Compare the mean loss of the last fifth of the steps with that of the fourth fifth.

    The Monte Carlo error comes from means of blocks, as successive losses are correlated.
    """
    first, second = find_last_fifths(len(losses))
    earlier_mean, earlier_error = _compute_mean_and_error(losses[first:second])
    last_mean, last_error = _compute_mean_and_error(losses[second:])
    error = float(np.hypot(earlier_error, last_error))
    return LossDecrease(earlier_mean - last_mean, error, last_mean)


def has_converged(losses: NDArray[np.float64], tolerance: float) -> bool:
    """Return whether the loss changes by less than the tolerance (nats), noise included."""
    change = compute_decrease(losses)
    return bool(abs(change.decrease) + NOISE_STANDARD_ERRORS * change.error < tolerance)


def _compute_mean_and_error(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean of correlated values and its standard error; infinite for too few."""
    if not len(values):
        return np.nan, np.inf
    if len(values) < 2 * ERROR_BLOCKS:
        return float(np.mean(values)), np.inf
    blocks = np.array_split(values, ERROR_BLOCKS)
    means = np.array([block.mean() for block in blocks])
    return float(values.mean()), float(means.std(ddof=1) / np.sqrt(ERROR_BLOCKS))
