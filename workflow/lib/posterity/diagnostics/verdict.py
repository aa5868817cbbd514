"""Checks that need the comparison of models."""

import numpy as np
import xarray as xr

from posterity.artefact import groups
from posterity.diagnostics import check as diagnostics_check


def leave_one_out(comparison: xr.DataTree, limit: float | dict) -> dict[tuple[str, str], diagnostics_check.Check]:
    """Check how well leave-one-out cross-validation works, by model and fit: the largest Pareto k-hat."""
    models, found = groups.group(comparison, "models"), {}
    for i, model in enumerate(models["model"].values if models.data_vars else ()):
        k, bad = float(models["pareto_k"].values[i]), models["bad_k"].values[i]
        message = (
            f"largest Pareto k-hat of leaving one out: {k:.2f}; above {float(models['good_k'].values[i]):.2f} at {bad:.0f} points"
        )
        none = diagnostics_check.not_applicable("loo", str(models["message"].values[i]))
        found[str(model), models.attrs["fit"]] = none if np.isnan(k) else diagnostics_check.judge("loo", k, limit, message)
    return found
