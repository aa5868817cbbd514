"""Check of divergent transitions: how many, and where they are."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from posterity.diagnostics.check import Check, Threshold, judge_value, skip_check
from posterity.stats.summary import flatten_scalars

MIXING_CHECKS = ("rhat", "ess_bulk", "ess_tail")
MIN_LOCATED_DIVERGENCES = 10  # fewer do not show where they concentrate
MAX_SCALARS_PER_SITE = 100  # among which the place is searched
FALSE_ALARM_RATE = 0.01  # of a place named by chance
HIGH_TARGET_ACCEPT = 0.95  # a higher one seldom helps
DOMINANT_SHARE = 0.8  # of the divergences in one chain, which may have started far away


class Concentration(NamedTuple):
    """Where divergent draws concentrate: a scalar, and its medians among them and elsewhere."""

    label: str
    divergent: float
    other: float


def check_divergences(
    statistics: xr.Dataset,
    threshold: Threshold,
    settings: Mapping[str, Any] | None = None,
    mixing: Sequence[Check] = (),
    draws: xr.Dataset | None = None,
) -> Check:
    """
    Check the share of divergent transitions (Betancourt 2017, arXiv:1701.02434, section 6.2).

    A share above the threshold of `warn` fails if R-hat or an effective size fails, too: then the
    divergences mark a part that the chains miss. Otherwise a few divergences in a right model are
    common, and bias little.

    Parameters
    ----------
    statistics : xarray.Dataset
        The group `sample_stats`, over chain and draw.
    threshold : float or dict
        The threshold of the share.
    settings : dict, optional
        The settings of the fit, for the advice.
    mixing : sequence of Check
        The checks of convergence.
    draws : xarray.Dataset, optional
        Draws by site, in which the divergent ones are located by the coordinate `draw`.

    Returns
    -------
    Check
        The check `divergences`. Its value is a share; the message has the number.
    """
    if "diverging" not in statistics:
        return skip_check("divergences", "the method has no divergences")
    diverging = statistics["diverging"].transpose("chain", "draw").astype(bool)
    count = int(diverging.sum())
    place = None if draws is None else find_concentration(diverging, draws)
    message = f"{count} of {diverging.size} draws diverged{_describe_place(place)}"
    failing = [
        check.name for check in mixing if check.status == "fail" and check.name in MIXING_CHECKS
    ]
    if count and failing:
        message = f"{message}, and {' and '.join(failing)} fail"
    remedy = _choose_remedy(diverging.values, settings or {}, "rhat" in failing)
    share = count / max(diverging.size, 1)
    check = judge_value("divergences", share, threshold, message, remedy=remedy)
    can_fail = isinstance(threshold, dict) and "fail" in threshold
    if check.status == "warn" and failing and can_fail:
        return replace(check, status="fail")
    return check


def find_concentration(diverging: xr.DataArray, draws: xr.Dataset) -> Concentration | None:
    """
    Return the scalar whose divergent draws differ most from the others; None if none stands out.

    The measure is the largest distance of the two cumulative distributions, which must exceed that
    of the Kolmogorov-Smirnov test at a family-wise level of 0.01. At least 10 draws must diverge.
    """
    if "draw" not in draws.sizes:
        return None
    kept = np.isin(draws["draw"].values, diverging["draw"].values)
    is_divergent = diverging.sel(draw=draws["draw"].values[kept]).values.ravel()
    count = int(is_divergent.sum())
    others = is_divergent.size - count
    if min(count, others) < MIN_LOCATED_DIVERGENCES:
        return None
    labels, values = flatten_scalars(draws.isel(draw=kept), MAX_SCALARS_PER_SITE)
    pooled = values.reshape(len(labels), is_divergent.size)
    usable = np.flatnonzero(np.isfinite(pooled).all(1))
    if not usable.size:
        return None
    distances = _compute_distances(pooled[usable], is_divergent)
    best = int(distances.argmax())
    level = np.log(2 * len(usable) / FALSE_ALARM_RATE) / 2
    if distances[best] < np.sqrt(level * (1 / count + 1 / others)):
        return None
    scalar = pooled[usable[best]]
    medians = (float(np.median(scalar[mask])) for mask in (is_divergent, ~is_divergent))
    return Concentration(labels[usable[best]], *medians)


def _compute_distances(
    values: NDArray[np.float64], is_divergent: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the largest distance of the cumulative distributions of two groups, by scalar."""
    in_group = is_divergent[np.argsort(values, axis=1)]
    first = np.cumsum(in_group, axis=1) / is_divergent.sum()
    second = np.cumsum(~in_group, axis=1) / (~is_divergent).sum()
    distances: NDArray[np.float64] = np.abs(first - second).max(1)
    return distances


def _describe_place(place: Concentration | None) -> str:
    if place is None:
        return ""
    medians = f"median {place.divergent:.3g} there, {place.other:.3g} elsewhere"
    return f", most clearly apart in {place.label} ({medians})"


def _choose_remedy(
    diverging: NDArray[np.bool_], settings: Mapping[str, Any], has_stuck_chain: bool
) -> str:
    """Return the advice that fits the settings and the chains that have the divergences."""
    target = settings.get("target_accept")
    remedy = "raise target_accept, or reparametrise"
    if target is not None and target >= HIGH_TARGET_ACCEPT:
        remedy = f"reparametrise, as target_accept is {target:g} already"
    elif target is not None:
        remedy = f"raise target_accept ({target:g}) to {HIGH_TARGET_ACCEPT:g}, or reparametrise"
    counts = np.asarray(diverging.sum(1))
    is_alone = len(counts) > 2 and counts.max() >= DOMINANT_SHARE * max(int(counts.sum()), 1)
    if has_stuck_chain and is_alone and settings.get("init") != "median":
        where = f"nearly all in chain {int(counts.argmax())}, which may have started far away"
        return f"{where}: start at init: median, or {remedy}"
    return remedy
