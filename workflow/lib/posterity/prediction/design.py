"""The covariates of a study's data, and the test statistics of a model's observed sites."""

from typing import Any

import jax
import numpy as np
import xarray as xr
from scipy.stats import spearmanr

from posterity.model.model import BoundModel, trace_model
from posterity.model.residuals import compute_residuals
from posterity.prediction.statistics import Covariate, SiteDesign, design_statistics

MAX_COVARIATES = 20  # of the columns that the model uses, and of the others
MIN_MONOTONE_CORRELATION = 0.9999  # of the ranks of a column that restates the observations


def design_model_statistics(
    model: BoundModel, spec: dict[str, Any], data: xr.Dataset
) -> dict[str, SiteDesign]:
    """
    Choose the test statistics of all observed sites of a model.

    Parameters
    ----------
    model : BoundModel
        The model, bound to `data`.
    spec : dict
        The entry of the model in the study.
    data : xarray.Dataset
        Data of the study.

    Returns
    -------
    dict of str to SiteDesign
        By observed site.
    """
    designs: dict[str, SiteDesign] = {}

    def collect(traced: dict[str, Any]) -> int:
        messages, _ = trace_model(model, traced)
        for name in model.site_names("observed"):
            shape = compute_residuals(messages[name]).shape
            dims = model.sites[name].dims[: len(shape)]
            covariates = list_covariates(model, spec, data, dims, shape)
            variable = model.observations.get(name)
            observed = None if variable is None else data[variable].values
            designs[name] = design_statistics(messages[name], shape, covariates, observed)
        return 0

    jax.eval_shape(collect, model.traced_arguments)
    return designs


def list_covariates(
    model: BoundModel,
    spec: dict[str, Any],
    data: xr.Dataset,
    dims: tuple[str, ...],
    shape: tuple[int, ...],
) -> list[Covariate]:
    """
    List the columns that vary along the residuals of a site: those of the model first.

    Left out are observed variables, columns that are related to them by derivation, and columns
    that restate them: the residuals depend on these by construction.

    Parameters
    ----------
    model, spec, data
        See `design_model_statistics`.
    dims, shape : tuple
        Dimensions and shape of the residuals.

    Returns
    -------
    list of Covariate
        At most MAX_COVARIATES that the model uses, and as many others.
    """
    used = {spec["arguments"].get(argument, argument) for argument in model.arguments}
    observed = {name for name in model.observed_variables if name in data}
    excluded = find_related_variables(data, observed, used - observed)
    covariates = []
    for name, values in data.data_vars.items():
        if name in excluded or not values.dims or not set(values.dims) <= set(dims):
            continue
        if tuple(data.sizes[dim] for dim in dims if dim in values.dims) != tuple(
            size for dim, size in zip(dims, shape, strict=True) if dim in values.dims
        ):
            continue
        if _restates_observation(values, [data[key] for key in observed]):
            continue
        covariates.append(Covariate(str(name), _spread(values, dims, shape), name in used))
    chosen = [item for item in covariates if item.is_used][:MAX_COVARIATES]
    return chosen + [item for item in covariates if not item.is_used][:MAX_COVARIATES]


def find_related_variables(data: xr.Dataset, observed: set[str], used: set[str]) -> set[str]:
    """
    Return the variables whose values depend on the observed ones by derivation.

    They are the observed variables, what these are derived from unless the model uses it, and all
    that is derived from either: an error of 5 % of the flux depends on the flux.
    """
    sources = {
        str(name): set(filter(None, values.attrs.get("derived_from", "").split(", ")))
        for name, values in data.data_vars.items()
    }
    related = set(observed)
    for _ in sources:
        related |= {source for name in related for source in sources.get(name, ())} - used
    for _ in sources:
        related |= {name for name, of in sources.items() if of & related}
    return related


def _restates_observation(values: xr.DataArray, observations: list[xr.DataArray]) -> bool:
    """Return whether a column is an exact function of an observed variable."""
    if values.dtype.kind not in "iuf":
        return False
    for observation in observations:
        if observation.dims != values.dims or observation.dtype.kind not in "iuf":
            continue
        y = observation.values.astype(float).ravel()
        x = values.values.astype(float).ravel()
        if len(y) < MAX_COVARIATES or not (np.ptp(x) > 0 and np.ptp(y) > 0):
            continue
        is_monotone = abs(spearmanr(x, y).statistic) > MIN_MONOTONE_CORRELATION
        if is_monotone and (_is_linear(x, y) or _is_linear(x**2, y)):
            return True
    return False


def _is_linear(x: np.ndarray, y: np.ndarray) -> bool:
    """Return whether a line through points leaves no residual."""
    return bool(abs(np.corrcoef(x, y)[0, 1]) > 1 - 1e-9)


def _spread(values: xr.DataArray, dims: tuple[str, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Return the values of a column for each residual, flat: numbers, or texts."""
    present = [dim for dim in dims if dim in values.dims]
    array = values.transpose(*present).values
    if array.dtype.kind in "mM":
        array = array.astype("int64").astype(float)
    elif array.dtype.kind not in "iufb":
        array = array.astype(str)
    places = tuple(slice(None) if dim in present else None for dim in dims)
    return np.broadcast_to(array[places], shape).ravel()
