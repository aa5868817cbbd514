"""Read the variables of a NetCDF file that a study names as its data."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from posterity.artefact.netcdf import disable_hdf5_locking
from posterity.data.columns import Column, FileContent, make_column
from posterity.errors import UserError

# Value of a floating point number that was never written.
NETCDF_UNWRITTEN = 9.969209968386869e36
CLASSIC_MAGIC = (b"CDF\1", b"CDF\2")
PACKING_ATTRIBUTES = {"scale_factor", "add_offset", "_Unsigned"}


def read_netcdf_variables(file: str) -> FileContent:
    """Return the variables at the top level of a NetCDF file. Raise UserError if there are none."""
    disable_hdf5_locking()
    engine = _choose_engine(file)
    with (
        xr.open_dataset(file, engine=engine, decode_timedelta=False) as data,
        xr.open_dataset(file, engine=engine, decode_times=False, mask_and_scale=False) as raw,
    ):
        if not data.variables:
            raise UserError(_explain_no_variables(file, engine))
        columns = {
            str(name): _read_variable(variable, raw[name])
            for name, variable in data.variables.items()
        }
        return FileContent(columns, frozenset(map(str, data.coords)), False)


def _choose_engine(file: str) -> Any:
    """
    Return the engine of xarray that notices a damaged file.

    netCDF4 fills a classic file that is cut short with zeros. SciPy raises an error.
    """
    with open(file, "rb") as start:
        return "scipy" if start.read(4) in CLASSIC_MAGIC else "netcdf4"


def _explain_no_variables(file: str, engine: Any) -> str:
    groups = xr.open_groups(file, engine=engine) if engine == "netcdf4" else {}
    names = [name for name in groups if name != "/"]
    if names:
        return (
            f"{file}: no variables at the top level of this NetCDF file; it has the groups "
            f"{', '.join(names)}. Copy one of them to the top level of a new file."
        )
    return (
        f"{file}: no variables at the top level of this NetCDF file; it may be cut short. "
        "Create it again."
    )


def _read_variable(variable: xr.Variable, raw: xr.DataArray) -> Column:
    values = variable.values
    missing = np.zeros(values.shape, bool)
    if values.dtype.kind == "O":
        missing = pd.isna(values)
    elif values.dtype.kind == "f":
        missing = np.isnan(values) | (values == values.dtype.type(NETCDF_UNWRITTEN))
        packed = PACKING_ATTRIBUTES & set(variable.encoding)
        if raw.dtype.kind in "iu" and not packed:
            values = raw.values  # xarray converts integers with missing values to floats
    units = str(variable.attrs.get("units", ""))
    label = str(variable.attrs.get("long_name", ""))
    dims = tuple(map(str, variable.dims))
    return make_column(values, missing, "" if units == "1" else units, label, dims)
