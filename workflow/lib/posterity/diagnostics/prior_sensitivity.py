"""
Sensitivity of a posterior to its prior and to its data, by power scaling.

Source: Kallioinen et al. 2024, Statistics and Computing 34, 57.
"""

import warnings
from collections.abc import Mapping

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
BLOCKS = 10  # of draws, for the Monte Carlo errors
MAX_ERRORS = 50  # scalars with a Monte Carlo error: those most likely to warn
PARTS = ("prior", "likelihood")
REMEDY = "report that prior with the result, and justify it"
# Of the normal scores of a posterior in its prior: if it is smaller, the data have at least halved
# the variance. In a hierarchy they do so through the groups, which the scaling misses.
WEAK_SPREAD = 0.7
ERRORS = 2  # Monte Carlo errors by which a sensitivity must differ from a threshold


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
        Log densities of the priors of the hyperparameters, dimensions (chain, draw, ...).
    log_likelihood : xarray.Dataset
        Log densities of the observations, dimensions (chain, draw, ...).
    limit : int
        The largest number of scalars per site; of a larger site, evenly spaced ones.

    Returns
    -------
    xarray.Dataset
        Over `parameter`, the hyperparameters first: `prior` and `likelihood` (sensitivities; NaN if
        the density is constant, or not finite), `prior_error` and `likelihood_error` (Monte Carlo
        errors, of at most 50 hyperparameters), `hyperparameter` (1 or 0) and `diagnosis`, a text.
    """
    labels, draws = _select_changing_scalars(*flatten_scalars(posterior, limit))
    is_hyper = np.array([label.partition("[")[0] in log_prior for label in labels], dtype=bool)
    order = np.argsort(~is_hyper, kind="stable")
    labels, draws, is_hyper = [labels[i] for i in order], draws[order], is_hyper[order]
    densities = {
        "prior": _sum_log_densities(log_prior, draws.shape[1:]),
        "likelihood": _sum_log_densities(log_likelihood, draws.shape[1:]),
    }
    columns = {name: _compute_scaling(draws, density) for name, density in densities.items()}
    excess = np.where(is_hyper, columns["prior"] - columns["likelihood"], np.nan)
    chosen = np.argsort(-excess, kind="stable")[: min(MAX_ERRORS, int(np.isfinite(excess).sum()))]
    for name, density in densities.items():
        errors = np.full(len(labels), np.nan)
        errors[chosen] = _compute_scaling_errors(draws[chosen], density)
        columns[f"{name}_error"] = errors
    diagnosis = [
        _describe_sensitivity(float(prior), float(likelihood))
        for prior, likelihood in zip(columns["prior"], columns["likelihood"], strict=True)
    ]
    columns["hyperparameter"] = is_hyper.astype(np.int8)
    columns["diagnosis"] = np.array(diagnosis, dtype=object)
    return xr.Dataset(
        {name: ("parameter", values) for name, values in columns.items()}, {"parameter": labels}
    )


def _compute_scaling(
    draws: NDArray[np.float64], log_density: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return sensitivities, shape (scalar,); NaN if the density has none."""
    undefined = np.full(len(draws), np.nan)
    if not len(draws) or not np.isfinite(log_density).all():
        return undefined
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of tails with few draws that differ
            scaling = compute_power_scaling(draws, log_density)
    except ValueError:  # of ArviZ, if the largest weights are equal, as of stuck chains
        return undefined
    return np.where(np.isfinite(scaling), scaling, np.nan) if scaling.any() else undefined


def _compute_scaling_errors(
    draws: NDArray[np.float64], log_density: NDArray[np.float64]
) -> NDArray[np.float64]:
    """
    Return Monte Carlo errors of sensitivities, shape (scalar,), by a jackknife over blocks.

    A block is a stretch of draws of all chains (Künsch 1989, Annals of Statistics 17, 1217). NaN if
    the draws are too few.
    """
    blocks = np.array_split(np.arange(draws.shape[2]), BLOCKS)
    if not len(draws) or draws.shape[2] < 2 * BLOCKS:
        return np.full(len(draws), np.nan)
    without = np.array(
        [
            _compute_scaling(np.delete(draws, block, axis=2), np.delete(log_density, block, axis=1))
            for block in blocks
        ]
    )
    errors: NDArray[np.float64] = np.sqrt((BLOCKS - 1) * without.var(axis=0))
    return errors


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
    """Return a diagnosis in the words of ArviZ, except for a conflict: another check judges it."""
    if np.isnan(prior):
        return "the prior is flat"
    if prior >= SENSITIVITY_LEVEL and likelihood >= SENSITIVITY_LEVEL:
        return "informative prior"
    if prior >= SENSITIVITY_LEVEL:
        return "potential strong prior / weak likelihood"
    if likelihood >= SENSITIVITY_LEVEL:
        return "the data dominate the prior"
    return "insensitive to prior and data"


def check_prior_sensitivity(
    sensitivities: xr.Dataset,
    threshold: Threshold,
    factors: str = "",
    spreads: Mapping[str, float] | None = None,
) -> Check:
    """
    Check for hyperparameters with a strong prior and a weak likelihood.

    Parameters
    ----------
    sensitivities : xarray.Dataset
        The group `psense` of sensitivity.nc.
    threshold : float or dict
        The threshold of the sensitivity to the prior.
    factors : str
        Names of terms by numpyro.factor, which the scaling leaves out.
    spreads : dict
        By scalar, the sd of the normal scores of its draws in its prior (group `prior_conflict`).

    Returns
    -------
    Check
        The largest sensitivity to the prior, less two Monte Carlo errors, of the hyperparameters
        whose sensitivity to the likelihood plus two errors is below 0.05, and whose posterior is
        about as wide as the prior. Without one it is 0.
    """
    name = "prior_sensitivity"
    if not sensitivities.data_vars:
        return skip_check(name, "there are no data: prior and posterior are equal")
    if not sensitivities.sizes["parameter"]:
        return skip_check(name, "no parameter has enough draws that differ")
    judged = sensitivities.isel(parameter=sensitivities["hyperparameter"].values == 1)
    if not judged.sizes["parameter"]:
        return skip_check(name, "no hyperparameter has a prior to scale, and draws that differ")
    if np.isnan(judged["prior"]).all():
        return skip_check(name, "the prior is flat, or not finite: there is nothing to scale")
    if np.isnan(judged["likelihood"]).all():
        return skip_check(name, "the likelihood is constant, or not finite")
    prior, likelihood = judged["prior"].values, judged["likelihood"].values
    errors = {part: np.nan_to_num(judged[f"{part}_error"].values) for part in PARTS}
    is_weak = likelihood + ERRORS * errors["likelihood"] < SENSITIVITY_LEVEL
    known = spreads or {}
    spread = np.array([known.get(str(label), 1.0) for label in judged["parameter"].values])
    is_narrow = spread < WEAK_SPREAD
    is_weak &= ~is_narrow
    lowest = np.where(is_weak, prior - ERRORS * errors["prior"], -np.inf)
    largest = np.nanmax(lowest)
    value = max(0.0, float(largest))
    index = int(np.nanargmax(lowest if value > 0 else prior))
    message = _describe_worst(judged.isel(parameter=index), judged.sizes["parameter"])
    if is_narrow[index] and value == 0:
        message += ", but the posterior is much narrower than the prior"
    if factors:
        noun = "a factor" if "," not in factors else "factors"
        message += f"; the density has {noun} ({factors}), which the power scaling leaves out"
    return judge_value(name, value, threshold, message, remedy=REMEDY)


def _describe_worst(worst: xr.Dataset, count: int) -> str:
    numbers = {}
    for part in PARTS:
        error = float(worst[f"{part}_error"])
        shown = "" if np.isnan(error) else f" ± {error:.2g}"
        numbers[part] = f"{float(worst[part]):.3f}{shown}"
    label = f"{worst['parameter'].item()}; to the data {numbers['likelihood']}"
    quantity = "largest sensitivity to the prior"
    extreme = describe_extreme(quantity, numbers["prior"], label, count, "hyperparameter scalars")
    return f"{extreme}: {worst['diagnosis'].item()}"
