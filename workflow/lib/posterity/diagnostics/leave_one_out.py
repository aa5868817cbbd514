"""
Checks by leave-one-out cross-validation: of its own reliability, and of the model.

Sources: Vehtari, Gelman & Gabry 2017, Statistics and Computing 27, 1413; Vehtari et al. 2024,
JMLR 25, 72; Tesso & Vehtari 2026, arXiv:2603.02928.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from posterity.diagnostics.check import Check, Threshold, downgrade_pass, judge_value, skip_check
from posterity.stats.leave_one_out import MAX_GOOD_K, compute_uniformity_p

CHANCE_SHARE = 0.01  # of the points may have a large k-hat by the noise of its estimate
# In a model with more than a parameter for every 5 points the left-out point is hard to predict
# even if the model is right: glossary of the R package loo.
FLEXIBLE_RATIO = 0.2
FLEXIBLE_SHARE = 0.1
UNUSABLE_K = 1.0  # from it on the mean of the weights does not exist
EXCESS_STANDARD_ERRORS = 2.0  # of p_loo above the number of parameters
LARGE_EXCESS_RATIO = 2.0  # of p_loo to that number, for which one standard error is enough
MIN_PIT_POINTS = 10  # fewer values say nothing of a distribution
ALL_SITES = "all sites"  # taken together
SHAPE_REMEDIES = {
    "predictions are too low": "a term is missing, or the data are skewed",
    "predictions are too high": "a term is missing, or the data are skewed",
    "predictions are too narrow": "errors are too small, or the model misses groups of points",
    "predictions are too wide": "errors are too large, or a few outliers have widened them",
}
OUTLIER_REMEDY = (
    "look at these points: an outlier asks for errors with heavier tails, a point with a parameter "
    "of its own cannot be predicted from the others"
)
EXCESS_REMEDY = (
    "that is a sign of a wrong model: look at the figures `ppc` and `loo_pit`, and consider "
    "heavier tails, larger errors or a missing effect"
)


def check_leave_one_out(loo: xr.Dataset, threshold: Threshold) -> Check:
    """
    Check k-hat of leave-one-out, and its effective number of parameters.

    The value is the largest k-hat, without the largest 1 % of them: k-hat has an error of about
    (1 + k) / sqrt(tail), 0.12 for 4,000 draws, so that a maximum over many points is large by
    chance. Only a k-hat above 1 counts whatever the number of points: the mean of such weights does
    not exist. In a model with more than one scalar for every 5 points, a large k-hat is not
    evidence of misfit; there the largest 10 % are left out, and one above 1 may be among them. (Of
    600 points in 200 groups of a right model, up to 5 % exceed 0.7.) A threshold of 0.7 stands for
    the largest k-hat that the number of draws allows (`good_k`), and others in proportion.

    The check also warns if the effective number of parameters p_loo exceeds that of the scalars in
    the latent sites by more than two standard errors, or is twice as large and exceeds it by one:
    then the model is misspecified (Vehtari, Gelman & Gabry 2017; glossary of the R package loo).
    The error comes from the same few points as the excess, and is large with it. Neither was true
    of any of 675 right fits of six kinds.

    Parameters
    ----------
    loo : xarray.Dataset
        The group `loo` of predictive.nc.
    threshold : float or dict
        Thresholds of k-hat.
    """
    if reason := get_reason(loo):
        return skip_check("loo", reason)
    if loo.attrs["parameters"] >= loo.attrs["points"]:
        return skip_check("loo", _describe_saturation(loo))
    pareto_k = np.sort(loo["pareto_k"].values)[::-1]
    scale = loo.attrs["good_k"] / MAX_GOOD_K
    is_flexible = _is_flexible(loo)
    share = FLEXIBLE_SHARE if is_flexible else CHANCE_SHARE
    value = float(pareto_k[int(share * len(pareto_k))])
    limit = max(UNUSABLE_K, *(scale * limit for limit in _list_limits(threshold)))
    # The k-hat of draws of an approximation holds that of the approximation.
    is_corrected = bool(loo.attrs.get("is_corrected", 0))
    if pareto_k[0] > limit and not (is_flexible or is_corrected):
        value = float(pareto_k[0])
    message = f"{_describe_pareto_k(loo)}; {_describe_parameters(loo)}"
    scaled = _scale_threshold(threshold, scale)
    check = judge_value("loo", value, scaled, message, remedy=OUTLIER_REMEDY)
    return downgrade_pass(check, EXCESS_REMEDY) if _has_excess_parameters(loo) else check


def _has_excess_parameters(loo: xr.Dataset) -> bool:
    excess = loo.attrs["p_loo"] - loo.attrs["parameters"]
    is_large = loo.attrs["p_loo"] > LARGE_EXCESS_RATIO * loo.attrs["parameters"]
    limit = 1.0 if is_large else EXCESS_STANDARD_ERRORS
    return bool(excess > limit * loo.attrs["p_loo_se"])


def _is_flexible(loo: xr.Dataset) -> bool:
    return bool(loo.attrs["parameters"] > FLEXIBLE_RATIO * loo.attrs["points"])


def _describe_saturation(loo: xr.Dataset) -> str:
    return (
        f"the model has {loo.attrs['parameters']} latent scalars for {loo.attrs['points']} points: "
        "a point cannot be predicted from the others"
    )


def get_reason(loo: xr.Dataset) -> str:
    """Return why a fit has no leave-one-out; empty if it has."""
    if loo.data_vars:
        return ""
    return str(loo.attrs.get("reason", "there are no data to leave out"))


def _list_limits(threshold: Threshold) -> list[float]:
    return [*threshold.values()] if isinstance(threshold, Mapping) else [threshold]


def _scale_threshold(threshold: Threshold, scale: float) -> Threshold:
    """Return thresholds of k-hat, smaller if there are few draws."""
    if isinstance(threshold, Mapping):
        return {level: scale * limit for level, limit in threshold.items()}
    return scale * threshold


def _describe_pareto_k(loo: xr.Dataset) -> str:
    pareto_k = loo["pareto_k"].values
    good_k = loo.attrs["good_k"]
    largest = int(np.argmax(pareto_k))
    count = int((pareto_k > good_k).sum())
    size = f"{pareto_k[largest]:.2f}" if np.isfinite(pareto_k[largest]) else "unknown"
    message = (
        f"largest Pareto k-hat of {len(pareto_k)} points left out: {size} "
        f"({label_point(loo, largest)}); above {good_k:.2f} at {count} points"
    )
    if loo.attrs["points"] > len(pareto_k):
        message += f" (evenly spaced ones of {loo.attrs['points']})"
    if loo.attrs["matched"]:
        message += f", after moment matching at {loo.attrs['matched']}"
    return message


def _describe_parameters(loo: xr.Dataset) -> str:
    effective = f"{loo.attrs['p_loo']:.1f} +- {loo.attrs['p_loo_se']:.1f}"
    return f"effective number of parameters {effective} of {loo.attrs['parameters']}"


def label_point(loo: xr.Dataset, position: int) -> str:
    """Return the label of a point, such as `y[3]`."""
    sites = loo["site"].values
    site = sites[position]
    if loo.attrs["points"] > len(sites):
        return str(site)
    of_site = np.flatnonzero(sites == site)
    if len(of_site) == 1:
        return str(site)
    return f"{site}[{position - of_site[0]}]"


def check_loo_pit(loo: xr.Dataset, threshold: Threshold) -> Check:
    """
    Check that the points lie among their leave-one-out predictions as they should.

    The value is the p-value of the LOO-PIT values under the uniform distribution; with several
    observed sites the smallest, times their number.

    Parameters
    ----------
    loo : xarray.Dataset
        The group `loo` of predictive.nc.
    threshold : float or dict
        Thresholds of the p-value.
    """
    if reason := get_reason(loo) or _find_pit_obstacle(loo):
        return skip_check("loo_pit", reason)
    p_values = compute_site_p_values(loo)
    if not p_values:
        return skip_check("loo_pit", f"fewer than {MIN_PIT_POINTS} points have a LOO-PIT value")
    worst = min(p_values, key=lambda site: p_values[site])
    value = min(1.0, p_values[worst] * len(p_values))
    pit = select_pit(loo, worst)
    correction = f", corrected for {len(p_values)} sites" if len(p_values) > 1 else ""
    message = f"uniformity of {len(pit)} LOO-PIT values ({worst}): p = {value:.2g}{correction}"
    shape = describe_pit_shape(pit)
    remedy = f"{shape}: {SHAPE_REMEDIES[shape]} (figure `loo_pit`)"
    return judge_value("loo_pit", value, threshold, message, lower_is_better=False, remedy=remedy)


def _find_pit_obstacle(loo: xr.Dataset) -> str:
    """
    Return why the LOO-PIT values of a flexible model mean nothing; empty if they do.

    With a large k-hat they are close to the places among predictions that have seen the point.
    Points with a parameter of their own then lie in the middle.
    """
    if loo.attrs["parameters"] >= loo.attrs["points"]:
        return _describe_saturation(loo)
    bad = loo.attrs["unmatched_bad"]
    count = loo.sizes["point"]
    if _is_flexible(loo) and bad > FLEXIBLE_SHARE * count:
        return f"k-hat is too large at {bad} of {count} points for LOO-PIT values"
    return ""


def compute_site_p_values(loo: xr.Dataset) -> dict[str, float]:
    """
    Return the p-value of the LOO-PIT values of each site.

    Sites are taken together if one of them has fewer than 10 values. Empty if there are fewer.
    """
    names = list(dict.fromkeys(map(str, loo["site"].values)))
    discrete = set(loo.attrs["discrete_sites"].split(", "))
    if len(names) > 1 and min(len(select_pit(loo, name)) for name in names) < MIN_PIT_POINTS:
        discrete = {ALL_SITES} if discrete & set(names) else set()
        names = [ALL_SITES]
    parts = {name: select_pit(loo, name) for name in names}
    return {
        name: compute_uniformity_p(values, name in discrete)
        for name, values in parts.items()
        if len(values) >= MIN_PIT_POINTS
    }


def select_pit(loo: xr.Dataset, site: str) -> NDArray[np.float64]:
    """Return the known LOO-PIT values of a site, or of `all sites`."""
    pit: NDArray[np.float64] = loo["pit"].values
    is_chosen = np.isfinite(pit)
    if site != ALL_SITES:
        is_chosen &= loo["site"].values == site
    return pit[is_chosen]


def describe_pit_shape(pit: NDArray[np.float64]) -> str:
    """
    Return what predictions with these PIT values are, a key of `SHAPE_REMEDIES`.

    The larger deviation counts, in standard errors: of the mean (1/2, variance 1/12) or of the
    mean square around 1/2 (1/12, variance 1/180).
    """
    bias = (pit.mean() - 0.5) * np.sqrt(12 * len(pit))
    spread = (((pit - 0.5) ** 2).mean() - 1 / 12) * np.sqrt(180 * len(pit))
    if abs(bias) > abs(spread):
        return "predictions are too low" if bias > 0 else "predictions are too high"
    return "predictions are too narrow" if spread > 0 else "predictions are too wide"
