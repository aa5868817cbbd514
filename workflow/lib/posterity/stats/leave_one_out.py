"""
Leave-one-out cross-validation by Pareto-smoothed importance sampling (PSIS-LOO).

Sources: Vehtari, Gelman & Gabry 2017, Statistics and Computing 27, 1413 (the method); Vehtari et
al. 2024, JMLR 25, 72 (smoothing and k-hat); Magnusson et al. 2019, PMLR 97, 4244, section 2.3
(draws of an approximation).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posterity.stats.arviz_bridge import import_array_stats
from posterity.stats.effective_size import compute_ess

FloatArray = NDArray[np.float64]

MIN_LOO_DRAWS = 25  # the fewest with which ArviZ can fit the tail of importance weights
MIN_LOO_POINTS = 2
CONSTANT_NATS = 1e-6  # a log-likelihood that changes less over the draws is constant
MAX_GOOD_K = 0.7  # with many draws; Vehtari et al. 2024, section 3.2.4
BLOCK_NUMBERS = 2_000_000  # log-likelihoods that are smoothed at once: bounds the memory
MIN_TAIL_ESS = 225  # with fewer effective draws the tail is a fifth of them
# Prior of the shape of a tail: so many values with this shape
PRIOR_VALUES = 10
PRIOR_SHAPE = 0.5


class PointwiseLoo(NamedTuple):
    """
    PSIS-LOO of each point, arrays of shape (point,).

    Attributes
    ----------
    elpd : array
        Log predictive density of the point, given all others, in nats.
    lpd : array
        Log predictive density of the point, given all, in nats.
    pareto_k : array
        Pareto k-hat of the importance weights; infinite if it cannot be estimated.
    pit : array
        Probability integral transform of the point, given all others; NaN if it is unknown.
    mcse : array
        Monte Carlo error of `elpd`, in nats (Vehtari et al. 2024, section 3.2.5).
    """

    elpd: FloatArray
    lpd: FloatArray
    pareto_k: FloatArray
    pit: FloatArray
    mcse: FloatArray


def compute_good_k(draws: int) -> float:
    """Return the largest k-hat with which this many draws suffice (Vehtari et al. 2024, eq. 13)."""
    return float(min(1 - 1 / np.log10(draws), MAX_GOOD_K))


def require_loo_inputs(likelihood: NDArray[np.floating]) -> None:
    """
    Raise ValueError if PSIS-LOO does not apply to log-likelihoods of shape (draw, point).

    It needs 2 points and 25 draws at least, and finite values.
    """
    draws, points = likelihood.shape
    if points < MIN_LOO_POINTS:
        raise ValueError(
            f"leave-one-out needs at least {MIN_LOO_POINTS} observations, and the model has 1"
        )
    infinite_points = int((~np.isfinite(likelihood)).any(0).sum())
    if infinite_points:
        raise ValueError(
            f"the log-likelihood of {infinite_points} of {points} observations is not finite at "
            "some draws"
        )
    if draws < MIN_LOO_DRAWS:
        raise ValueError(
            f"{draws} draws are too few for importance sampling (at least {MIN_LOO_DRAWS})"
        )


def compute_relative_efficiency(draws: FloatArray) -> float:
    """
    Return the mean ESS of means over scalars, as a fraction of the draws.

    `draws` has shape (scalar, chain, draw). As in ArviZ, it is 1 for a single chain.
    """
    if not len(draws) or draws.shape[1] == 1:
        return 1.0
    ess = compute_ess(draws)
    ess = ess[np.isfinite(ess)]
    return float(ess.mean() / (draws.shape[1] * draws.shape[2])) if ess.size else 1.0


def compute_pointwise_loo(
    likelihood: NDArray[np.floating],
    observed: FloatArray,
    replicated: NDArray[np.number],
    efficiency: float,
    log_ratio: FloatArray | None,
    rng: np.random.Generator,
) -> PointwiseLoo:
    """
    Compute PSIS-LOO of each point.

    A point whose log-likelihood is constant needs no importance sampling: its elpd is exact, and
    its k-hat is 0.

    Parameters
    ----------
    likelihood : array, shape (draw, point)
        Log-likelihoods in nats, all finite.
    observed : array, shape (point,)
        Observed values.
    replicated : array, shape (draw, point)
        Predicted values.
    efficiency : float
        ESS of the draws as a fraction of their number.
    log_ratio : array, shape (draw,), or None
        Log density of the posterior minus that of the approximation that the draws come from.
    rng : numpy.random.Generator
        For randomised PIT values.

    Returns
    -------
    PointwiseLoo

    Raises
    ------
    ValueError
        If importance sampling overflows.
    """
    draws, points = likelihood.shape
    base = np.full(draws, -np.log(draws))
    if log_ratio is not None:
        base = smooth_log_ratios(log_ratio[None], 1.0)[0][0]
    size = max(1, BLOCK_NUMBERS // draws)
    blocks = []
    for begin in range(0, points, size):
        part = slice(begin, begin + size)
        density = np.ascontiguousarray(likelihood[:, part].T, dtype=float)
        log_weights, pareto_k = _weight_block(density, base, efficiency, log_ratio)
        elpd = sum_exponentials(density + log_weights)
        lpd = sum_exponentials(density + base)
        weights = np.exp(log_weights)
        deviation = weights * np.expm1(density - elpd[:, None])
        mcse = np.sqrt((deviation**2).sum(1) / efficiency)
        pit = compute_pit(observed[part], replicated[:, part].T, weights, rng)
        pit[(density == 0).all(1)] = np.nan  # a masked point: its value was not observed
        blocks.append((elpd, lpd, pareto_k, pit, mcse))
    result = PointwiseLoo(*(np.concatenate(column) for column in zip(*blocks, strict=True)))
    if not np.isfinite(result.elpd).all():
        raise ValueError(
            "importance sampling overflows: the log-likelihood changes too much over the draws"
        )
    return result


def _weight_block(
    density: FloatArray, base: FloatArray, efficiency: float, log_ratio: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Return smoothed log weights, shape (point, draw), and k-hat, shape (point,)."""
    log_weights = np.broadcast_to(base, density.shape).copy()
    pareto_k = np.zeros(len(density))
    changing = np.flatnonzero(np.ptp(density, axis=1) > CONSTANT_NATS)
    ratios = -density[changing] if log_ratio is None else log_ratio - density[changing]
    if changing.size:
        log_weights[changing], pareto_k[changing] = smooth_log_ratios(ratios, efficiency)
    return log_weights, pareto_k


def smooth_log_ratios(ratios: FloatArray, efficiency: float) -> tuple[FloatArray, FloatArray]:
    """
    Smooth the tails of log importance ratios, all rows at once.

    The values equal those of ArviZ's `psislw`, which takes one row at a time and five times as
    long. The fit of the generalised Pareto distribution is that of Zhang & Stephens 2009,
    Technometrics 51, 316, with the prior of Vehtari et al. 2024, appendix C.

    Parameters
    ----------
    ratios : array, shape (row, draw)
        Log ratios, finite, of at least 25 draws.
    efficiency : float
        ESS of the draws as a fraction of their number.

    Returns
    -------
    log_weights : array, shape (row, draw)
        Normalised, with a smoothed tail where it could be fitted.
    pareto_k : array, shape (row,)
        Shape of the tail; infinite where it could not be fitted. It is 0 if all weights of the tail
        are equal: then the weights are bounded, and often at the bound.
    """
    log_weights = ratios - ratios.max(axis=1, keepdims=True)
    draws = ratios.shape[1]
    count = _count_tail_draws(draws, efficiency)
    # The tail, and before it the largest value that does not belong to it
    chosen = np.argpartition(log_weights, draws - count - 1, axis=1)[:, draws - count - 1 :]
    values = np.take_along_axis(log_weights, chosen, axis=1)
    order = np.argsort(values, axis=1)
    chosen = np.take_along_axis(chosen, order, axis=1)
    values = np.take_along_axis(values, order, axis=1)
    cutoff = np.exp(values[:, :1])
    with np.errstate(all="ignore"):
        pareto_k, scale = fit_generalised_pareto(np.exp(values[:, 1:]) - cutoff)
        is_smooth = np.isfinite(pareto_k) & (scale > 0)
        steps = -np.log1p(-np.arange(0.5, count) / count)
        shape = pareto_k[:, None]
        excess = np.where(shape == 0, steps, np.expm1(shape * steps) / shape)
        smoothed = np.minimum(np.log(cutoff + scale[:, None] * excess), 0)
    smoothed = np.where(is_smooth[:, None], smoothed, values[:, 1:])
    np.put_along_axis(log_weights, chosen[:, 1:], smoothed, axis=1)
    is_equal = values[:, 1] == values[:, -1]
    pareto_k = np.where(is_equal, 0.0, np.where(np.isnan(pareto_k), np.inf, pareto_k))
    return log_weights - sum_exponentials(log_weights)[:, None], pareto_k


def _count_tail_draws(draws: int, efficiency: float) -> int:
    """Return the number of draws in the tail (Vehtari et al. 2024, section 3.2.2)."""
    if draws * efficiency > MIN_TAIL_ESS:
        return int(3 * (draws / efficiency) ** 0.5)
    return draws // 5


def fit_generalised_pareto(excess: FloatArray) -> tuple[FloatArray, FloatArray]:
    """
    Return shape and scale of generalised Pareto distributions, each of shape (row,).

    `excess` has sorted values above the cutoff, shape (row, value). NaN if a quarter of the values
    equals the smallest.
    """
    count = excess.shape[1]
    candidates = 30 + int(count**0.5)
    quartile = excess[:, int(count / 4 + 0.5) - 1]
    grid = 1 - np.sqrt(candidates / (np.arange(candidates) + 0.5))
    inverse = grid / (3 * quartile[:, None]) + 1 / excess[:, -1:]
    shapes = np.stack([np.log1p(-b[:, None] * excess).mean(1) for b in inverse.T], axis=1)
    profile = count * (np.log(-inverse / shapes) - shapes - 1)
    weights = np.exp(profile - sum_exponentials(profile)[:, None])
    weights = np.where(weights >= 10 * np.finfo(float).eps, weights, 0)
    inverse_mean = (inverse * weights).sum(1) / weights.sum(1)
    shape = np.log1p(-inverse_mean[:, None] * excess).mean(1)
    scale = -shape / inverse_mean
    shape = (count * shape + PRIOR_SHAPE * PRIOR_VALUES) / (count + PRIOR_VALUES)
    return np.where(quartile > excess[:, 0], shape, np.nan), scale


def sum_exponentials(values: FloatArray) -> FloatArray:
    """Return log(sum(exp(values))) over the last axis. SciPy's takes three times as long."""
    largest = values.max(axis=-1)
    total: FloatArray = np.log(np.exp(values - largest[..., None]).sum(-1)) + largest
    return total


def compute_pit(
    observed: FloatArray,
    replicated: NDArray[np.number],
    weights: FloatArray,
    rng: np.random.Generator,
) -> FloatArray:
    """
    Return randomised PIT values of observations among weighted predictions, shape (point,).

    The observation counts as one more draw, with the weight 1/ESS, and its share and that of equal
    predictions is split at random. Then values are uniform under equal distributions for any
    number of draws, and for discrete ones too (Czado, Gneiting & Held 2009, Biometrics 65, 1254).

    Parameters
    ----------
    observed : array, shape (point,)
        Observed values.
    replicated, weights : array, shape (point, draw)
        Predictions and their normalised weights. A point with a NaN has no PIT value.
    rng : numpy.random.Generator
        Source of the random split.
    """
    value = observed[:, None]
    below = (weights * (replicated < value)).sum(1)
    equal = (weights * (replicated == value)).sum(1)
    own = (weights**2).sum(1)
    pit = (below + rng.uniform(size=len(observed)) * (equal + own)) / (1 + own)
    is_unknown = np.isnan(observed) | np.isnan(replicated).any(1)
    return np.where(is_unknown, np.nan, np.minimum(pit, 1.0))


def compute_uniformity_p(pit: FloatArray, is_discrete: bool) -> float:
    """
    Return the p-value of PIT values, shape (point,), under the uniform distribution.

    The tests allow for the dependence of LOO-PIT values on each other: POT-C for continuous and
    PRIT-C for discrete observations (Tesso & Vehtari 2026, arXiv:2603.02928, section 3). NaN if
    there is no value.
    """
    known = pit[np.isfinite(pit)]
    if not known.size:
        return np.nan
    # At 0 and 1 the p-value of a single point is 0, whatever the resolution of the draws.
    known = np.clip(known, np.finfo(float).eps, 1 - np.finfo(float).eps)
    method = "prit_c" if is_discrete else "pot_c"
    return float(import_array_stats().uniformity_test(known, method=method)[0])


def compute_total(pointwise: FloatArray, points: int) -> tuple[float, float]:
    """
    Return the sum of a pointwise quantity and its standard error.

    `pointwise` has the values of evenly spaced points out of `points`; sum and error are scaled to
    all of them.
    """
    count = len(pointwise)
    scale = points / count
    error = np.sqrt(count * pointwise.var(ddof=1))
    return float(scale * pointwise.sum()), float(scale * error)
