"""Read files of data: CSV, ECSV, FITS and Parquet tables, and NetCDF files."""

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
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from posterity.config.csv_header import check_distinct, check_header, name_columns
from posterity.data.columns import Column, FileContent, make_column
from posterity.data.netcdf_variables import read_netcdf_variables
from posterity.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = {
    ".ecsv": "ECSV",
    ".fits": "FITS",
    ".fit": "FITS",
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".nc": "NetCDF",
    ".nc4": "NetCDF",
}
COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")
CSV_OPTIONS: dict[str, Any] = {"skipinitialspace": True, "encoding": "utf-8-sig"}
# Kind of a pandas column -> what fills the cells of missing values, which are marked apart.
CSV_FILL_VALUES = {"f": np.nan, "i": 0, "u": 0, "b": False, "O": None}
MAX_REASON_CHARACTERS = 200

log = logging.getLogger("posterity")


def detect_format(file: str) -> str:
    """Return the format of a file by its extension; CSV for unknown extensions."""
    suffixes = [suffix.lower() for suffix in Path(file).suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return FORMATS.get(suffixes[-1], "CSV") if suffixes else "CSV"


def read_file(file: str, dim: str, hdu: int | str | None, study_file: str) -> FileContent:
    """
    Read a file of any of the formats.

    Warnings of the packages that read it go to the log.

    Parameters
    ----------
    file : str
        Path of the file. Its extension names the format.
    dim : str
        Dimension of the rows of a table.
    hdu : int, str or None
        Part of a FITS file: number or name. None takes the first table.
    study_file : str
        Path of the study file for messages.

    Returns
    -------
    FileContent
        The columns of the table, or the variables of the NetCDF file.

    Raises
    ------
    UserError
        If the file is missing, damaged or of another format, or holds no table.
    """
    kind = detect_format(file)
    if hdu is not None and kind != "FITS":
        raise UserError(
            f"{study_file}: data: hdu: {file} does not have the extension of a FITS file. "
            "Remove the key."
        )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            content = _read_format(kind, file, dim, hdu)
        except (UserError, MemoryError):
            raise
        except FileNotFoundError:
            raise UserError(
                f"{file}: file not found. Correct `data: file:` in {study_file}."
            ) from None
        except Exception as error:  # packages raise errors of any type on a damaged file
            raise UserError(_explain_unreadable(file, kind, error)) from error
    for warning in caught:
        log.warning("%s: %s", file, warning.message)
    return content


def _read_format(kind: str, file: str, dim: str, hdu: int | str | None) -> FileContent:
    if kind == "NetCDF":
        return read_netcdf_variables(file)
    columns = _read_fits(file, hdu) if kind == "FITS" else TABLE_READERS[kind](file)
    columns = {name: _name_dims(column, dim) for name, column in columns.items()}
    return FileContent(columns, frozenset(), True)


def _name_dims(column: Column, dim: str) -> Column:
    """Name the dimensions of a table's column: `dim` and, for vectors, "1", "2", ..."""
    return column._replace(dims=(dim, *map(str, range(1, column.values.ndim))))


def _explain_unreadable(file: str, kind: str, error: Exception) -> str:
    reason = textwrap.shorten(str(error).strip() or type(error).__name__, MAX_REASON_CHARACTERS)
    if kind == "CSV":
        return (
            f"{file}: not a readable table ({reason}). Give a CSV file (in UTF-8, with a header "
            "line), or one with the extension .ecsv, .fits, .parquet or .nc."
        )
    return (
        f"{file}: not a readable {kind} file ({reason}). "
        "It may be cut short, damaged or of another format. Create it again."
    )


def _read_csv(file: str) -> dict[str, Column]:
    separator, names = _read_csv_names(file)
    check_header(names, file)
    frame = _read_csv_frame(file, separator, names)
    _check_comments(frame, file)
    return {name: _convert_series(frame[name]) for name in names}


def _read_csv_names(file: str) -> tuple[str, list[str]]:
    """Return the separator, comma or tab, and the names of the columns."""
    headers = {separator: _read_csv_cells(file, separator) for separator in ",\t"}
    separator = max(headers, key=lambda separator: len(headers[separator]))
    return separator, name_columns(headers[separator])


def _read_csv_cells(file: str, separator: str) -> list[str]:
    """Return the cells of the first line."""
    frame = pd.read_csv(
        file,
        sep=separator,
        header=None,
        nrows=1,
        dtype=str,
        keep_default_na=False,
        **CSV_OPTIONS,
    )
    return frame.iloc[0].tolist()


def _read_csv_frame(file: str, separator: str, names: list[str]) -> pd.DataFrame:
    try:
        frame = pd.read_csv(
            file,
            sep=separator,
            dtype_backend="numpy_nullable",
            low_memory=False,
            **CSV_OPTIONS,
        )
    except pd.errors.ParserError as error:
        if long_line := _find_long_line(error):
            line, cells = long_line
            raise UserError(
                f"{file}: line {line} has {cells} cells, but the header has {len(names)}. "
                "Correct the line."
            ) from None
        raise
    if not isinstance(frame.index, pd.RangeIndex):  # pandas uses extra cells as labels of the rows
        raise UserError(
            f"{file}: row 1 has more cells than the header, which has {len(names)}. "
            "Correct the row or the header."
        )
    frame.columns = names
    return frame


def _check_comments(frame: pd.DataFrame, file: str) -> None:
    """Refuse rows whose first cell begins with # and whose other cells are empty."""
    if len(frame.columns) < 2 or frame.dtypes.iloc[0].kind != "O" or not len(frame):
        return
    marked = frame.iloc[:, 0].str.startswith("#").fillna(False)
    comments = marked & frame.iloc[:, 1:].isna().all(axis=1)
    if comments.any():
        row = int(np.flatnonzero(comments)[0]) + 1
        raise UserError(
            f"{file}: row {row} (counted from 1 below the header) begins with #. "
            "Remove comment lines from the file."
        )


def _convert_series(series: pd.Series) -> Column:
    kind = series.dtype.kind
    dtype = object if kind == "O" else series.dtype.numpy_dtype
    values = series.to_numpy(dtype, na_value=CSV_FILL_VALUES[kind])
    return make_column(values, series.isna().to_numpy(bool))


def _find_long_line(error: pd.errors.ParserError) -> tuple[int, int] | None:
    """
    Return the line with too many cells and their number, or None for another error.

    pandas gives them in the text of its error only ("Expected 2 fields in line 3, saw 3").
    """
    match = re.search(r"in line (\d+), saw (\d+)", str(error))
    return (int(match[1]), int(match[2])) if match else None


def _read_ecsv(file: str) -> dict[str, Column]:
    from astropy.table import Table

    text = io.TextIOWrapper(io.BytesIO(_read_bytes(file)), encoding="utf-8-sig")
    lines = [line.rstrip("\n") for line in text]
    table = Table.read(lines, format="ascii.ecsv")
    header = next(line for line in lines if line.strip() and not line.startswith("#"))
    # astropy renames the second of two columns `x` to `x_1`.
    for names in csv.reader([header], delimiter=" "), csv.reader([header], delimiter=","):
        cells = next(names)
        if len(cells) == len(table.colnames):
            check_distinct(cells, file)
    return _convert_astropy(table)


def _read_bytes(file: str) -> bytes:
    """Return all bytes of a file, so that the checksum of a compressed file is checked."""
    decompress = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}
    return decompress.get(Path(file).suffix.lower(), bytes)(Path(file).read_bytes())


def _raise_on_damage() -> None:
    """
    Turn warnings of `astropy.io.fits` about a damaged file into errors.

    They concern files that are cut short or have a wrong checksum. astropy gives them the category
    AstropyUserWarning, as it does to many harmless ones.
    """
    from astropy.utils.exceptions import AstropyUserWarning

    damage = r"(?s).*(truncated|(Checksum|Datasum) verification failed)"
    warnings.filterwarnings("error", message=damage, category=AstropyUserWarning)


def _read_fits(file: str, hdu: int | str | None) -> dict[str, Column]:
    from astropy.io import fits
    from astropy.table import Table

    _raise_on_damage()
    with fits.open(io.BytesIO(_read_bytes(file)), checksum=True) as parts:
        chosen = parts[_choose_hdu(parts, hdu, file)]
        check_distinct(chosen.columns.names, file)
        return _convert_astropy(Table.read(chosen))


def _choose_hdu(parts: Any, hdu: int | str | None, file: str) -> int:
    """Return the number of the table to read: the one that the study names, or the first."""
    labels = [
        f"{index} ({part.name})" if part.name else str(index) for index, part in enumerate(parts)
    ]
    tables = [index for index, part in enumerate(parts) if _is_fits_table(part)]
    if not tables:
        raise UserError(
            f"{file}: no table in this FITS file, or it is cut short. "
            f"It has the parts {', '.join(labels)}."
        )
    if hdu is None:
        return tables[0]
    matches = [
        index
        for index, part in enumerate(parts)
        if hdu == index or str(hdu).lower() == part.name.lower()
    ]
    choice = f"Choose one of the tables: {', '.join(labels[index] for index in tables)}."
    if not matches:
        raise UserError(f"{file}: hdu '{hdu}' is not in this file. {choice}")
    for index in matches:
        if index in tables:
            return index
    raise UserError(f"{file}: hdu '{hdu}' is not a table. {choice}")


def _is_fits_table(part: Any) -> bool:
    from astropy.io import fits

    is_table = isinstance(part, fits.BinTableHDU | fits.TableHDU)
    return is_table and not isinstance(part, fits.CompImageHDU)


def _convert_astropy(table: Any) -> dict[str, Column]:
    return {name: _convert_astropy_column(table[name]) for name in table.colnames}


def _convert_astropy_column(column: Any) -> Column:
    from astropy.table import Column as PlainColumn

    if isinstance(column, PlainColumn):  # MaskedColumn too
        values = np.ma.getdata(column.data)
        missing = np.ma.getmaskarray(column.data)
    else:  # Time or SkyCoord: refused by name only if the study uses the column
        values = np.full(len(column), type(column), object)
        missing = np.zeros(len(column), bool)
    units = "" if column.info.unit is None else str(column.info.unit)
    return make_column(np.asarray(values), missing, units, column.info.description or "")


def _read_parquet(file: str) -> dict[str, Column]:
    from pyarrow import parquet

    with parquet.ParquetFile(file) as parts:
        table = parts.read()
    check_distinct(table.column_names, file)
    return {
        field.name: _convert_arrow_column(table.column(field.name), field)
        for field in table.schema
        if not _is_pandas_index(field.name)
    }


def _is_pandas_index(name: str) -> bool:
    """Return whether a column holds the unnamed row labels of a pandas table."""
    return re.fullmatch(r"__index_level_\d+__", name) is not None


def _convert_arrow_column(values: "pa.ChunkedArray", field: "pa.Field") -> Column:
    import pyarrow as pa

    kind = field.type
    missing = values.is_null().to_numpy()
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
    elif pa.types.is_decimal(kind):
        values = values.cast(pa.float64())
    elif pa.types.is_timestamp(kind) and kind.tz:
        values = values.cast(pa.timestamp(kind.unit))  # as UTC
    if missing.any() and (pa.types.is_integer(values.type) or pa.types.is_boolean(values.type)):
        values = values.fill_null(pa.scalar(0).cast(values.type))
    metadata = field.metadata or {}
    units = metadata.get(b"units", metadata.get(b"unit", b"")).decode()
    return make_column(values.to_numpy(), missing, units)


TABLE_READERS: dict[str, Callable[[str], dict[str, Column]]] = {
    "CSV": _read_csv,
    "ECSV": _read_ecsv,
    "Parquet": _read_parquet,
}
