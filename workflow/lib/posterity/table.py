"""Tables of measurements: read, select, derive, check, and give dimensions and units."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from posterity.errors import UserError, hint
from posterity.expression import evaluate


def read(spec: dict, study_file: str) -> xr.Dataset:
    """
    Read the table of a study.

    `spec` is the study's `data`: `file` (CSV, also compressed), `columns` (column in the file: name in the study), `derive`
    (name: expression), `select` (expression; rows for which it holds are kept), `units`, `labels`, `dim` (name of the row
    dimension). Expressions see the columns under their names in the file and in the study.

    Returns a Dataset with one variable per column, dimension `dim`, and the coordinate `row`: the number of the row in the
    file, counted from 1 below the header. Raises UserError, naming file, column and row, for a file that is no table, a column
    that is missing, a value that is missing, and an expression that is none.
    """
    file = spec["file"]
    frame = _read_csv(file)
    renamed = spec.get("columns") or {name: name for name in frame.columns}
    for column in renamed:
        if column not in frame.columns:
            raise UserError(f"{study_file}: data: columns: {file} has no column '{column}': {hint(column, frame.columns)}")
    columns = {name: frame[name].to_numpy() for name in frame.columns}
    columns |= {new: frame[old].to_numpy() for old, new in renamed.items()}
    kept = list(renamed.values())
    for name, text in spec.get("derive", {}).items():
        columns[name] = np.broadcast_to(evaluate(text, columns, f"{study_file}: data: derive: {name}"), len(frame))
        kept.append(name)
    rows = np.arange(1, len(frame) + 1)
    if "select" in spec:
        where = f"{study_file}: data: select"
        chosen = np.broadcast_to(evaluate(spec["select"], columns, where), len(frame))
        if chosen.dtype != bool:
            raise UserError(f"{where}: '{spec['select']}' is no condition; write for example id >= 5")
        rows, columns = rows[chosen], {name: values[chosen] for name, values in columns.items()}
    if not len(rows):
        raise UserError(f"{file}: no row is left for the study; look at `select` in {study_file} and at the file itself")
    for name in kept:
        column = next((old for old, new in renamed.items() if new == name and old != name), "")
        _check_values(f"'{name}'" + (f" (column '{column}')" if column else ""), name, columns[name], rows, file)

    dim = spec["dim"]
    if {"row", dim} & set(kept):
        taken = min({"row", dim} & set(kept))
        remedy = "rename the column with `columns:`" + (", or give another `dim:`" if taken == dim else "")
        raise UserError(f"{study_file}: data: a variable may not be called '{taken}', which is the name of the rows: {remedy}")
    data = xr.Dataset({name: (dim, columns[name]) for name in kept}, coords={dim: np.arange(len(rows)), "row": (dim, rows)})
    data["row"].attrs["long_name"] = f"row in {Path(file).name}, counted from 1 below the header"
    return describe(data, spec, study_file)


def describe(data: xr.Dataset, spec: dict, study_file: str) -> xr.Dataset:
    """Give variables the `units` and `long_name` that the study states. Raises UserError for a name that is no variable."""
    for key, attribute in (("units", "units"), ("labels", "long_name")):
        for name, text in spec.get(key, {}).items():
            if name not in data:
                raise UserError(f"{study_file}: data: {key}: there is no variable '{name}': {hint(name, data.data_vars)}")
            data[name].attrs[attribute] = text
    for name, values in data.data_vars.items():
        values.attrs = {"long_name": str(name), "units": ""} | values.attrs
    return data


def _read_csv(file: str) -> pd.DataFrame:
    try:
        frame = pd.read_csv(file, skipinitialspace=True, encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{file}: there is no such file; look at `data: file:` of the study") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise UserError(f"{file}: this is no table that can be read ({reason}); give a CSV file with a header line") from None
    frame.columns = [str(name).strip() for name in frame.columns]
    return frame


def _check_values(what: str, name: str, values: np.ndarray, rows: np.ndarray, file: str) -> None:
    bad = pd.isna(values) if values.dtype.kind == "O" else ~np.isfinite(values) if values.dtype.kind == "f" else None
    if bad is not None and bad.any():
        first = int(np.flatnonzero(bad)[0])
        is_ = f"is {values[first]}" if values.dtype.kind == "f" and np.isinf(values[first]) else "is missing (NaN)"
        more = f", as in {bad.sum() - 1} more rows" if bad.sum() > 1 else ""
        raise UserError(
            f"{file}: row {rows[first]} (counted from 1 below the header): {what} {is_}{more}; "
            f"complete it, or leave such rows out with `select: isfinite({name})`"
        )
