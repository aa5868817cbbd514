"""Check whether the posterior recovers a known truth."""

from collections.abc import Mapping, Sequence
from math import comb
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from posterity.diagnostics.check import (
    Check,
    Threshold,
    downgrade_pass,
    judge_value,
    skip_check,
)
from posterity.stats.summary import compute_interval, flatten_scalars

MAX_NAMED_MISSES = 5  # scalars that the message names


class _FarthestScalar(NamedTuple):
    """The scalar whose truth is the least likely under the posterior."""

    position: int
    p_value: float
    tail: float  # share of the draws beyond the truth
    distance: float  # from the mean, in sd


def check_intervals(
    labels: Sequence[str],
    draws: NDArray[Any],
    truth: NDArray[Any],
    kind: str,
    probability: float,
    level: Threshold,
) -> Check:
    """
    Compare a known truth with the credible intervals of the posterior.

    The check asks two questions, each at half the family-wise level, so that a right model fails
    with at most that probability (Bonferroni):

    1. Do too many intervals miss the truth? The larger of two p-values counts: of the binomial
       distribution, and, as scalars are not independent, of the numbers of intervals that the
       draws miss. Under the model the truth is one more draw.
    2. Is any scalar far from its truth? The two-sided tail probability of the worst scalar, times
       the number of scalars.

    Parameters
    ----------
    labels : sequence of str
        Names of the scalars.
    draws : array, shape (scalar, draw)
        Draws of the posterior.
    truth : array, shape (scalar,)
        True values.
    kind, probability : str, float
        Kind of the intervals (hdi or eti), and their probability.
    level : float or dict
        The threshold of the p-value.

    Returns
    -------
    Check
        The p-value of both questions together: twice the smaller one. A pass becomes a warning if
        a truth lies outside all draws and there are too few for a smaller p-value.
    """
    count = len(labels)
    if not count:
        return skip_check("recovery", "the truth is not known")
    intervals = compute_interval(draws, kind, probability)
    is_missed = _find_misses(truth[:, None], intervals)[:, 0]
    misses = int(is_missed.sum())
    draw_misses = _find_misses(draws, intervals).sum(0)
    p_independent = _compute_binomial_tail(misses, count, probability)
    p_number = max(p_independent, float((draw_misses >= misses).mean()))
    farthest = _find_farthest_scalar(draws, truth)
    p_value = min(1.0, 2 * min(p_number, count * farthest.p_value))
    missed_labels = [label for label, missed in zip(labels, is_missed, strict=True) if missed]
    message = (
        f"{_describe_misses(missed_labels, count, probability)}; farthest: "
        f"{labels[farthest.position]}, {farthest.distance:+.1f} sd from its mean; p = {p_value:.2g}"
    )
    check = judge_value("recovery", p_value, level, message, lower_is_better=False)
    if farthest.tail < 1 / (draws.shape[1] + 1):
        note = "the truth lies outside all draws, but there are too few for a smaller p"
        return downgrade_pass(check, note)
    return check


def _find_misses(values: NDArray[Any], intervals: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which values, shape (scalar, value), lie outside the interval of their scalar."""
    is_missed: NDArray[np.bool_] = (values < intervals[:, :1]) | (values > intervals[:, 1:])
    return is_missed


def _compute_binomial_tail(misses: int, count: int, probability: float) -> float:
    """Return the probability of at least so many misses among independent intervals."""
    miss = 1 - probability
    return sum(
        comb(count, j) * miss**j * probability ** (count - j) for j in range(misses, count + 1)
    )


def _describe_misses(missed_labels: Sequence[str], count: int, probability: float) -> str:
    """Return the number of misses, the first scalars among them, and the expected number."""
    examples = ", ".join(missed_labels[:MAX_NAMED_MISSES])
    which = f": {examples}" if examples else ""
    misses = f"{len(missed_labels)} of {count} {probability:.0%} intervals miss the truth{which}"
    return f"{misses} (expected {count * (1 - probability):.1f})"


def _find_farthest_scalar(draws: NDArray[Any], truth: NDArray[Any]) -> _FarthestScalar:
    """Return the scalar with the smallest two-sided tail probability."""
    size = draws.shape[1]
    smaller = (draws < truth[:, None]).sum(1)
    equal = (draws == truth[:, None]).sum(1)
    below = (smaller + 0.5 * equal + 0.5) / (size + 1)
    p_values = 2 * np.minimum(below, 1 - below)
    position = int(p_values.argmin())
    with np.errstate(all="ignore"):  # of draws that never change
        distance = (truth[position] - draws[position].mean()) / draws[position].std()
    tail = min(float(below[position]), float(1 - below[position]))
    return _FarthestScalar(position, float(p_values[position]), tail, float(distance))


def check_recovery(
    truth: xr.Dataset,
    draws: xr.Dataset,
    interval: Mapping[str, Any],
    level: Threshold,
    limit: int,
) -> Check:
    """
    Check the intervals of all sites whose true values are known.

    Parameters
    ----------
    truth : xarray.Dataset
        True values by site.
    draws : xarray.Dataset
        Draws by site, dimensions (chain, draw, ...).
    interval : dict
        `kind` (hdi or eti) and `probability` of the intervals.
    level : float or dict
        The threshold of the p-value.
    limit : int
        The largest number of scalars per site; of a larger site, evenly spaced ones.

    Returns
    -------
    Check
        See `check_intervals`.
    """
    sites = [
        site
        for site in draws.data_vars
        if site in truth and truth[site].size == draws[site].isel(chain=0, draw=0).size
    ]
    labels, values = flatten_scalars(draws[sites], limit)
    templates = {site: draws[site].isel(chain=[0], draw=[0]) for site in sites}
    truth_as_draw = xr.Dataset(
        {
            site: template.copy(data=truth[site].values.reshape(template.shape))
            for site, template in templates.items()
        }
    )
    _, true_values = flatten_scalars(truth_as_draw, limit)
    pooled = values.reshape(len(labels), values.shape[1] * values.shape[2])
    return check_intervals(labels, pooled, true_values[:, 0, 0], **interval, level=level)
