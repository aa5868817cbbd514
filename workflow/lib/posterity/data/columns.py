"""Columns of a table and variables of a NetCDF file, before a study selects from them."""

from typing import NamedTuple

import numpy as np

# NumPy kind of the values -> what stands for a missing value.
MISSING_VALUES = {"f": np.nan, "c": np.nan, "O": None, "M": "NaT", "m": "NaT"}
NETCDF_FLOAT_BYTES = (4, 8)  # sizes of the floating point numbers of NetCDF


class Column(NamedTuple):
    """
    One column of a table, or one variable of a NetCDF file.

    Attributes
    ----------
    values : array
        Missing values are NaN, NaT or None. Integers and booleans with missing values are a masked
        array.
    dims : tuple of str
        Dimensions. Those of a column are the table's own and, for vectors, "1", "2", ...
    units, label : str
        As the file states them; empty if it does not.
    """

    values: np.ndarray
    dims: tuple[str, ...] = ()
    units: str = ""
    label: str = ""


class FileContent(NamedTuple):
    """
    Content of a file.

    Attributes
    ----------
    columns : dict of str to Column
        Columns or variables, by name.
    coords : frozenset of str
        The names in `columns` that are coordinates.
    table : bool
        Whether the file is a table; else it is a NetCDF file.
    """

    columns: dict[str, Column]
    coords: frozenset[str]
    table: bool


def make_column(
    values: np.ndarray,
    missing: np.ndarray,
    units: str = "",
    label: str = "",
    dims: tuple[str, ...] = (),
) -> Column:
    """
    Make a column of native numbers, dates, or objects of type str.

    Parameters
    ----------
    values : array
        Values as the file holds them.
    missing : array of bool
        Where a value is missing, of the shape of `values`.
    units, label : str
        Texts of the file about the column.
    dims : tuple of str
        Dimensions of the column.
    """
    values = _convert_kind(values)
    if missing.any():
        kind = values.dtype.kind
        if kind in MISSING_VALUES:
            empty = np.array(MISSING_VALUES[kind], values.dtype)
            values = np.where(missing, empty, values)
        else:
            values = np.ma.array(values, mask=missing)
    return Column(values, dims, units, " ".join(label.split()))


def unmask_values(values: np.ndarray) -> np.ndarray:
    """Return masked integers as an ordinary array: floats with NaN if values are missing."""
    if not isinstance(values, np.ma.MaskedArray):
        return values
    if values.mask.any():
        return np.ma.filled(values.astype(float), np.nan)
    return values.data


def _convert_kind(values: np.ndarray) -> np.ndarray:
    kind = values.dtype.kind
    if kind == "S":
        values = np.char.decode(values, "utf-8")
    if kind in "SUT":
        return values.astype(object)
    if kind == "f" and values.dtype.itemsize not in NETCDF_FLOAT_BYTES:
        return values.astype(np.float32 if values.dtype.itemsize == 2 else np.float64)
    if kind in "iufc":
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    return values
