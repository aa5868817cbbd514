"""Read and check the header of a CSV file with the standard library."""

import csv
import gzip
import re
import zlib
from collections.abc import Callable
from typing import Any

from posterity.errors import UserError

# Other formats, and compressions that the standard library does not open as text.
OTHER_FORMATS = r"\.(bz2|xz|zip|zst)$|\.(ecsv|fits?|parquet|pq|nc4?)(\.gz)?$"


def read_csv_header(file: str) -> list[str] | None:
    """
    Return the column names of a CSV file, without the slow import of pandas.

    Returns None for another format and for a compression other than gzip, which the data stage
    reads. Raises UserError if the file cannot be read or has no header.
    """
    if re.search(OTHER_FORMATS, file, re.IGNORECASE):
        return None
    try:
        rows = [_read_first_row(file, delimiter) for delimiter in ",\t"]
        if not rows[0]:
            raise csv.Error("it is empty")
    except (UnicodeDecodeError, OSError, EOFError, zlib.error, csv.Error) as error:
        raise UserError(
            f"{file}: cannot read this table ({error}). Supply CSV (in UTF-8, with a "
            "header line) or a file .ecsv, .fits, .parquet or .nc."
        ) from None
    names = name_columns(max(rows, key=len))
    check_header(names, file)
    return names


def _read_first_row(file: str, delimiter: str) -> list[str]:
    """Return the cells of the first row that is not blank."""
    is_gzip = file.lower().endswith(".gz")
    opener: Callable[..., Any] = gzip.open if is_gzip else open
    with opener(file, "rt", encoding="utf-8-sig", newline="") as lines:
        rows = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
        return next((row for row in rows if "".join(row).strip()), [])


def name_columns(cells: list[str]) -> list[str]:
    """Return the column names of a header row; a blank cell is named by its position."""
    return [name.strip() or f"Unnamed: {position}" for position, name in enumerate(cells)]


def check_header(names: list[str], file: str) -> None:
    """Raise UserError for an invalid header row, such as one that names a column twice."""
    if names[0].startswith("SIMPLE  =") or any("\0" in name for name in names):
        raise UserError(
            f"{file}: cannot read this table (it holds no text). Give the file the "
            "extension of its format (.fits, .parquet, .nc)."
        )
    if names[0].startswith("#"):
        remedy = "Remove comment lines, and the # before the header."
        if "%ECSV" in names[0]:
            remedy = "Give the file the extension .ecsv."
        raise UserError(
            f"{file}: the first line begins with #, so it is not the header of a CSV file. {remedy}"
        )
    check_distinct(names, file)


def check_distinct(names: list[str], file: str) -> None:
    """Raise UserError if two columns of a file have the same name."""
    for position, name in enumerate(names):
        if name in names[:position]:
            raise UserError(
                f"{file}: two columns are called '{name}' in the file. Rename one there."
            )
