"""Read the header of a CSV file with the standard library."""

import csv
import gzip
import re
import zlib
from pathlib import Path

from posterity.errors import UserError


def read_csv_header(file: str, path: Path) -> list[str] | None:
    """
    Read the names of the columns of a CSV file without pandas, whose import would cost each start half a second.

    Returns None for another format, and for another compression than gzip: the data stage looks.
    """
    if not Path(file).is_file():
        raise UserError(
            f"{path}: data: file: there is no file {file}; the path starts at the project's folder"
        )
    if re.search(
        r"\.(bz2|xz|zip|zst)$|\.(ecsv|fits?|parquet|pq|nc4?)(\.gz)?$", file, re.IGNORECASE
    ):
        return None
    opener, readings = gzip.open if file.lower().endswith(".gz") else open, []
    try:
        for delimiter in ",\t":
            with opener(file, "rt", encoding="utf-8-sig", newline="") as lines:
                rows = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
                readings.append(next((row for row in rows if "".join(row).strip()), []))
        if not readings[0]:
            raise csv.Error("it is empty")
        names = [
            name.strip() or f"Unnamed: {place}" for place, name in enumerate(max(readings, key=len))
        ]
        if names[0].startswith("SIMPLE  =") or any("\0" in name for name in names):
            raise csv.Error("it holds no text")
    except (UnicodeDecodeError, OSError, EOFError, zlib.error, csv.Error) as error:
        remedy = "give CSV (in UTF-8, with a header line) or a file .ecsv, .fits, .parquet or .nc"
        raise UserError(f"{file}: this is no table that can be read ({error}); {remedy}") from None
    if names[0].startswith("#"):
        remedy = (
            "give the file the extension .ecsv"
            if "%ECSV" in names[0]
            else "take out comment lines, and # before the header"
        )
        raise UserError(
            f"{file}: the first line begins with #, which is no header of a CSV file; {remedy}"
        )
    return names
