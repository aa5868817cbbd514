"""Checks that need the comparison of models."""

import numpy as np
import xarray as xr

from posterity.artefact.groups import get_group
from posterity.diagnostics.check import Check, judge_value, skip_check


def check_leave_one_out(
    comparison: xr.DataTree, limit: float | dict
) -> dict[tuple[str, str], Check]:
    """Check how well leave-one-out cross-validation works, by model and fit: the largest Pareto k-hat."""
    models, found = get_group(comparison, "models"), {}
    for i, model in enumerate(models["model"].values if models.data_vars else ()):
        k, bad = float(models["pareto_k"].values[i]), models["bad_k"].values[i]
        message = f"largest Pareto k-hat of leaving one out: {k:.2f}; above {float(models['good_k'].values[i]):.2f} at {bad:.0f} points"
        none = skip_check("loo", str(models["message"].values[i]))
        found[str(model), models.attrs["fit"]] = (
            none if np.isnan(k) else judge_value("loo", k, limit, message)
        )
    return found
