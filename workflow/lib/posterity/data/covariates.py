"""Covariates that a study sets: the design of a simulation, and the rows of predictions."""

from typing import Any

import numpy as np
import xarray as xr

from posterity.errors import UserError
from posterity.runtime.rng import Stream


def make_covariates(design: dict[str, Any], dim: str, seed: int, where: str) -> xr.Dataset:
    """
    Make the covariates of a design.

    Parameters
    ----------
    design : dict
        By name: a number, a list, `{linspace: [a, b, n]}`, or `{uniform: [a, b, n]}` (n random
        values, sorted).
    dim : str
        Dimension of the covariates that have several values.
    seed : int
        Seed of the random values.
    where : str
        Place of the design (file and key) for messages.

    Returns
    -------
    xarray.Dataset
        One variable per covariate: of shape (n,) along `dim`, or a single number.

    Raises
    ------
    UserError
        If a covariate has another form, or if two have different lengths.
    """
    data = xr.Dataset()
    for name, value in design.items():
        values = _make_values(name, value, seed, f"{where}: {name}")
        if values.ndim and data.sizes.get(dim, values.size) != values.size:
            raise UserError(
                f"{where}: {name} has {values.size} values, other covariates have "
                f"{data.sizes[dim]}. Give as many values, or one number."
            )
        data[name] = ((dim,) if values.ndim else (), values)
    if dim in data.sizes:
        data = data.assign_coords({dim: np.arange(data.sizes[dim])})
    return data


def _make_values(name: str, value: Any, seed: int, where: str) -> np.ndarray:
    match value:
        case {"linspace": [int() | float() as start, int() | float() as stop, int() as count]} if (
            count > 0
        ):
            return np.linspace(start, stop, count)
        case {"uniform": [int() | float() as low, int() | float() as high, int() as count]} if (
            count > 0
        ):
            return np.sort(Stream(seed).generator("design", name).uniform(low, high, count))
        case [_, *_] | int() | float():
            values = np.asarray(value)
        case _:
            raise UserError(
                f"{where}: {value!r} is not a covariate. "
                "Give a number, a list, {linspace: [a, b, n]} or {uniform: [a, b, n]}."
            )
    if values.dtype.kind not in "iufb" or values.ndim > 1:
        raise UserError(f"{where}: {value!r} is not a list of numbers. Give numbers only.")
    return values
