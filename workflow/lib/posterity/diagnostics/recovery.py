"""Is the truth, where it is known, where the posterior says?"""

from dataclasses import replace
from math import comb

import numpy as np
import xarray as xr

from posterity.diagnostics.check import Check, judge_value, skip_check
from posterity.stats.summary import compute_interval, flatten_scalars


def check_intervals(
    labels: list[str],
    draws: np.ndarray,
    truth: np.ndarray,
    kind: str,
    probability: float,
    level: float | dict,
) -> Check:
    """
    Compare a known truth with the intervals of the posterior.

    `draws` has shape (scalar, draw), `truth` (scalar,). Two questions are asked, each at half the family-wise level, so that a
    right model fails with at most that probability (Bonferroni):

    1. Are too many intervals missed? The number of misses against the binomial distribution; as the scalars of a posterior are
       not independent, also against the number of intervals that the posterior's own draws miss (under the model the truth is
       one more such draw), whichever is the larger p-value.
    2. Is any scalar far out? The two-sided tail probability of the worst scalar, times the number of scalars.

    The value is the p-value of both together: twice the smaller one.
    """
    count = len(labels)
    if not count:
        return skip_check("recovery", "the truth is not known")
    bounds = compute_interval(draws, kind, probability)

    def missed(values):
        return (values < bounds[:, :1]) | (values > bounds[:, 1:])

    misses = missed(truth[:, None])[:, 0]
    k = int(misses.sum())
    tail = sum(
        comb(count, j) * (1 - probability) ** j * probability ** (count - j)
        for j in range(k, count + 1)
    )
    p_number = max(tail, float((missed(draws).sum(0) >= k).mean()))
    size = draws.shape[1]
    below = ((draws < truth[:, None]).sum(1) + 0.5 * (draws == truth[:, None]).sum(1) + 0.5) / (
        size + 1
    )
    p_each = 2 * np.minimum(below, 1 - below)
    at = int(p_each.argmin())
    p = min(1.0, 2 * min(p_number, count * float(p_each[at])))
    distance = (truth[at] - draws[at].mean()) / draws[at].std()
    which = f": {', '.join(np.array(labels)[misses][:5])}" if k else ""
    message = (
        f"{k} of {count} {probability:.0%} intervals miss the truth{which} (expected {count * (1 - probability):.1f}); "
        f"farthest: {labels[at]}, {distance:+.1f} sd from its mean; p = {p:.2g}"
    )
    found = judge_value("recovery", p, level, message, above=False)
    if found.status == "pass" and min(below[at], 1 - below[at]) < 1 / (size + 1):
        return replace(
            found,
            status="warn",
            message=f"{message}; the truth lies outside all draws, which are too few to say more",
        )
    return found


def check_recovery(
    truth: xr.Dataset, draws: xr.Dataset, interval: dict, level: float | dict, limit: int
) -> Check:
    """Check the intervals of all sites whose true values are known."""
    known = [
        site
        for site in draws.data_vars
        if site in truth and truth[site].size == draws[site].isel(chain=0, draw=0).size
    ]
    labels, values = flatten_scalars(draws[known], limit)
    shaped = {site: draws[site].isel(chain=[0], draw=[0]) for site in known}
    true = xr.Dataset(
        {site: one.copy(data=truth[site].values.reshape(one.shape)) for site, one in shaped.items()}
    )
    _, expected = flatten_scalars(true, limit)
    values = values.reshape(len(labels), values.shape[1] * values.shape[2])
    return check_intervals(labels, values, expected[:, 0, 0], **interval, level=level)
