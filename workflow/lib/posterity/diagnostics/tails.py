"""Check whether the tails of the draws are light enough for means and sds."""

import numpy as np
import xarray as xr

from posterity.diagnostics.check import Check, Threshold, describe_extreme, judge_value, skip_check
from posterity.stats.tails import compute_shape_limit, find_heavy_tails

MAX_NAMED_SCALARS = 5


def check_tails(summary: xr.Dataset, draws: int, threshold: Threshold) -> Check:
    """
    Check the Pareto k-hat of the tails of each scalar (Vehtari et al. 2024, section 3.2.3).

    Above 0.7 the mean of so many draws does not approach anything, or does not exist. Each k-hat
    may exceed the threshold by what chance allows (see `compute_shape_limit`).

    Parameters
    ----------
    summary : xarray.Dataset
        The summary of `summarise_fit`, over `parameter`.
    draws : int
        Number of draws.
    threshold : float or dict
        The threshold of k-hat.

    Returns
    -------
    Check
        The check `tails`; its value is the largest k-hat.
    """
    shapes = summary["pareto_k"].values
    known = np.isfinite(shapes)
    if not known.any():
        return skip_check("tails", "no scalar has enough continuous draws for the fit of a tail")
    is_heavy = find_heavy_tails(summary, draws, threshold)
    candidates = is_heavy if is_heavy.any() else known
    worst = int(np.where(candidates, shapes, -np.inf).argmax())
    labels = summary["parameter"].values
    number = f"{shapes[worst]:.2f}"
    quantity = "largest Pareto k-hat of the tails"
    message = describe_extreme(quantity, number, labels[worst], int(known.sum()))
    ess_tail = np.nan_to_num(summary["ess_tail"].values, nan=draws)
    limit = compute_shape_limit(ess_tail, int(known.sum()))[worst]
    levels = threshold if isinstance(threshold, dict) else {"fail": threshold}
    levels = {name: max(level, float(limit)) for name, level in levels.items()}
    return judge_value("tails", shapes[worst], levels, message, remedy=_advise(labels[is_heavy]))


def _advise(heavy: np.ndarray) -> str:
    """Return what to do about scalars with heavy tails, by name."""
    names = ", ".join(map(str, heavy[:MAX_NAMED_SCALARS]))
    more = len(heavy) - MAX_NAMED_SCALARS
    names = f"{names} and {more} more" if more > 0 else names
    return (
        f"no mean and no sd of {names}: report the median and the interval, or take a prior that "
        "excludes the extremes (for a ratio, a denominator near 0)"
    )
