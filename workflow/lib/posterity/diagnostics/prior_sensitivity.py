"""
Sensitivity of a posterior to its prior and to its data, by power scaling.

Source: Kallioinen et al. 2024, Statistics and Computing 34, 57.
"""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from posterity.diagnostics.check import (
    Check,
    Threshold,
    describe_extreme,
    judge_value,
    skip_check,
)
from posterity.stats.importance import compute_power_scaling
from posterity.stats.summary import flatten_scalars

MIN_DRAWS = 5  # fewer draws are too few to smooth importance weights
SENSITIVITY_LEVEL = 0.05  # above it a parameter is sensitive (section 3.3 of the paper)


def measure_sensitivity(
    posterior: xr.Dataset, log_prior: xr.Dataset, log_likelihood: xr.Dataset, limit: int
) -> xr.Dataset:
    """
    Measure how the posterior changes when prior or likelihood count a little more or less.

    Parameters
    ----------
    posterior : xarray.Dataset
        Draws by site, dimensions (chain, draw, ...).
    log_prior : xarray.Dataset
        Log densities of the priors of the top-level sites, dimensions (chain, draw, ...).
    log_likelihood : xarray.Dataset
        Log densities of the observations, dimensions (chain, draw, ...).
    limit : int
        The largest number of scalars per site; of a larger site, evenly spaced ones.

    Returns
    -------
    xarray.Dataset
        Over `parameter`: `prior` and `likelihood` (sensitivities; `prior` is NaN if the prior is
        flat) and `diagnosis`, a text.
    """
    labels, draws = _select_changing_scalars(*flatten_scalars(posterior, limit))
    columns = {}
    for name, densities in (("prior", log_prior), ("likelihood", log_likelihood)):
        scaling = compute_power_scaling(draws, _sum_log_densities(densities, draws.shape[1:]))
        is_flat = not scaling.any()
        columns[name] = np.full(len(labels), np.nan) if is_flat else scaling
    diagnosis = [
        _describe_sensitivity(float(prior), float(likelihood))
        for prior, likelihood in zip(columns["prior"], columns["likelihood"], strict=True)
    ]
    return xr.Dataset(
        {
            "prior": ("parameter", columns["prior"]),
            "likelihood": ("parameter", columns["likelihood"]),
            "diagnosis": ("parameter", np.array(diagnosis, dtype=object)),
        },
        {"parameter": labels},
    )


def _select_changing_scalars(
    labels: list[str], draws: NDArray[np.float64]
) -> tuple[list[str], NDArray[np.float64]]:
    """Return the scalars that change; none if there are too few draws."""
    total = draws.shape[1] * draws.shape[2]
    if total < MIN_DRAWS:
        return [], draws[:0]
    changing = np.flatnonzero(np.ptp(draws.reshape(len(labels), total), axis=1) > 0)
    return [labels[index] for index in changing], draws[changing]


def _sum_log_densities(densities: xr.Dataset, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the sum over all variables and their inner dimensions, shape (chain, draw)."""
    total = np.zeros(shape)
    for values in densities.data_vars.values():
        flat = values.transpose("chain", "draw", ...).values.reshape(*shape, -1)
        total = total + flat.sum(-1)
    return total


def _describe_sensitivity(prior: float, likelihood: float) -> str:
    if np.isnan(prior):
        return "the prior is flat"
    if prior >= SENSITIVITY_LEVEL and likelihood >= SENSITIVITY_LEVEL:
        return "prior and data may disagree"
    if prior >= SENSITIVITY_LEVEL:
        return "the prior is strong, or the data are weak"
    if likelihood >= SENSITIVITY_LEVEL:
        return "the data dominate the prior"
    return "insensitive to prior and data"


def check_sensitivity(sensitivities: xr.Dataset, threshold: Threshold) -> Check:
    """Check the largest sensitivity to the prior."""
    if not sensitivities.data_vars:
        return skip_check("sensitivity", "there are no data: prior and posterior are equal")
    if not sensitivities.sizes["parameter"]:
        return skip_check("sensitivity", "no parameter has enough draws that differ")
    if np.isnan(sensitivities["prior"]).all():
        return skip_check("sensitivity", "the prior is flat: there is nothing to scale")
    worst = sensitivities.isel(parameter=int(np.nanargmax(sensitivities["prior"])))
    value = float(worst["prior"])
    label = f"{worst['parameter'].item()}; to the data {float(worst['likelihood']):.3f}"
    quantity = "largest sensitivity to the prior"
    count = sensitivities.sizes["parameter"]
    extreme = describe_extreme(quantity, f"{value:.3f}", label, count)
    return judge_value("sensitivity", value, threshold, f"{extreme}: {worst['diagnosis'].item()}")
