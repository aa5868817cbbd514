"""Predictions at new covariates."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from posterity.data.covariates import make_covariates
from posterity.errors import UserError, hint
from posterity.model.bind import bind_model
from posterity.model.model import BoundModel, trace_predictive
from posterity.model.preflight import find_shape_errors
from posterity.prediction.predict import Values, count_draws, map_draws, split_keys
from posterity.runtime.rng import Stream


@dataclass(frozen=True)
class NewData:
    """
    A model at new covariates.

    Attributes
    ----------
    model : BoundModel
        The model, bound to the covariates.
    covariates : xarray.Dataset
        The new covariates, and those of the data that do not lie along the rows.
    resampled_sites : list of str
        Latent sites with a value per row. Those of new rows are drawn from their prior, given the
        other sites.
    """

    model: BoundModel
    covariates: xr.Dataset
    resampled_sites: list[str]


def bind_new_data(
    model: str, spec: dict[str, Any], at: dict[str, Any], data: xr.Dataset, seed: int, where: str
) -> NewData:
    """
    Bind a model to new covariates.

    Variables in `at` that this model does not use are ignored, since models of a study may have
    different covariates. Covariates that do not lie along the rows are those of the data. A latent
    site whose shape follows the number of rows belongs to the rows.

    Parameters
    ----------
    model : str
        Id of the model.
    spec : dict
        The entry of the model in the study.
    at : dict
        Covariates by variable (see `make_covariates`).
    data : xarray.Dataset
        Data that the model was fitted to.
    seed : int
        Seed of random covariates.
    where : str
        Place of `at` (file and key) for messages.

    Returns
    -------
    NewData
        The model at the new covariates.

    Raises
    ------
    UserError
        If a covariate is missing or unknown, or if the model cannot be bound to the covariates.
    """
    fitted = bind_model(model, spec, data)
    variables = [spec["arguments"].get(argument, argument) for argument in fitted.arguments]
    free = [name for name in variables if name not in fitted.observed_variables]
    at = _choose_covariates(at, free, fitted, data, where)
    rows = _find_rows(at, data, where)
    covariates = _make_rows(at, rows, free, fitted, data, seed, where)
    with_observations = _add_placeholders(covariates, fitted.observed_variables, data)
    bound = bind_model(model, spec, with_observations)
    if errors := find_shape_errors(bound):
        raise UserError(
            f"{where}: the model does not fit these covariates: {errors[0]}. "
            "If the model counts its groups, give rows of each group."
        )
    size = with_observations.sizes[rows]
    longer = bind_model(model, spec, with_observations.isel({rows: [*range(size), 0]}))
    resampled = [
        name
        for name in bound.site_names("latent")
        if longer.sites[name].shape != bound.sites[name].shape
    ]
    _check_sites(bound, fitted, resampled, where)
    return NewData(bound, covariates, resampled)


def _choose_covariates(
    at: dict[str, Any], free: list[str], fitted: BoundModel, data: xr.Dataset, where: str
) -> dict[str, Any]:
    """Return the covariates in `at` that the model uses. `free` are all of its covariates."""
    chosen = {
        name: value
        for name, value in at.items()
        if name in free or name not in data or name in fitted.observed_variables
    }
    if not chosen:
        raise UserError(
            f"{where}: none of these variables is a covariate of {fitted.name}: {hint('', free)}"
        )
    for name in chosen:
        if name not in free:
            raise UserError(
                f"{where}: {name} is not a covariate of {fitted.name}: {hint(name, free)}"
            )
    return chosen


def _find_rows(names: Iterable[str], data: xr.Dataset, where: str) -> str:
    """Return the one dimension of the covariates."""
    dims = {str(dim) for name in names for dim in data[name].dims}
    if len(dims) != 1:
        raise UserError(
            f"{where}: the covariates {', '.join(names)} lie along "
            f"{', '.join(dims) or 'no dimension'}. Give covariates along one dimension."
        )
    return dims.pop()


def _make_rows(
    at: dict[str, Any],
    rows: str,
    free: list[str],
    fitted: BoundModel,
    data: xr.Dataset,
    seed: int,
    where: str,
) -> xr.Dataset:
    """Make the covariates along `rows`, and take the others in `free` from the data."""
    covariates = make_covariates(at, rows, seed, where)
    for name in free:
        if rows in data[name].dims and name not in at:
            raise UserError(
                f"{where}: {name} is a covariate of {fitted.name} too. "
                "Give it as well, as a number or a list."
            )
    others = [name for name in free if rows not in data[name].dims]
    return _fill_rows(covariates, rows, data).merge(data[others])


def _fill_rows(covariates: xr.Dataset, rows: str, data: xr.Dataset) -> xr.Dataset:
    """Repeat single numbers for all rows, and set the types and attributes of the data."""
    if rows not in covariates.sizes:
        covariates = covariates.expand_dims({rows: [0]})
    size = covariates.sizes[rows]
    filled = {
        name: values if values.dims else values.expand_dims({rows: size})
        for name, values in covariates.data_vars.items()
    }
    covariates = xr.Dataset(filled, covariates.coords)
    for name, values in covariates.data_vars.items():
        # The study may write 1 for 1.0, but an index stays an integer.
        kind = data[name].dtype if data[name].dtype.kind == "f" else values.dtype
        covariates[name] = values.astype(kind).assign_attrs(data[name].attrs)
    return covariates


def _add_placeholders(
    covariates: xr.Dataset, observed: Iterable[str], data: xr.Dataset
) -> xr.Dataset:
    """Add zeros for the observed variables, whose shapes the model needs."""
    placeholders = {}
    for name in observed:
        shape = [covariates.sizes.get(dim, data.sizes[dim]) for dim in data[name].dims]
        zeros = np.zeros(shape, data[name].dtype)
        placeholders[name] = (data[name].dims, zeros, data[name].attrs)
    return covariates.assign(placeholders)


def _check_sites(bound: BoundModel, fitted: BoundModel, resampled: list[str], where: str) -> None:
    """Check that the draws fit the sites of the model, and that row sites have a proper prior."""
    for name in bound.site_names("latent"):
        shape = bound.sites[name].shape
        if name not in resampled and shape != fitted.sites[name].shape:
            raise UserError(
                f"{where}: the site '{name}' was fitted with shape {fitted.sites[name].shape}, "
                f"and has shape {shape} with these covariates. "
                "Do not name groups that were not fitted."
            )
    for name in resampled:
        if name in bound.improper_sites:
            raise UserError(
                f"{where}: the site '{name}' has an improper prior, which has no draws for new "
                "rows. Give it a proper prior, or remove `at`."
            )


def predict_new_data(new_data: NewData, latent: Values, stream: Stream) -> Values:
    """
    Predict at new covariates for draws of the latent sites.

    Parameters
    ----------
    new_data : NewData
        The model at the new covariates.
    latent : dict of str to array
        Draws by site, each of shape (draws, ...). Those of `resampled_sites` are not used.
    stream : Stream
        Random stream of the predictions.

    Returns
    -------
    dict of str to array
        Observed and deterministic sites, each of shape (draws, ...).
    """
    model = new_data.model
    fixed = {
        name: values for name, values in latent.items() if name not in new_data.resampled_sites
    }
    sites = [*model.site_names("observed"), *model.site_names("deterministic")]

    def run(inputs: tuple[Any, Any], traced: dict[str, Any]) -> dict[str, Any]:
        key, values = inputs
        messages = trace_predictive(model, key, values, traced)
        return {name: messages[name]["value"] for name in sites}

    return map_draws("new data", run, (split_keys(count_draws(latent), stream), fixed), model)
