"""Check whether the posterior has other modes than the one that a fit has found."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from posterity.diagnostics.approximation import MAX_EXPECTED_RISE_NATS, MAX_GRADIENT
from posterity.diagnostics.check import Check, Threshold, judge_value, skip_check

MIN_DISTANCE_SD = 3.0  # from the maximum of the fit: nearer ends are the same maximum
# Two Gaussian modes at that distance have 3**2 / 8 = 1.1 nats between them. Without a barrier, they
# are places on one ridge.
MIN_BARRIER_NATS = 1.0
MAX_NAMED_SCALARS = 3
# Two maxima of this difference in log density, with values that agree to the relative tolerance
# after a permutation within each site, are the same up to labels.
EQUAL_NATS = 0.01
EQUAL_VALUES = 1e-3


def check_modes(
    modes: xr.Dataset, skipped: str, threshold: Threshold, scales: Mapping[str, float]
) -> Check:
    """
    Check that no other mode has a density that matters.

    The value is the log density (nats) of the highest other maximum relative to that of the fit,
    NaN if there is none. A maximum is another one if it is more than 3 standard deviations away, by
    the curvature at either of the two (the Hessian in the direction of the other), and if the log
    density falls by more than 1 nat on the straight lines between them, in unconstrained space and
    in that of the model.
    A search counts if it has converged: the density of some models grows without bound.

    Parameters
    ----------
    modes : xarray.Dataset
        The group `modes` of posterior.nc, over start and parameter. The first start is the fit's.
    skipped : str
        Why there was no search.
    threshold : float or dict
        Thresholds of the value.
    scales : dict of str to float
        Standard deviations of the draws by scalar, as far as there are draws.

    Returns
    -------
    Check
        The check `modes`.
    """
    if skipped:
        return skip_check("modes", skipped)
    if "distance" not in modes:
        return skip_check("modes", "the method does not search for modes")
    has_converged = _find_converged(modes)
    if not has_converged[0]:
        reason = (
            "a search from the fit's own solution finds no maximum: the density may be unbounded"
        )
        return skip_check("modes", reason)
    converged = int(has_converged.sum())
    is_far = modes["distance"].values > MIN_DISTANCE_SD
    is_other = has_converged & is_far & (modes["barrier"].values > MIN_BARRIER_NATS)
    if not is_other.any():
        message = f"{converged} of {len(is_other)} searches converged, all to the same maximum"
        return Check("modes", np.nan, _get_stated(threshold), "pass", message)
    density = np.where(is_other, modes["log_density"].values, -np.inf)
    best = int(density.argmax())
    message = (
        f"{int(is_other.sum())} of {converged} searches end at other maxima; the highest is "
        f"{modes['distance'].values[best]:.1f} sd away, {abs(density[best]):.2f} nats "
        f"{'above' if density[best] > 0 else 'below'} that of the fit "
        f"({_describe_move(modes, best, scales)})"
    )
    fails = isinstance(threshold, dict) and density[best] > threshold.get("fail", np.inf)
    remedy = "the fit is in a lower mode: try more restarts, init: uniform or sample, or nested"
    if not fails:
        remedy = "several modes: use nested, order or restrict parameters, and report all modes"
        if _is_relabelled(modes, best):
            remedy = f"they may be equivalent (relabelled components); {remedy}"
    return judge_value("modes", density[best], threshold, message, remedy=remedy)


def _find_converged(modes: xr.Dataset) -> NDArray[np.bool_]:
    is_flat: NDArray[np.bool_] = (
        (modes["rise"].values < MAX_EXPECTED_RISE_NATS)
        & (modes["gradient"].values < MAX_GRADIENT)
        & np.isfinite(modes["log_density"].values)
    )
    return is_flat


def _get_stated(threshold: Threshold) -> float:
    """Return the threshold that the check states."""
    if isinstance(threshold, dict):
        return float(threshold.get("fail", threshold.get("warn", np.nan)))
    return float(threshold)


def _describe_move(modes: xr.Dataset, start: int, scales: Mapping[str, float]) -> str:
    """Name the scalars that differ most between the fit's maximum and another one."""
    labels = [str(label) for label in modes["parameter"].values]
    here = modes["value"].values[0]
    there = modes["value"].values[start]
    sizes = np.maximum(np.maximum(np.abs(here), np.abs(there)), np.finfo(float).tiny)
    scale = np.array([scales.get(label, np.nan) for label in labels])
    # Without draws (a point estimate), relative to the values.
    differences = np.abs(there - here) / np.where(scale > 0, scale, sizes)
    order = np.argsort(-differences, kind="stable")[:MAX_NAMED_SCALARS]
    return ", ".join(
        f"{labels[index]} = {there[index]:.3g} in place of {here[index]:.3g}" for index in order
    )


def _is_relabelled(modes: xr.Dataset, start: int) -> bool:
    """Return whether a maximum has the values of the fit's in another order within the sites."""
    if abs(float(modes["log_density"].values[start])) > EQUAL_NATS:
        return False
    sites = np.array([str(label).partition("[")[0] for label in modes["parameter"].values])
    here = modes["value"].values[0]
    there = modes["value"].values[start]
    return all(
        np.allclose(np.sort(here[sites == site]), np.sort(there[sites == site]), rtol=EQUAL_VALUES)
        for site in set(sites)
    )
