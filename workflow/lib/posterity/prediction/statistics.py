"""Test statistics of predictions and of the data."""

import numpy as np

TEST_STATISTICS = ("mean", "sd", "smallest", "largest", "deviance", "worst point")


def compute_test_statistics(values: np.ndarray, log_likelihood: np.ndarray) -> np.ndarray:
    """
    Return the test statistics of an observed site, in the order of `TEST_STATISTICS`.

    The deviance is -2 sum log p(y|theta), and the worst point the largest -2 log p(y_i|theta). Both
    depend on the parameters, so predictions and data are compared at the same draw (Gelman, Meng &
    Stern 1996, Statistica Sinica 6, 733, section 2.2).

    Parameters
    ----------
    values : array
        Predictions, shape (draws, ...), or data, shape (1, ...).
    log_likelihood : array
        Log-likelihood of each value at each draw, shape (draws, ...).

    Returns
    -------
    array
        Shape (draws, statistic).
    """
    draws = len(log_likelihood)
    y = np.broadcast_to(values, (draws, *values.shape[1:])).reshape(draws, -1).astype(float)
    score = -2 * log_likelihood.reshape(draws, -1)
    return np.stack([y.mean(1), y.std(1), y.min(1), y.max(1), score.sum(1), score.max(1)], axis=1)
