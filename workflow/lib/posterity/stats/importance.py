"""Importance weights: Pareto k-hat, smoothing, and power scaling."""

import numpy as np

from posterity.stats.arviz_bridge import import_array_stats


def compute_pareto_k(log_weights: np.ndarray) -> float:
    """
    Compute the Pareto k-hat of importance weights, shape (draw,) (Vehtari et al. 2024, JMLR 25, 72, section 3.2).

    Weights that do not differ have 0; weights that are not finite, or too few for a tail (a fifth of them, five at least), have
    infinity.
    """
    if log_weights.size < 25 or not np.isfinite(log_weights).all():
        return np.inf
    if np.ptp(log_weights) < 1e-9:
        return 0.0
    value = float(
        import_array_stats().psislw(-log_weights)[1]
    )  # ArviZ takes the logarithms of the densities that are divided by
    return np.inf if np.isnan(value) else value


def smooth_log_weights(log_weights: np.ndarray) -> np.ndarray:
    """Smooth the largest of importance weights, shape (draw,), by a Pareto distribution; returns normalised logarithms."""
    return np.asarray(import_array_stats().psislw(-log_weights)[0])


def compute_power_scaling(draws: np.ndarray, log_density: np.ndarray) -> np.ndarray:
    """
    Compute by how much the posterior moves when a part of its density is raised to a power near 1 (0.99 and 1.01).

    `draws` has shape (scalar, chain, draw) and `log_density`, of prior or likelihood, (chain, draw). Returns the gradient of the
    cumulative Jensen-Shannon distance for each scalar (Kallioinen et al. 2024, Statistics and Computing 34, 57, section 3). A
    density that is the same everywhere moves nothing: zeros.
    """
    if not len(draws) or np.ptp(log_density) < 1e-9 * max(1.0, float(np.abs(log_density).max())):
        return np.zeros(len(draws))
    alphas = (0.99, 1.01)
    weights = []
    for alpha in alphas:
        raw = np.exp(import_array_stats().power_scale_lw(log_density, alpha=alpha, axis=(-2, -1)))
        weights.append(raw / raw.sum())
    moved = [import_array_stats().power_scale_sense(one, *weights, *alphas) for one in draws]
    return np.array(moved, dtype=float)
