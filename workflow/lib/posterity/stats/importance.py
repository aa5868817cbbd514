"""Importance weights: Pareto k-hat, smoothing and power scaling."""

import numpy as np
from numpy.typing import NDArray

from posterity.stats.arviz_bridge import import_array_stats

MIN_TAIL_WEIGHTS = 25  # a tail is a fifth of the weights, and a fit needs five
MAX_CONSTANT_RANGE = 1e-9  # log weights (nats) or relative log densities within it are constant
SCALING_POWERS = (0.99, 1.01)


def compute_pareto_k(log_weights: NDArray[np.float64]) -> float:
    """
    Return the Pareto k-hat of importance weights, shape (draw,).

    Equal weights have 0. Weights that are not finite, or too few for a tail, have infinity.
    Source: Vehtari et al. 2024, JMLR 25, 72, section 3.2.
    """
    if log_weights.size < MIN_TAIL_WEIGHTS or not np.isfinite(log_weights).all():
        return np.inf
    if np.ptp(log_weights) < MAX_CONSTANT_RANGE:
        return 0.0
    try:
        # ArviZ takes log-likelihoods, by which the weights divide: hence the sign.
        k_hat = float(import_array_stats().psislw(-log_weights)[1])
    except ValueError:  # all weights of the tail are equal: it is light
        return 0.0
    return np.inf if np.isnan(k_hat) else k_hat


def smooth_log_weights(log_weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return normalised log weights, shape (draw,), with a Pareto-smoothed tail.

    Weights that are too few or equal are not smoothed, since they have no tail.
    """
    if log_weights.size < MIN_TAIL_WEIGHTS or np.ptp(log_weights) < MAX_CONSTANT_RANGE:
        return np.asarray(log_weights - np.logaddexp.reduce(log_weights))
    try:
        return np.asarray(import_array_stats().psislw(-log_weights)[0])
    except ValueError:  # all weights of the tail are equal
        return np.asarray(log_weights - np.logaddexp.reduce(log_weights))


def compute_kish_size(log_weights: NDArray[np.float64]) -> float:
    """
    Return the effective size of weighted draws, (sum w)^2 / sum w^2, from log weights.

    Zero weights (minus infinity) are allowed. Without a finite weight, or with a weight that is
    not a number or infinite, the size is 0. Source: Kish 1965, Survey Sampling, section 8.2.
    """
    largest = log_weights.max(initial=-np.inf)
    if not np.isfinite(largest):
        return 0.0
    weights = np.exp(log_weights - largest)
    return float(weights.sum() ** 2 / (weights**2).sum())


def compute_power_scaling(
    draws: NDArray[np.float64], log_density: NDArray[np.float64]
) -> NDArray[np.float64]:
    """
    Return how much the posterior changes if a part of its density is raised to a power near 1.

    `draws` has shape (scalar, chain, draw), and `log_density` (of prior or likelihood) has shape
    (chain, draw). The result, shape (scalar,), is the gradient of the cumulative Jensen-Shannon
    distance between the powers 0.99 and 1.01 (Kallioinen et al. 2024, Statistics and Computing 34,
    57, section 3). A constant density changes nothing: zeros.
    """
    scale = max(1.0, float(np.abs(log_density).max())) if log_density.size else 1.0
    if not len(draws) or np.ptp(log_density) < MAX_CONSTANT_RANGE * scale:
        return np.zeros(len(draws))
    array_stats = import_array_stats()
    weights = []
    for power in SCALING_POWERS:
        log_weights = array_stats.power_scale_lw(log_density, alpha=power, axis=(-2, -1))
        raw_weights = np.exp(log_weights)
        weights.append(raw_weights / raw_weights.sum())
    sensitivities = [
        array_stats.power_scale_sense(scalar, *weights, *SCALING_POWERS) for scalar in draws
    ]
    return np.array(sensitivities, dtype=float)
