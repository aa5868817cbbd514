"""Check whether prior and data disagree: a posterior in the prior's tails, or at a bound."""

from dataclasses import replace

import numpy as np
import xarray as xr

from posterity.diagnostics.check import (
    Check,
    Threshold,
    describe_extreme,
    downgrade_pass,
    judge_value,
    skip_check,
)

# An exponential pressed to a bound has 0.69, and a half-normal, whose peak is the bound, 0.04. The
# level is that of a Gaussian likelihood with its peak 1.5 sds beyond the bound.
PUSH_LEVEL = 0.5
MAX_PUSH = 5  # draws that are pushed more have not converged: other checks fail
CONFLICT_REMEDY = "check that prior, and the units of the data"
BOUND_REMEDY = "widen that prior, or justify the bound"


def check_conflict(conflict: xr.Dataset, threshold: Threshold) -> Check:
    """
    Check whether the posterior lies in the tails of the prior, or piles up at a bound of it.

    Parameters
    ----------
    conflict : xarray.Dataset
        The group `prior_conflict` of predictive.nc.
    threshold : float or dict
        The threshold of the p-value.

    Returns
    -------
    Check
        The smallest p-value times the number of scalars (Bonferroni). A pass becomes a warning if
        the posterior piles up at a bound that is not natural.
    """
    if not conflict.data_vars:
        return skip_check("conflict", "there are no data: prior and posterior are equal")
    count = conflict.sizes["parameter"]
    if not count:
        return skip_check("conflict", "no hyperparameter has a proper prior")
    order = np.lexsort((-np.abs(conflict["d"].values), conflict["p"].values))
    worst = conflict.isel(parameter=int(order[0]))
    label = str(worst["parameter"].item())
    d = float(worst["d"])
    value = min(1.0, count * float(worst["p"]))
    among = f" of {count} scalars" if count > 1 else ""
    message = describe_extreme("farthest from its prior", f"d = {d:.2g}", label, count)
    message += f"; corrected p = {value:.2g}"
    check = judge_value("conflict", value, threshold, message, lower_is_better=False)
    if check.status != "pass":
        side = "above" if d > 0 else "below"
        message = (
            f"prior and data disagree in {label}{among}: the data lie {abs(d):.1f} sds {side} the "
            f"prior (d = {d:.2g}; corrected p = {value:.2g}); {CONFLICT_REMEDY}"
        )
        check = replace(check, message=message)
    piled = [_describe_bound(conflict.isel(bound=i)) for i in _find_piled(conflict)]
    if not piled:
        return check
    note = f"{'; '.join(piled)}; {BOUND_REMEDY}"
    if check.status == "pass":
        return downgrade_pass(replace(check, message=f"{note} ({check.message})"))
    return replace(check, message=f"{check.message}; {note}")


def _find_piled(conflict: xr.Dataset) -> list[int]:
    push = conflict["push"].values
    is_pushed = (push > PUSH_LEVEL) & (push < MAX_PUSH)
    is_piled = is_pushed & (conflict["natural"].values == 0)
    return np.flatnonzero(is_piled).tolist()


def _describe_bound(bound: xr.Dataset) -> str:
    name, side = (str(bound[key].item()) for key in ("bounded_parameter", "side"))
    edge = float(bound["edge"])
    return f"the posterior piles up at the {side} bound {edge:.4g} of the prior of {name}"
