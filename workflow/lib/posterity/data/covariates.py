"""Designs: covariates that a study sets, for a simulation or for predictions."""

import numpy as np
import xarray as xr

from posterity.errors import UserError
from posterity.runtime.rng import derive_generator


def make_covariates(design: dict, dim: str, seed: int, where: str) -> xr.Dataset:
    """
    Make the covariates that a design states.

    Each is a number, a list, {linspace: [a, b, n]}, or {uniform: [a, b, n]} (drawn, and sorted). All that have a length must
    have the same one. Raises UserError otherwise.
    """
    data = xr.Dataset()
    for name, value in design.items():
        match value:
            case {"linspace": [int() | float() as a, int() | float() as b, int() as n]} if n > 0:
                values = np.linspace(a, b, n)
            case {"uniform": [int() | float() as a, int() | float() as b, int() as n]} if n > 0:
                values = np.sort(derive_generator(seed, "design", name).uniform(a, b, n))
            case [_, *_] | int() | float():
                values = np.asarray(value)
            case _:
                raise UserError(
                    f"{where}: {name}: give a number, a list, {{linspace: [a, b, n]}} or {{uniform: [a, b, n]}}"
                )
        if values.dtype.kind not in "iufb" or values.ndim > 1:
            raise UserError(f"{where}: {name}: numbers are needed, not {value!r}")
        if values.ndim and data.sizes.get(dim, values.size) != values.size:
            raise UserError(
                f"{where}: {name} has {values.size} values and the others {data.sizes[dim]}; give one number"
            )
        data[name] = ((dim,) if values.ndim else (), values)
    return data.assign_coords({dim: np.arange(data.sizes[dim])}) if dim in data.sizes else data
