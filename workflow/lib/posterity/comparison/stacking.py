"""
Stacking weights of models, and how well the data determine them.

Sources: Yao et al. 2018, Bayesian Analysis 13, 917, section 3.1 (stacking); Rubin 1981, Annals of
Statistics 9, 130 (the Bayesian bootstrap).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

MAX_WEIGHT_WIDTH = 0.5  # of the interval of a weight that the data determine
REPLICATES = 200
MIN_REPLICATES = 50
MAX_BOOTSTRAP_NUMBERS = 2_000_000  # replicates times points: bounds memory and time
SEED = 1  # of the bootstrap: a comparison has no random stream of its own
INTERVAL = (0.05, 0.95)
MAX_TRANSFERS = 500


class Precision(NamedTuple):
    """
    When the search for weights ends.

    Attributes
    ----------
    bisections : int
        Bisections of a line search.
    gap : float
        Difference of the slopes of two models, in units of its own standard error.
    """

    bisections: int
    gap: float


EXACT = Precision(40, 1e-9)
ROUGH = Precision(12, 0.05)  # for the replicates, which need no more than two digits


def compute_stacking_weights(density: FloatArray) -> FloatArray:
    """
    Return stacking weights, shape (model,): the mixture that predicts best.

    Parameters
    ----------
    density : array, shape (model, point)
        Predictive density of each point, given all others, in any unit by point. One model has a
        positive density at each point.

    Returns
    -------
    array
        Weights with the sum 1. Equal models have equal weights.
    """
    points = density.shape[1]
    shares = np.full((1, points), 1 / points)
    return _maximise_log_score(density, np.ones((1, len(density))), shares, EXACT)[0]


def bootstrap_weights(density: FloatArray, mcse: FloatArray) -> FloatArray:
    """
    Return the 90 % interval of each stacking weight by a Bayesian bootstrap over the points.

    Each replicate also draws the Monte Carlo error of the total score of a model. Without it, two
    forms of one model seem to have certain weights that a rerun would swap. There are 200
    replicates, and fewer for more than 10,000 points, but at least 50.

    Parameters
    ----------
    density : array, shape (model, point)
        See `compute_stacking_weights`.
    mcse : array, shape (model,)
        Monte Carlo error of the sum of log densities, in nats.

    Returns
    -------
    array, shape (model, 2)
        Lower and upper end.
    """
    models, points = density.shape
    if models == 1:
        return np.ones((1, 2))
    replicates = max(MIN_REPLICATES, min(REPLICATES, MAX_BOOTSTRAP_NUMBERS // points))
    rng = np.random.default_rng(SEED)
    shares = rng.exponential(size=(replicates, points))
    shares /= shares.sum(axis=1, keepdims=True)
    factors = np.exp(rng.normal(size=(replicates, models)) * mcse / points)
    weights = _maximise_log_score(density, factors, shares, ROUGH)
    return np.quantile(weights, INTERVAL, axis=0).T


def _maximise_log_score(
    density: FloatArray, factors: FloatArray, shares: FloatArray, precision: Precision
) -> FloatArray:
    """
    Return the weights with the best mean log score, shape (replicate, model).

    The density of a model in a replicate is `density` times its entry of `factors`, shape
    (replicate, model). `shares`, shape (replicate, point), are the weights of the points. Each step
    moves weight from the worst to the best model, as far as the score rises. The score is concave,
    and at its maximum the slope of a model is 1 if it has a weight, and at most 1 otherwise.
    """
    # ArviZ's optimiser stops early if one point decides against a model that is otherwise the best,
    # or if models hardly differ.
    weights = np.full((len(shares), len(density)), 1 / len(density))
    active = np.arange(len(shares))
    for _ in range(MAX_TRANSFERS):
        scaled = factors[active]
        mixture = (weights[active] * scaled) @ density
        slopes = scaled * ((shares[active] / mixture) @ density.T)
        rows = np.arange(len(active))
        best = slopes.argmax(axis=1)
        worst = np.where(weights[active] > 0, slopes, np.inf).argmin(axis=1)
        gap = slopes[rows, best] - slopes[rows, worst]
        direction = scaled[rows, best, None] * density[best]
        direction -= scaled[rows, worst, None] * density[worst]
        error = np.sqrt(((shares[active] * direction / mixture) ** 2).sum(axis=1))
        is_open = gap > np.maximum(precision.gap * error, np.finfo(float).eps)
        active, mixture, direction = active[is_open], mixture[is_open], direction[is_open]
        best, worst = best[is_open], worst[is_open]
        if not active.size:
            break
        longest = weights[active, worst]
        step = _search_line(mixture, direction, shares[active], longest, precision.bisections)
        weights[active, best] += step
        weights[active, worst] = np.where(step == longest, 0, longest - step)
    total: FloatArray = weights / weights.sum(axis=1, keepdims=True)
    return total


def _search_line(
    mixture: FloatArray,
    direction: FloatArray,
    shares: FloatArray,
    longest: FloatArray,
    bisections: int,
) -> FloatArray:
    """Return the steps along a direction, at most `longest`, with the best score, by bisection."""

    def rises(step: FloatArray) -> NDArray[np.bool_]:
        with np.errstate(all="ignore"):
            slope = (shares * direction / (mixture + step[:, None] * direction)).sum(axis=1)
        # Infinite if the mixture has no density at a point: such a step is too long.
        return np.isfinite(slope) & (slope >= 0)

    low, high = np.zeros_like(longest), longest
    is_whole = rises(longest)
    for _ in range(0 if is_whole.all() else bisections):
        middle = (low + high) / 2
        is_rising = rises(middle)
        low, high = np.where(is_rising, middle, low), np.where(is_rising, high, middle)
    return np.where(is_whole, longest, low)
