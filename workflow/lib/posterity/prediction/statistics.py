"""Test statistics of predictions and data."""

import numpy as np

TEST_STATISTICS = ("mean", "sd", "smallest", "largest", "deviance", "worst point")


def compute_test_statistics(values: np.ndarray, log_likelihood: np.ndarray) -> np.ndarray:
    """
    Compute the test statistics of one observed variable: shape (draws, ...) in, (draws, 6) out, in the order of `STATISTICS`.

    The deviance is -2 sum log p(y|theta) and the worst point the largest -2 log p(y_i|theta): discrepancies that depend on the
    parameters, compared at the same draw (Gelman, Meng & Stern 1996, Statistica Sinica 6, 733, section 2.2).
    """
    draws = len(log_likelihood)
    y = np.broadcast_to(values, (draws, *values.shape[1:])).reshape(draws, -1).astype(float)
    score = -2 * log_likelihood.reshape(draws, -1)
    return np.stack([y.mean(1), y.std(1), y.min(1), y.max(1), score.sum(1), score.max(1)], axis=1)
