"""
Tails of draws: whether a scalar has a mean and an sd.

Vehtari, Simpson, Gelman, Yao & Gabry 2024, JMLR 25, 72, section 3.2.3.
"""

from collections.abc import Mapping
from statistics import NormalDist

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from posterity.stats.arviz_bridge import import_array_stats

MIN_TAIL_ESS = 100  # fewer effective draws do not determine the shape of a tail
LARGEST_SHAPE_WITH_SD = 0.5
FALSE_ALARM_RATE = 0.05  # of all scalars of a fit together
TAILS = 2
LARGEST_FRACTION = 2.0**53
LONG_TAIL_ESS = 225  # from here on, a tail has 3 sqrt(ESS) effective draws, below a fifth


def compute_tail_shapes(
    draws: NDArray[np.float64], ess_tail: NDArray[np.float64]
) -> NDArray[np.float64]:
    """
    Return the Pareto k-hat of the heavier tail of scalars, for draws (scalar, chain, draw).

    Moments of an order above 1 / k do not exist. NaN for a scalar with whole numbers only (its
    tails have no density), with draws in [0, 1] only (a probability has all moments), with draws
    that are not finite or never change, or with an effective size of its tails below 100.
    """
    scalars, chains, length = draws.shape
    pooled = draws.reshape(scalars, chains * length)
    efficiency = np.clip(ess_tail / pooled.shape[1], 0, 1) if pooled.shape[1] else ess_tail
    shapes = np.full(scalars, np.nan)
    for i in np.flatnonzero(ess_tail >= MIN_TAIL_ESS):
        is_bounded = pooled[i].min() >= 0 and pooled[i].max() <= 1
        if not is_bounded and not _is_discrete(pooled[i]) and np.isfinite(pooled[i]).all():
            shapes[i] = _fit_tails(draws[i], float(efficiency[i]))
    return shapes


def _is_discrete(draws: NDArray[np.float64]) -> bool:
    """Return whether all draws are whole numbers; larger ones than 2^53 have no fraction."""
    return bool((draws == np.round(draws)).all() and np.abs(draws).max() < LARGEST_FRACTION)


def _fit_tails(draws: NDArray[np.float64], efficiency: float) -> float:
    """Return the larger Pareto k-hat of two tails, draws of shape (chain, draw); NaN if none."""
    scale = np.abs(draws).max()
    try:
        shape = float(import_array_stats().pareto_khat(draws / scale, r_eff=efficiency))
    except ValueError:  # all draws of a tail are equal
        return np.nan
    return shape if np.isfinite(shape) else np.nan


def compute_shape_limit(ess_tail: NDArray[np.float64], scalars: int) -> NDArray[np.float64]:
    """
    Return how large the Pareto k-hat of a scalar that has an sd may be by chance.

    The limit is that of k = 1/2, where the sd ceases to exist, plus a quantile of the noise of
    k-hat, (1 + k) / sqrt(n) with n effective draws in the tail (Smith 1987, Annals of Statistics
    15, 1174), such that one of all tails exceeds it in 5 % of fits. In simulations of 4,000
    draws, at most 2 % of fits of t2 exceed it and none of a Gaussian, an exponential and t3 does.
    Of Cauchy draws 99.8 % exceed it with one scalar, and 93 % each with 100.

    Parameters
    ----------
    ess_tail : array, shape (scalar,)
        Effective sizes of the tails.
    scalars : int
        Number of scalars that are judged together.
    """
    size = np.where(ess_tail > LONG_TAIL_ESS, 3 * np.sqrt(ess_tail), ess_tail / 5)
    deviations = -NormalDist().inv_cdf(FALSE_ALARM_RATE / (TAILS * max(scalars, 1)))
    k = LARGEST_SHAPE_WITH_SD
    return np.asarray(k + deviations * (1 + k) / np.sqrt(np.maximum(size, 1)))


def find_heavy_tails(
    summary: xr.Dataset, draws: int, threshold: float | Mapping[str, float]
) -> NDArray[np.bool_]:
    """
    Return which scalars of a summary have tails too heavy for a mean and an sd.

    Their Pareto k-hat exceeds both the threshold and what chance allows.

    Parameters
    ----------
    summary : xarray.Dataset
        The summary of `summarise_draws`, over `parameter`.
    draws : int
        Number of draws: the effective size where the summary has none.
    threshold : float or dict
        The largest Pareto k-hat; of several thresholds (`warn`, `fail`) the lowest counts.
    """
    lowest = min(threshold.values()) if isinstance(threshold, Mapping) else threshold
    shapes = summary["pareto_k"].values
    ess_tail = np.nan_to_num(summary["ess_tail"].values, nan=draws)
    limit = compute_shape_limit(ess_tail, int(np.isfinite(shapes).sum()))
    return np.asarray(shapes > np.maximum(limit, lowest))
