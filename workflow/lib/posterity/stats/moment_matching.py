"""
Moment matching for importance sampling of leave-one-out posteriors.

Draws of the posterior are shifted, scaled and rotated until their moments are those of the
posterior without a point. Source: Paananen, Piironen, Bürkner & Vehtari 2021, Statistics and
Computing 31, 16, sections 2 and 3.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posterity.stats.leave_one_out import smooth_log_ratios, sum_exponentials

FloatArray = NDArray[np.float64]
# Returns log density and log-likelihood of the point, each of shape (draw,), in nats, at positions
# of shape (draw, dimension) in unconstrained space.
Evaluate = Callable[[FloatArray], tuple[FloatArray, FloatArray]]

MAX_STEPS = 30  # as in the R package loo
DRAWS_PER_DIMENSION = 10  # fewer do not determine a covariance


class AffineMap(NamedTuple):
    """The map z -> matrix z + shift; shapes (dimension, dimension) and (dimension,)."""

    matrix: FloatArray
    shift: FloatArray

    def apply(self, positions: FloatArray) -> FloatArray:
        """Map positions of shape (draw, dimension)."""
        return positions @ self.matrix.T + self.shift

    def invert(self) -> "AffineMap":
        """Return the inverse map."""
        inverse = np.linalg.inv(self.matrix)
        return AffineMap(inverse, -inverse @ self.shift)

    def follow(self, first: "AffineMap") -> "AffineMap":
        """Return the map that applies `first` and then this one."""
        return AffineMap(self.matrix @ first.matrix, self.matrix @ first.shift + self.shift)


class MatchedPoint(NamedTuple):
    """The elpd of a point, in nats, and its Pareto k-hat, after moment matching."""

    elpd: float
    pareto_k: float


def match_moments(
    positions: FloatArray, evaluate: Evaluate, efficiency: float, good_k: float
) -> MatchedPoint | None:
    """
    Match moments of posterior draws to the posterior without a point.

    The elpd comes from half of the draws, mapped, and the other half as they are, with weights of
    this mixture (section 3.3 of the paper).

    Parameters
    ----------
    positions : array, shape (draw, dimension)
        Draws in unconstrained space.
    evaluate : callable
        Log density of the posterior and log-likelihood of the point.
    efficiency : float
        ESS of the draws as a fraction of their number.
    good_k : float
        A k-hat at or below it needs no further step.

    Returns
    -------
    MatchedPoint or None
        None if no map lowers k-hat.
    """
    density, likelihood = evaluate(positions)
    log_weights, before = smooth_log_ratios(-likelihood[None], efficiency)
    total = AffineMap(np.eye(positions.shape[1]), np.zeros(positions.shape[1]))
    mapped = positions
    pareto_k = before
    for _ in range(MAX_STEPS):
        if pareto_k[0] <= good_k:
            break
        for step in _propose_maps(mapped, np.exp(log_weights[0])):
            proposed = step.apply(mapped)
            new_density, new_likelihood = evaluate(proposed)
            ratios = _make_finite(new_density - density - new_likelihood)
            new_weights, new_k = smooth_log_ratios(ratios[None], efficiency)
            if new_k[0] < pareto_k[0]:
                mapped, log_weights, pareto_k = proposed, new_weights, new_k
                total = step.follow(total)
                break
        else:
            break
    if mapped is positions:
        return None
    matched = _combine_halves(positions, density, total, evaluate, efficiency)
    is_better = np.isfinite(matched.elpd) and matched.pareto_k < before[0]
    return matched if is_better else None


def _propose_maps(positions: FloatArray, weights: FloatArray) -> Iterator[AffineMap]:
    """Yield maps that match the weighted mean, then variances too, then covariances too."""
    draws, dimension = positions.shape
    mean = positions.mean(0)
    target = weights @ positions
    yield AffineMap(np.eye(dimension), target - mean)
    variance = positions.var(0)
    scale = np.sqrt(weights @ (positions - target) ** 2 / np.where(variance > 0, variance, 1))
    if (scale > 0).all() and np.isfinite(scale).all():
        yield AffineMap(np.diag(scale), target - scale * mean)
    if dimension > 1 and draws >= DRAWS_PER_DIMENSION * dimension:
        try:
            before = np.linalg.cholesky(np.cov(positions, rowvar=False))
            after = np.linalg.cholesky(np.cov(positions, rowvar=False, aweights=weights))
        except np.linalg.LinAlgError:
            return
        matrix = after @ np.linalg.inv(before)
        yield AffineMap(matrix, target - matrix @ mean)


def _combine_halves(
    positions: FloatArray,
    density: FloatArray,
    total: AffineMap,
    evaluate: Evaluate,
    efficiency: float,
) -> MatchedPoint:
    """Return elpd and k-hat of a mixture of mapped draws (every second one) and draws as such."""
    is_mapped = np.arange(len(positions)) % 2 == 0
    mixed = np.where(is_mapped[:, None], total.apply(positions), positions)
    new_density, likelihood = evaluate(mixed)
    # The density of mapped draws at a position is that of the draws at its origin.
    origins = np.where(is_mapped[:, None], positions, total.invert().apply(positions))
    origin_density = np.where(is_mapped, density, evaluate(origins)[0])
    log_volume = np.linalg.slogdet(total.matrix)[1]
    proposal = np.logaddexp(new_density, _make_finite(origin_density - log_volume))
    ratios = _make_finite(new_density - likelihood - proposal)
    log_weights, pareto_k = smooth_log_ratios(ratios[None], efficiency)
    elpd = sum_exponentials(log_weights + _make_finite(likelihood))
    return MatchedPoint(float(elpd[0]), float(pareto_k[0]))


def _make_finite(log_density: FloatArray) -> FloatArray:
    """Return log densities with -inf for those that are unknown."""
    return np.where(np.isnan(log_density) | (log_density == np.inf), -np.inf, log_density)
