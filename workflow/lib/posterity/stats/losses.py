"""Has a noisy loss come to rest?"""

import numpy as np

ERROR_BLOCKS = 20  # of a window of losses, for its Monte Carlo error


def find_last_fifths(steps: int) -> tuple[int, int]:
    """Find where the fourth and the last fifth of some steps begin."""
    return int(0.6 * steps), int(0.8 * steps)


def compute_decrease(losses: np.ndarray) -> tuple[float, float, float]:
    """
    Compare the mean loss of the last fifth of some steps with that of the fifth before.

    Returns by how much it fell, the Monte Carlo error of that (from means of blocks, as the losses are correlated), and the mean of
    the last fifth, in nats.
    """
    first, second = find_last_fifths(len(losses))
    (before, error_before), (after, error_after) = (
        _mean_and_error(losses[first:second]),
        _mean_and_error(losses[second:]),
    )
    return before - after, float(np.hypot(error_before, error_after)), after


def has_converged(losses: np.ndarray, tolerance: float) -> bool:
    """Tell whether the loss falls by less than a tolerance, and that this can be seen above the noise."""
    fell, error, _ = compute_decrease(losses)
    return bool(abs(fell) + 3 * error < tolerance)


def _mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """The mean of correlated values and its standard error."""
    if len(values) < 2 * ERROR_BLOCKS:
        return float(np.mean(values)) if len(values) else np.nan, np.inf
    blocks = np.array([block.mean() for block in np.array_split(values, ERROR_BLOCKS)])
    return float(values.mean()), float(blocks.std(ddof=1) / np.sqrt(ERROR_BLOCKS))
