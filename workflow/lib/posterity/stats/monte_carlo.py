"""Monte Carlo errors of quantiles."""

import numpy as np
from numpy.typing import NDArray

from posterity.stats.effective_size import compute_ess

ONE_SD = (0.1586553, 0.8413447)  # probabilities within a sd of the mean of a Gaussian


def compute_quantile_mcse(
    draws: NDArray[np.float64], bounds: NDArray[np.float64], max_ess: float = np.inf
) -> NDArray[np.float64]:
    """
    Return Monte Carlo errors of the ends of intervals, as quantiles of the draws.

    Half the distance of two order statistics, as far apart as a probability with the effective
    size of the draws below the end is uncertain: one sd to each side of a beta distribution
    (Vehtari et al. 2021, Bayesian Analysis 16, 667, section 4.3, as in ArviZ, which takes one
    probability for all scalars). That an interval of highest density is chosen as the shortest one
    adds to its error, and is not included.

    Parameters
    ----------
    draws : array, shape (scalar, chain, draw)
    bounds : array, shape (scalar, bound)
    max_ess : float
        The largest effective sample size.

    Returns
    -------
    array, shape (scalar, bound)
        NaN where draws are not finite, or fewer than four per chain.
    """
    from scipy.special import betaincinv  # imported here, as ArviZ is

    scalars, chains, length = draws.shape
    errors = np.full(bounds.shape, np.nan)
    ordered = np.sort(draws.reshape(scalars, chains * length), axis=1)
    usable = np.isfinite(ordered).all(1) & np.isfinite(bounds).all(1)
    size = ordered.shape[1]
    if not usable.any():
        return errors
    for i in range(bounds.shape[1]):
        is_below = draws[usable] <= bounds[usable, i, None, None]
        share = is_below.mean((1, 2))
        ess = np.minimum(compute_ess(is_below), max_ess)
        low, high = (
            size * betaincinv(ess * share + 1, ess * (1 - share) + 1, probability) - 1
            for probability in ONE_SD
        )
        low_values = _take(ordered[usable], np.floor(np.maximum(low, 0)))
        high_values = _take(ordered[usable], np.ceil(np.minimum(high, size - 1)))
        errors[usable, i] = (high_values - low_values) / 2
    return errors


def _take(ordered: NDArray[np.float64], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one draw of each scalar; NaN if its position is not known."""
    known = np.isfinite(positions)
    columns = np.where(known, positions, 0).astype(int)[:, None]
    return np.where(known, np.take_along_axis(ordered, columns, axis=1)[:, 0], np.nan)
