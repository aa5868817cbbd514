"""What the draws of a fit are worth: weighted points, or draws of a guide."""

import numpy as np
import xarray as xr

from posterity.artefact.groups import get_group
from posterity.stats.importance import compute_kish_size, smooth_log_weights


def has_guide_draws(fit: xr.DataTree) -> bool:
    """
    Return whether the draws of a fit are those of a guide, without weights.

    Their number says nothing about their accuracy.
    """
    return "log_q" in get_group(fit, "sample_stats")


def has_importance_weights(fit: xr.DataTree) -> bool:
    """Return whether a fit resampled the draws of an approximation by importance weights."""
    # The weights of nested sampling are not ratios of densities.
    is_nested = bool(get_group(fit, "evidence").data_vars)
    return "log_weight" in get_group(fit, "weighted_posterior") and not is_nested


def compute_weighted_size(fit: xr.DataTree) -> float:
    """
    Return Kish's effective size of the points that draws were resampled from.

    Infinity for draws that were not resampled. Importance weights are smoothed, as they were for
    the resampling.
    """
    weighted = get_group(fit, "weighted_posterior")
    if "log_weight" not in weighted:
        return np.inf
    log_weights = weighted["log_weight"].values.astype(float).ravel()
    usable = log_weights[np.isfinite(log_weights)]
    if has_importance_weights(fit) and usable.size:
        usable = smooth_log_weights(usable)
    return compute_kish_size(usable)
