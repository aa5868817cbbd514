"""What R-hat can tell, given where chains start."""

from collections.abc import Iterable

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from posterity.diagnostics.check import Check, downgrade_pass

MIN_SPREAD_SD = 1.0  # of the starts of chains, in at least one latent scalar


def limit_rhat_by_starts(
    check: Check, starts: xr.Dataset, draw_groups: Iterable[xr.Dataset], init: object
) -> Check:
    """
    Return R-hat as far as the starts of chains allow to judge it.

    R-hat compares chains. If all of them start in one place, they may agree since none has left it:
    the starts should be spread wider than the posterior (Gelman & Rubin 1992, Statistical Science
    7, 457, section 2; Vehtari et al. 2021, section 2). A pass becomes a warning if in every
    continuous latent scalar the starts span less than one posterior sd, of the value and, if all
    values are positive, of its logarithm.

    Parameters
    ----------
    check : Check
        The check `rhat`.
    starts : xarray.Dataset
        The group `initial_values` of posterior.nc, over chain.
    draw_groups : iterable of xarray.Dataset
        The groups with draws, over chain and draw.
    init : str or dict
        The setting `init` of the fit.

    Returns
    -------
    Check
    """
    if check.status != "pass" or starts.sizes.get("chain", 0) < 2:
        return check
    draws = {str(name): group[name] for group in draw_groups for name in group.data_vars}
    sites = [str(name) for name in starts.data_vars if name in draws]
    if not sites or any(has_spread(starts[site], draws[site]) for site in sites):
        return check
    remedy = "init: sample" if init == "uniform" else "init: uniform or sample"
    note = (
        "all chains start within one posterior sd of each other, so R-hat says little: "
        f"use {remedy}"
    )
    return downgrade_pass(check, note)


def has_spread(starts: xr.DataArray, draws: xr.DataArray) -> bool:
    """
    Return whether the starts span one posterior sd in some scalar of a site.

    `starts` has the dimensions (chain, ...), and `draws` (chain, draw, ...).
    """
    start_values = starts.values.reshape(starts.sizes["chain"], -1)
    count = start_values.shape[1]
    draw_values = draws.transpose("chain", "draw", ...).values.reshape(-1, count)
    if _exceeds_sd(start_values, draw_values):
        return True
    is_positive = (start_values > 0).all(0) & (draw_values > 0).all(0)
    if not is_positive.any():
        return False
    return _exceeds_sd(np.log(start_values[:, is_positive]), np.log(draw_values[:, is_positive]))


def _exceeds_sd(starts: NDArray[np.float64], draws: NDArray[np.float64]) -> bool:
    spread = np.ptp(starts, axis=0)
    return bool((spread >= MIN_SPREAD_SD * draws.std(axis=0)).any())
