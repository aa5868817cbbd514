"""How much do prior and data say about each parameter? Power scaling (Kallioinen et al. 2024, Statistics and Computing 34, 57)."""

import numpy as np
import xarray as xr

from posterity.diagnostics.check import Check, judge_value, skip_check
from posterity.stats.importance import compute_power_scaling
from posterity.stats.summary import flatten_scalars

MIN_DRAWS = 5  # draws that importance weights are smoothed by
SENSITIVITY_LEVEL = 0.05  # above it a parameter is sensitive (section 3.3 of the paper)


def measure_sensitivity(
    posterior: xr.Dataset, log_prior: xr.Dataset, log_likelihood: xr.Dataset, limit: int
) -> xr.Dataset:
    """
    Measure how the posterior moves when prior or likelihood count a little more or less.

    `log_prior` has the log densities of the top-level priors, `log_likelihood` those of the observations, over chain and draw.
    Returns, over `parameter`, `prior` and `likelihood` (sensitivities; a prior is NaN where it is flat) and `diagnosis`, in words.
    """
    labels, draws = flatten_scalars(posterior, limit)
    size = draws.shape[1] * draws.shape[2]
    moving = (
        np.flatnonzero(np.ptp(draws.reshape(len(labels), size), axis=1) > 0)
        if size >= MIN_DRAWS
        else []
    )
    labels, draws = [labels[i] for i in moving], draws[np.asarray(moving, int)]
    sensitivities = {}
    for name, densities in (("prior", log_prior), ("likelihood", log_likelihood)):
        total = np.zeros(draws.shape[1:])
        for values in densities.data_vars.values():
            total = total + values.transpose("chain", "draw", ...).values.reshape(
                *draws.shape[1:], -1
            ).sum(-1)
        moved = compute_power_scaling(draws, total)
        sensitivities[name] = (
            "parameter",
            np.full(len(labels), np.nan) if not moved.any() else moved,
        )
    found = xr.Dataset(sensitivities, {"parameter": labels})
    words = [
        _describe_sensitivity(float(prior), float(data))
        for prior, data in zip(found["prior"], found["likelihood"], strict=True)
    ]
    return found.assign(diagnosis=("parameter", np.array(words, dtype=object)))


def _describe_sensitivity(prior: float, likelihood: float) -> str:
    if np.isnan(prior):
        return "the prior is flat"
    if prior >= SENSITIVITY_LEVEL and likelihood >= SENSITIVITY_LEVEL:
        return "prior and data may disagree"
    if prior >= SENSITIVITY_LEVEL:
        return "the prior is strong, or the data say little"
    return (
        "the data decide" if likelihood >= SENSITIVITY_LEVEL else "neither prior nor data move it"
    )


def check_sensitivity(found: xr.Dataset, limit: float | dict) -> Check:
    """Check the largest sensitivity to the prior."""
    if not found.data_vars:
        return skip_check("sensitivity", "there are no data, so that prior and posterior are one")
    if not found.sizes["parameter"]:
        return skip_check("sensitivity", "no parameter has draws enough that differ")
    if np.isnan(found["prior"]).all():
        return skip_check("sensitivity", "the prior is flat: there is nothing to scale")
    at = int(np.nanargmax(found["prior"]))
    row = found.isel(parameter=at)
    message = (
        f"largest sensitivity to the prior: {float(row['prior']):.3f} ({row['parameter'].item()}; to the data "
        f"{float(row['likelihood']):.3f}): {row['diagnosis'].item()}"
    )
    return judge_value("sensitivity", float(row["prior"]), limit, message)
