"""
Effective sample sizes of draws, for many scalars at once.

The estimator is that of ArviZ, which takes one scalar at a time: a fit with hundreds of scalars
spends most of its diagnosis there. Tests compare the two.

Vehtari, Gelman, Simpson, Carpenter & Buerkner 2021, Bayesian Analysis 16, 667, sections 3.2 and
4.3; Geyer 1992, Statistical Science 7, 473, section 3.3.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_DRAWS = 4  # per chain; fewer cannot be split
BLOCK_BYTES = 2**24  # of the draws that are transformed together


def compute_ess(draws: NDArray[Any]) -> NDArray[np.float64]:
    """
    Return the effective sample size for the mean of scalars.

    Chains are split into halves. Of rank scores (see `score_ranks`) it is the bulk ESS, and of
    indicators of a range that of its probability.

    Parameters
    ----------
    draws : array, shape (scalar, chain, draw)

    Returns
    -------
    array, shape (scalar,)
        The number of draws for a scalar that never changes. NaN for one whose draws are not finite,
        or fewer than four per chain.
    """
    scalars, _, length = draws.shape
    sizes = np.full(scalars, np.nan)
    if length < MIN_DRAWS:
        return sizes
    half = length // 2
    step = max(1, BLOCK_BYTES // max(1, draws[:1].size * 8))
    for begin in range(0, scalars, step):
        block = np.asarray(draws[begin : begin + step], float)
        halves = np.concatenate([block[..., :half], block[..., length - half :]], axis=1)
        with np.errstate(all="ignore"):  # of scalars that do not change, or are not finite
            sizes[begin : begin + step] = _estimate_size(halves)
        sizes[begin : begin + step][~np.isfinite(block).all(axis=(1, 2))] = np.nan
    return sizes


def compute_tail_ess(
    draws: NDArray[np.float64], probabilities: tuple[float, float]
) -> NDArray[np.float64]:
    """
    Return the smaller one of the effective sample sizes of two quantiles of scalars.

    `draws` has the shape (scalar, chain, draw). NaN as for `compute_ess`.
    """
    pooled = draws.reshape(len(draws), -1)
    quantiles = np.quantile(pooled, probabilities, axis=1)
    sizes = [compute_ess(draws <= quantile[:, None, None]) for quantile in quantiles]
    return np.where(np.isnan(pooled).any(axis=1), np.nan, np.minimum(*sizes))


def _estimate_size(chains: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return the effective sample sizes of draws of shape (scalar, chain, draw).

    The autocorrelations are added up in pairs of lags (0 and 1, 2 and 3, ...) until the sum of a
    pair is not positive, and no pair counts as more than the one before it.
    """
    scalars, count, length = chains.shape
    covariances = _compute_autocovariances(chains)
    within = covariances[:, 0] * length / (length - 1)
    total = covariances[:, 0] + chains.mean(axis=2).var(axis=1, ddof=1)
    correlations = 1 - (within[:, None] - covariances) / total[:, None]
    correlations[:, 0] = 1
    last = max(0, (length - 3) // 2)  # the last pair that enters
    even, odd = correlations[:, 0 : 2 * last + 1 : 2], correlations[:, 1 : 2 * last + 2 : 2]
    pairs = even + odd
    is_last = ~(pairs > 0)
    is_last[:, last] = True
    end = is_last.argmax(axis=1)[:, None]
    decreasing = np.minimum.accumulate(pairs, axis=1)
    before = np.where(np.arange(last + 1) < end, decreasing, 0).sum(axis=1)
    last_even = np.take_along_axis(even, end, axis=1)[:, 0]
    is_pair_negative = np.take_along_axis(pairs, end, axis=1)[:, 0] < 0
    last_even = np.where(is_pair_negative, np.maximum(last_even, 0), last_even)
    size = count * length
    steps = np.maximum(-1 + 2 * before + last_even, 1 / np.log10(size))
    is_constant = np.ptp(chains.reshape(scalars, size), axis=1) == 0
    return np.asarray(np.where(is_constant, size, size / steps), float)


def _compute_autocovariances(chains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean autocovariance of chains (scalar, chain, draw), shape (scalar, lag)."""
    # Imported here, as ArviZ is: SciPy takes a third of a second.
    from scipy.fft import irfft, next_fast_len, rfft

    length = chains.shape[2]
    size = next_fast_len(2 * length, real=True)
    spectrum = rfft(chains - chains.mean(axis=2, keepdims=True), size)
    power = (spectrum.real**2 + spectrum.imag**2).mean(axis=1)
    return np.asarray(irfft(power, size)[:, :length] / length)
