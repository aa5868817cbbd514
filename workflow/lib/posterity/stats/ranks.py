"""Rank-normalised draws, of which R-hat and effective sample sizes are computed."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class RankScores(NamedTuple):
    """
    Normal scores of the ranks of draws, each of shape (scalar, chain, draw).

    Attributes
    ----------
    values : array
        Scores of the draws.
    distances : array
        Scores of the distances of the draws from their median.
    """

    values: NDArray[np.float64]
    distances: NDArray[np.float64]


def score_ranks(draws: NDArray[np.float64]) -> RankScores:
    """
    Return the rank-normalised draws of scalars, and those of their distances from the median.

    The estimators of R-hat and ESS in ArviZ rank the draws of each scalar in every call. Here all
    scalars are ranked once, in one call. Of an odd number of draws per chain the middle one is left
    out, since chains are split into halves. A scalar with draws that are NaN has scores of NaN.

    Source: Vehtari, Gelman, Simpson, Carpenter & Buerkner 2021, Bayesian Analysis 16, 667,
    equation 14.

    Parameters
    ----------
    draws : array, shape (scalar, chain, draw)
    """
    half = draws.shape[2] // 2
    kept = np.concatenate([draws[..., :half], draws[..., draws.shape[2] - half :]], axis=2)
    with np.errstate(invalid="ignore"):
        distances = np.abs(kept - np.median(kept, axis=(1, 2), keepdims=True))
    scores = RankScores(_score(kept), _score(distances))
    is_unknown = np.isnan(draws).any(axis=(1, 2))
    for part in scores:
        part[is_unknown] = np.nan
    return scores


def _score(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the normal scores of ranks over the last two axes; equal values share their rank."""
    # Imported here, as ArviZ is: SciPy takes a third of a second.
    from scipy.special import ndtri

    pooled = values.reshape(len(values), -1)
    count = pooled.shape[1]

    def normalise(ranks: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(ndtri((ranks - 3 / 8) / (count + 1 / 4)))

    order = pooled.argsort(axis=1)
    ordered = np.take_along_axis(pooled, order, axis=1)
    scores = np.empty(pooled.shape)
    np.put_along_axis(scores, order, normalise(np.arange(1, count + 1))[None], axis=1)
    is_tied = ordered[:, 1:] == ordered[:, :-1]
    for row in np.flatnonzero(is_tied.any(axis=1)):
        starts = np.flatnonzero(np.concatenate([[True], ~is_tied[row]]))
        lengths = np.diff(starts, append=count)
        mean_ranks = np.repeat(starts + (lengths + 1) / 2, lengths)
        scores[row, order[row]] = normalise(mean_ranks)
    return scores.reshape(values.shape)
