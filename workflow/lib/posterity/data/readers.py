"""Files of data in their formats: the columns of CSV, ECSV, FITS and Parquet tables, and the variables of NetCDF files."""

import bz2
import csv
import gzip
import io
import logging
import lzma
import re
import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from posterity.config.csv_header import check_distinct, check_header, name_columns
from posterity.errors import UserError

FORMATS = {
    ".ecsv": "ECSV",
    ".fits": "FITS",
    ".fit": "FITS",
    ".parquet": "Parquet",
    ".pq": "Parquet",
}
FORMATS |= {".nc": "NetCDF", ".nc4": "NetCDF"}
COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")
NETCDF_UNWRITTEN = (
    9.969209968386869e36  # what NetCDF holds where a floating point number was never written
)

log = logging.getLogger("posterity")


class Column(NamedTuple):
    """
    One column or variable.

    Missing values are NaN, NaT or None; integers and booleans are a masked array where some are missing. The dimensions of a
    table's column are the table's own and, for vectors, "1", "2", ...
    """

    values: np.ndarray
    dims: tuple[str, ...] = ()
    units: str = ""
    label: str = ""


class FileContent(NamedTuple):
    """What is in a file: columns by name, which of them are coordinates, and whether it is a table (else NetCDF)."""

    columns: dict[str, Column]
    coords: frozenset[str]
    table: bool


def detect_format(file: str) -> str:
    """Tell the format of a file by its extension; CSV where it says nothing else."""
    suffixes = [suffix.lower() for suffix in Path(file).suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return FORMATS.get(suffixes[-1], "CSV") if suffixes else "CSV"


def read_file(file: str, dim: str, hdu: int | str | None, study_file: str) -> FileContent:
    """
    Read a file of any of the formats. `dim` is the dimension of a table's rows, `hdu` the part of a FITS file (number or name).

    Warnings of the packages that read are written to the log. Raises UserError, naming the file, for one that is not there, is
    damaged or of another format, or holds no table.
    """
    kind = detect_format(file)
    if hdu is not None and kind != "FITS":
        raise UserError(
            f"{study_file}: data: hdu: {file} is no FITS file by its extension; take the key out"
        )
    remedy = "it may be cut short, damaged or of another format; make it anew"
    if kind == "CSV":
        remedy = "give CSV (in UTF-8, with a header line) or a file .ecsv, .fits, .parquet or .nc"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if kind == "NetCDF":
                content = _read_netcdf(file)
            else:
                columns = _read_fits(file, hdu) if kind == "FITS" else TABLE_READERS[kind](file)
                dims = {
                    name: (dim, *map(str, range(1, column.values.ndim)))
                    for name, column in columns.items()
                }
                columns = {
                    name: column._replace(dims=dims[name]) for name, column in columns.items()
                }
                content = FileContent(columns, frozenset(), True)
        except (UserError, MemoryError):
            raise
        except FileNotFoundError:
            raise UserError(
                f"{file}: there is no such file; look at `data: file:` of the study"
            ) from None
        except Exception as error:  # what a package raises on a damaged file is anything
            reason = textwrap.shorten(str(error).strip() or type(error).__name__, 200)
            what = "table" if kind == "CSV" else f"{kind} file"
            raise UserError(
                f"{file}: this is no {what} that can be read ({reason}); {remedy}"
            ) from error
    for warning in caught:
        log.warning("%s: %s", file, warning.message)
    return content


def _column(
    values: np.ndarray,
    missing: np.ndarray,
    units: str = "",
    label: str = "",
    dims: tuple[str, ...] = (),
) -> Column:
    """Bring values to native numbers, dates, or objects that are str, and mark what is missing."""
    kind = values.dtype.kind
    if kind == "S":
        values = np.char.decode(values, "utf-8")
    if kind in "SUT":
        values = values.astype(object)
    elif kind == "f" and values.dtype.itemsize not in (4, 8):  # which NetCDF does not have
        values = values.astype(np.float32 if values.dtype.itemsize == 2 else np.float64)
    elif kind in "iufc":
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if missing.any():
        empty = {"f": np.nan, "c": np.nan, "O": None, "M": "NaT", "m": "NaT"}
        kind = values.dtype.kind
        if kind in empty:
            values = np.where(missing, np.array(empty[kind], values.dtype), values)
        else:
            values = np.ma.array(values, mask=missing)
    return Column(values, dims, units, " ".join(label.split()))


def _read_csv(file: str) -> dict[str, Column]:
    options = {"skipinitialspace": True, "encoding": "utf-8-sig"}
    cells = {"header": None, "nrows": 1, "dtype": str, "keep_default_na": False}
    headers = {
        sep: pd.read_csv(file, sep=sep, **cells, **options).iloc[0].tolist() for sep in ",\t"
    }
    sep = max(headers, key=lambda sep: len(headers[sep]))
    names = name_columns(headers[sep])
    check_header(names, file)
    try:
        frame = pd.read_csv(
            file, sep=sep, dtype_backend="numpy_nullable", low_memory=False, **options
        )
    except pd.errors.ParserError as error:
        if long := _find_long_line(error):
            line, cells = long
            raise UserError(
                f"{file}: line {line} has {cells} cells, but the header has {len(names)}; correct the line"
            ) from None
        raise
    if not isinstance(
        frame.index, pd.RangeIndex
    ):  # pandas takes what is too much for labels of the rows
        raise UserError(
            f"{file}: row 1 has more cells than the header, which has {len(names)}; correct the row or the header"
        )
    frame.columns = names
    if len(names) > 1 and frame.dtypes.iloc[0].kind == "O" and len(frame):
        comments = frame.iloc[:, 0].str.startswith("#").fillna(False) & frame.iloc[
            :, 1:
        ].isna().all(axis=1)
        if comments.any():
            row = int(np.flatnonzero(comments)[0]) + 1
            raise UserError(
                f"{file}: row {row} (counted from 1 below the header) begins with #; take comment lines out of the file"
            )
    empty = {"f": np.nan, "i": 0, "u": 0, "b": False, "O": None}
    columns = {}
    for name in names:
        series = frame[name]
        dtype = object if series.dtype.kind == "O" else series.dtype.numpy_dtype
        columns[name] = _column(
            series.to_numpy(dtype, na_value=empty[series.dtype.kind]), series.isna().to_numpy(bool)
        )
    return columns


def _find_long_line(error: pd.errors.ParserError) -> tuple[int, int] | None:
    """
    Return the line with too many cells and their number, or None for another error.

    pandas gives them in the text of its error only ("Expected 2 fields in line 3, saw 3").
    """
    found = re.search(r"in line (\d+), saw (\d+)", str(error))
    return (int(found[1]), int(found[2])) if found else None


def _read_ecsv(file: str) -> dict[str, Column]:
    from astropy.table import Table

    lines = io.TextIOWrapper(io.BytesIO(_read_bytes(file)), encoding="utf-8-sig")
    lines = [line.rstrip("\n") for line in lines]
    table = Table.read(lines, format="ascii.ecsv")
    header = next(line for line in lines if line.strip() and not line.startswith("#"))
    for names in csv.reader([header], delimiter=" "), csv.reader([header], delimiter=","):
        if len(found := next(names)) == len(
            table.colnames
        ):  # astropy calls the second of two columns x x_1
            check_distinct(found, file)
    return _convert_astropy(table)


def _read_bytes(file: str) -> bytes:
    """Read a file whole, so that the checksum of a compressed one is looked at."""
    decompress = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}
    return decompress.get(Path(file).suffix.lower(), bytes)(Path(file).read_bytes())


def _raise_on_damage() -> None:
    """
    Make errors of the warnings of `astropy.io.fits` about a file that is cut short or has a wrong checksum.

    astropy has no category of their own for them: they are AstropyUserWarning, as is much that does no harm.
    """
    from astropy.utils.exceptions import AstropyUserWarning

    damage = r"(?s).*(truncated|(Checksum|Datasum) verification failed)"
    warnings.filterwarnings("error", message=damage, category=AstropyUserWarning)


def _read_fits(file: str, hdu: int | str | None) -> dict[str, Column]:
    from astropy.io import fits
    from astropy.table import Table

    _raise_on_damage()
    with fits.open(io.BytesIO(_read_bytes(file)), checksum=True) as parts:
        known = [
            f"{place} ({part.name})" if part.name else str(place)
            for place, part in enumerate(parts)
        ]
        tables = {
            place: part
            for place, part in enumerate(parts)
            if isinstance(part, fits.BinTableHDU | fits.TableHDU)
            and not isinstance(part, fits.CompImageHDU)
        }
        if not tables:
            raise UserError(
                f"{file}: there is no table in this FITS file, or it is cut short; it has the parts {', '.join(known)}"
            )
        of_tables = ", ".join(known[place] for place in tables)
        chosen = next(iter(tables))
        if hdu is not None:
            found = [
                place
                for place, part in enumerate(parts)
                if hdu == place or str(hdu).lower() == part.name.lower()
            ]
            if not found:
                raise UserError(
                    f"{file}: there is no hdu '{hdu}', which the study names; the tables are {of_tables}"
                )
            chosen = next((place for place in found if place in tables), None)
            if chosen is None:
                raise UserError(
                    f"{file}: hdu '{hdu}', which the study names, is no table; the tables are {of_tables}"
                )
        check_distinct(tables[chosen].columns.names, file)
        return _convert_astropy(Table.read(tables[chosen]))


def _convert_astropy(table) -> dict[str, Column]:
    from astropy.table import Column as Plain

    columns = {}
    for name in table.colnames:
        column = table[name]
        if isinstance(column, Plain):  # masked columns too
            values, missing = np.ma.getdata(column.data), np.ma.getmaskarray(column.data)
        else:  # Time, SkyCoord: refused by their name where the study keeps them
            values, missing = (
                np.full(len(column), type(column), object),
                np.zeros(len(column), bool),
            )
        units = "" if column.info.unit is None else str(column.info.unit)
        columns[name] = _column(np.asarray(values), missing, units, column.info.description or "")
    return columns


def _read_parquet(file: str) -> dict[str, Column]:
    import pyarrow as pa
    from pyarrow import parquet

    with parquet.ParquetFile(file) as parts:
        table = parts.read()
    check_distinct(table.column_names, file)
    columns = {}
    for field in table.schema:
        if re.fullmatch(
            r"__index_level_\d+__", field.name
        ):  # the row labels of a pandas table without a name
            continue
        values, kind = table.column(field.name), field.type
        missing = values.is_null().to_numpy()
        if pa.types.is_dictionary(kind):
            values = values.cast(kind.value_type)
        elif pa.types.is_decimal(kind):
            values = values.cast(pa.float64())
        elif pa.types.is_timestamp(kind) and kind.tz:
            values = values.cast(pa.timestamp(kind.unit))  # as UTC
        if missing.any() and (pa.types.is_integer(values.type) or pa.types.is_boolean(values.type)):
            values = values.fill_null(pa.scalar(0).cast(values.type))
        notes = {
            key.decode(): text.decode()
            for key, text in (field.metadata or {}).items()
            if key in (b"unit", b"units")
        }
        columns[field.name] = _column(
            values.to_numpy(), missing, notes.get("units", notes.get("unit", ""))
        )
    return columns


def _read_netcdf(file: str) -> FileContent:
    with open(
        file, "rb"
    ) as start:  # where a classic file is cut short, netCDF4 fills it with zeros, scipy tells
        engine = "scipy" if start.read(4) in (b"CDF\1", b"CDF\2") else "netcdf4"
    columns = {}
    with (
        xr.open_dataset(file, engine=engine, decode_timedelta=False) as data,
        xr.open_dataset(file, engine=engine, decode_times=False, mask_and_scale=False) as raw,
    ):
        if not data.variables:
            groups = (
                [name for name in xr.open_groups(file, engine=engine) if name != "/"]
                if engine == "netcdf4"
                else []
            )
            of_groups = (
                f": they are in the groups {', '.join(groups)}; copy one to the top of a file of its own"
                if groups
                else ""
            )
            raise UserError(
                f"{file}: there are no variables at the top of this NetCDF file{of_groups or ', it may be cut short'}"
            )
        for name, variable in data.variables.items():
            values, encoding = variable.values, variable.encoding
            missing = np.zeros(values.shape, bool)
            if values.dtype.kind == "O":
                missing = pd.isna(values)
            elif values.dtype.kind == "f":
                missing = np.isnan(values) | (values == values.dtype.type(NETCDF_UNWRITTEN))
                packed = {"scale_factor", "add_offset", "_Unsigned"} & set(encoding)
                if (
                    raw[name].dtype.kind in "iu" and not packed
                ):  # xarray makes integers with gaps floats
                    values = raw[name].values
            units = str(variable.attrs.get("units", ""))
            label = str(variable.attrs.get("long_name", ""))
            columns[str(name)] = _column(
                values,
                missing,
                "" if units == "1" else units,
                label,
                tuple(map(str, variable.dims)),
            )
        return FileContent(columns, frozenset(map(str, data.coords)), False)


TABLE_READERS: dict[str, Callable[[str], dict[str, Column]]] = {
    "CSV": _read_csv,
    "ECSV": _read_ecsv,
    "Parquet": _read_parquet,
}
