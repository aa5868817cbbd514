"""Predictions at new covariates."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from posterity.data.covariates import make_covariates
from posterity.errors import UserError, hint
from posterity.model.bind import bind_model
from posterity.model.model import BoundModel, trace_predictive
from posterity.model.preflight import find_shape_errors
from posterity.prediction.predict import _derive_draw_keys, _map_draws
from posterity.runtime.rng import Stream


@dataclass(frozen=True)
class NewData:
    """New covariates, the model bound to them, and the latent sites that belong to the rows and have to be drawn anew."""

    model: BoundModel
    covariates: xr.Dataset
    drawn: list[str]


def bind_new_data(
    id: str, spec: dict, at: dict, data: xr.Dataset, seed: int, where: str
) -> NewData:
    """
    Bind a model to new covariates.

    `at` gives a covariate by variable (see `design.covariates`); variables of the data that this model does not take are passed
    over, and what does not go along the rows is taken from the data. A latent site whose shape follows the number of rows belongs
    to the rows that were fitted. Raises UserError for a covariate that is missing or unknown, and for a model that cannot be bound
    to them.
    """
    fitted = bind_model(id, spec, data)
    known = [spec["arguments"].get(argument, argument) for argument in fitted.arguments]
    free = [name for name in known if name not in fitted.observed_variables]
    at = {
        name: value
        for name, value in at.items()
        if name in free or name not in data or name in fitted.observed_variables
    }
    if not at:
        raise UserError(f"{where}: none of these is a covariate of {fitted.name}: {hint('', free)}")
    for name in at:
        if name not in free:
            raise UserError(f"{where}: {name} is no covariate of {fitted.name}: {hint(name, free)}")
    dims = {dim for name in at for dim in data[name].dims}
    if len(dims) != 1:
        lie = ", ".join(map(str, dims)) or "no dimension"
        raise UserError(
            f"{where}: the covariates {', '.join(at)} lie along {lie}; give those of one"
        )
    rows = str(dims.pop())
    new = make_covariates(at, rows, seed, where)
    if rows not in new.sizes:
        new = new.expand_dims({rows: [0]})
    missing = [name for name in free if rows in data[name].dims and name not in at]
    if missing:
        raise UserError(
            f"{where}: {missing[0]} is a covariate of {fitted.name} too; give it as well, as a number or a list"
        )
    along = {
        name: one if one.dims else one.expand_dims({rows: new.sizes[rows]})
        for name, one in new.data_vars.items()
    }
    new = xr.Dataset(along, new.coords)
    for name in new.data_vars:
        kind = (
            data[name].dtype if data[name].dtype.kind == "f" else new[name].dtype
        )  # 1 stands for 1.0, but an index stays one
        new[name] = new[name].astype(kind).assign_attrs(data[name].attrs)
    new = new.merge(data[[name for name in free if rows not in data[name].dims]])
    for name in fitted.observed_variables:  # drawn anew; only their shapes matter
        shape = [new.sizes.get(dim, data.sizes[dim]) for dim in data[name].dims]
        new[name] = (data[name].dims, np.zeros(shape, data[name].dtype), data[name].attrs)
    bound = bind_model(id, spec, new)
    if unfit := find_shape_errors(bound):
        raise UserError(
            f"{where}: with these covariates {unfit[0]}; a model that counts its groups needs rows of each of them"
        )
    longer = bind_model(id, spec, new.isel({rows: [*range(new.sizes[rows]), 0]}))
    drawn = [
        name
        for name in bound.site_names("latent")
        if longer.sites[name].shape != bound.sites[name].shape
    ]
    for name in set(bound.site_names("latent")) - set(drawn):
        if bound.sites[name].shape != fitted.sites[name].shape:
            shapes = (
                f"{fitted.sites[name].shape}, and {bound.sites[name].shape} with these covariates"
            )
            raise UserError(
                f"{where}: the site '{name}' was fitted with shape {shapes}: they name groups that were not fitted"
            )
    for name in drawn:
        if name in bound.improper_sites:
            raise UserError(
                f"{where}: the site '{name}' has an improper prior, so that no new values of it can be drawn"
            )
    return NewData(bound, new.drop_vars(list(fitted.observed_variables)), drawn)


def predict_new_data(
    there: NewData, latent: dict[str, np.ndarray], stream: Stream
) -> dict[str, np.ndarray]:
    """
    Predict at new covariates for draws of the latent sites, each of shape (draws, ...).

    Latent sites that belong to the rows are drawn anew, from their distribution given the others. Returns observed and
    deterministic sites by name, each of shape (draws, ...).
    """
    kept = {name: values for name, values in latent.items() if name not in there.drawn}
    wanted = [*there.model.site_names("observed"), *there.model.site_names("deterministic")]

    def run(inputs, traced):
        key, values = inputs
        messages = trace_predictive(there.model, key, values, traced)
        return {name: messages[name]["value"] for name in wanted}

    draws = len(next(iter(latent.values())))
    return _map_draws("elsewhere", run, (_derive_draw_keys(draws, stream), kept), there.model)
