"""Tables of measurements: read, select, derive, check, and give dimensions and units."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from posterity.data.expression import evaluate_expression, list_used_columns
from posterity.data.readers import Column, FileContent, read_file
from posterity.errors import UserError, collect_errors, hint, raise_errors


def read_table(spec: dict, study_file: str) -> xr.Dataset:
    """
    Read the file of a study.

    `spec` is the study's `data`: `file` (CSV, also compressed, ECSV, FITS, Parquet or NetCDF), `hdu` (the part of a FITS file),
    `columns` (column in the file: name in the study), `derive` (name: expression), `select` (expression; rows for which it holds
    are kept), `units`, `labels`, `dim` (name of a table's row dimension). Expressions see the columns under their names in the
    file and in the study.

    Returns a Dataset with one variable per column. A table has dimension `dim` and the coordinate `row`: the number of the row
    in the file, counted from 1 below the header. Variables of a NetCDF file have their own dimensions and coordinates. Units and
    labels are those of the study, else those of the file.

    Raises UserError, naming file, column and row, for a file that cannot be read, a column that is missing, text in a column of
    numbers, a value that is missing, and an expression that is none.
    """
    file, dim = spec["file"], spec["dim"]
    content = read_file(file, dim, spec.get("hdu"), study_file)
    columns, renamed = content.columns, _choose_columns(spec, content, study_file)
    numbers = {
        name: np.arange(1, n + 1)
        for column in columns.values()
        for name, n in zip(column.dims, column.values.shape, strict=True)
    }
    source = _TableSource(file, study_file, content.table, numbers, renamed)
    derive, select = spec.get("derive", {}), spec.get("select")

    source.check_left(columns[old] for old in renamed)
    seen = columns | {new: columns[old] for old, new in renamed.items()}
    used = [
        name
        for text in [*derive.values(), *filter(None, [select])]
        for name in list_used_columns(text, seen)
    ]
    found = []
    for name in dict.fromkeys([*renamed.values(), *used]):
        with collect_errors(found):
            source.check_text(name, seen[name])
    raise_errors(found)
    seen = source.derive(derive, seen)
    if select is not None:
        along, chosen = source.select(select, seen)
        numbers[along] = numbers[along][chosen]
        columns = {name: _select_rows(column, along, chosen) for name, column in columns.items()}
        source.check_left(columns[old] for old in renamed)
        # Derive once more: what had gaps before may be whole numbers now.
        seen = source.derive(derive, columns | {new: columns[old] for old, new in renamed.items()})

    # A coordinate of a dimension stays what it is where the study names it; another one that it names becomes a variable.
    kept = dict.fromkeys(
        [
            new
            for old, new in renamed.items()
            if not (old == new and old in content.coords and old in numbers)
        ]
        + list(derive)
    )
    coords = {
        name: columns[name]
        for name in sorted(content.coords)
        if name in numbers or name not in renamed
    }
    for name in [*kept, *(old for old in renamed if old in coords and old not in kept)]:
        with collect_errors(found):
            source.check_values(name, seen[name])
    raise_errors(found)
    taken = next(
        (name for name in kept if name in ({"row", dim} if content.table else numbers)), None
    )
    if taken is not None:
        of = f"the rows: rename the column with `columns:`{', or give another `dim:`' * (taken == dim)}"
        of = of if content.table else "a dimension: give it another name in `columns:` or `derive:`"
        raise UserError(
            f"{study_file}: data: a variable may not be called '{taken}', which is the name of {of}"
        )
    data = xr.Dataset({name: _variable(name, seen[name], content.table) for name in kept})
    data = data.assign_coords(
        {
            name: _variable(name, column, False)
            for name, column in coords.items()
            if name in renamed or {*column.dims} <= {*data.dims}
        }
    )
    data = data.assign_coords(
        {name: np.arange(size) for name, size in data.sizes.items() if name not in data.coords}
    )
    if content.table:
        about = {"long_name": f"row in {Path(file).name}, counted from 1 below the header"}
        data = data.assign_coords(row=(dim, numbers[dim], about))
    return describe_variables(data, spec, study_file)


def describe_variables(data: xr.Dataset, spec: dict, study_file: str) -> xr.Dataset:
    """Give variables the `units` and `long_name` that the study states. Raises UserError for a name that is no variable."""
    for key, attribute in (("units", "units"), ("labels", "long_name")):
        for name, text in spec.get(key, {}).items():
            if name not in data:
                raise UserError(
                    f"{study_file}: data: {key}: there is no variable '{name}': {hint(name, data.data_vars)}"
                )
            if key == "units" and data[name].dtype.kind in "mM":
                raise UserError(
                    f"{study_file}: data: units: '{name}' holds dates or times, which have no unit here; take it out"
                )
            data[name].attrs[attribute] = text
    for name, values in data.data_vars.items():
        # NetCDF keeps the unit of dates itself.
        values.attrs = (
            {"long_name": str(name)}
            | ({} if values.dtype.kind in "mM" else {"units": ""})
            | values.attrs
        )
    return data


def _choose_columns(spec: dict, content: FileContent, study_file: str) -> dict[str, str]:
    """List the columns that the study takes: name in the file, name in the study."""
    file, columns = spec["file"], content.columns
    renamed = spec.get("columns") or {name: name for name in columns if name not in content.coords}
    for column in renamed:
        if column not in columns:
            raise UserError(
                f"{study_file}: data: columns: {file} has no column '{column}': {hint(column, columns)}"
            )
    names = list(renamed.values())
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(
            f"{study_file}: data: columns: two columns are to be called '{twice}'; give each its own name"
        )
    if not renamed:
        raise UserError(
            f"{file}: there are no variables in it but coordinates; name those to take in {study_file} with `columns:`"
        )
    return renamed


@dataclass
class _TableSource:
    """A file while it is read: evaluates on its columns, checks them, and names the places of what is wrong."""

    file: str
    study_file: str
    table: bool
    numbers: dict[str, np.ndarray]
    """By dimension, the numbers in the file of the entries that are left."""
    renamed: dict[str, str]

    def place(self, column: Column, index: tuple[int, ...]) -> str:
        if self.table:
            return (
                f"row {self.numbers[column.dims[0]][index[0]]} (counted from 1 below the header): "
            )
        entry = ", ".join(
            f"{dim} {self.numbers[dim][i]}" for dim, i in zip(column.dims, index, strict=True)
        )
        return f"{entry} (counted from 1): " if entry else ""

    def what(self, name: str) -> str:
        column = next((old for old, new in self.renamed.items() if new == name and old != name), "")
        return f"'{name}'" + (f" (column '{column}')" if column else "")

    def derive(self, texts: dict[str, str], columns: dict[str, Column]) -> dict[str, Column]:
        """Add the derived columns; one that uses another comes after it, whatever their order."""
        left = dict(texts)
        while left:
            ready = [name for name in left if not set(list_used_columns(left[name], left)) - {name}]
            name = next(iter(ready or left))
            columns = columns | {
                name: self.evaluate(
                    left.pop(name), columns, f"{self.study_file}: data: derive: {name}"
                )
            }
        return columns

    def select(self, text: str, columns: dict[str, Column]) -> tuple[str, np.ndarray]:
        """Evaluate a condition along one dimension. Returns the dimension and where the condition holds."""
        where = f"{self.study_file}: data: select"
        chosen = self.evaluate(text, columns, where)
        if chosen.values.dtype != bool:
            raise UserError(f"{where}: '{text}' is no condition; write for example id >= 5")
        if len(chosen.dims) != 1:
            over = "no dimension" if not chosen.dims else f"{len(chosen.dims)} dimensions"
            raise UserError(
                f"{where}: '{text}' is a condition over {over}; write one over a single dimension, whose entries it keeps"
            )
        return chosen.dims[0], chosen.values

    def evaluate(self, text: str, columns: dict[str, Column], where: str) -> Column:
        """Evaluate an expression on the columns that it uses, broadcast against each other by the names of their dimensions."""
        used = list_used_columns(text, columns)
        try:
            arrays = xr.broadcast(
                *(
                    xr.DataArray(_unmask(columns[name].values), dims=columns[name].dims)
                    for name in used
                )
            )
        except ValueError as error:
            raise UserError(
                f"{where}: '{text}' uses columns that do not fit each other: {error}"
            ) from None
        values = {name: column.values for name, column in columns.items()}
        values |= {name: array.values for name, array in zip(used, arrays, strict=True)}
        dims, shape = (arrays[0].dims, arrays[0].shape) if arrays else ((), ())
        if self.table and not arrays:  # a constant
            dims, shape = zip(*[(dim, len(n)) for dim, n in self.numbers.items()][:1], strict=True)
        result = np.asarray(evaluate_expression(text, values, where))
        try:
            result = np.broadcast_to(result, shape)
        except ValueError:
            raise UserError(
                f"{where}: '{text}' gives values of shape {result.shape} where {shape} is needed"
            ) from None
        return Column(
            result.astype(object) if result.dtype.kind == "U" else result, tuple(map(str, dims))
        )

    def check_left(self, columns: Iterable[Column]) -> None:
        for dim in dict.fromkeys(dim for column in columns for dim in column.dims):
            if not len(self.numbers[dim]):
                what = "row" if self.table else f"entry of '{dim}'"
                raise UserError(
                    f"{self.file}: no {what} is left for the study; look at `select` in {self.study_file} and at the file itself"
                )

    def check_text(self, name: str, column: Column) -> None:
        """Refuse what is neither numbers nor text, and text in a column of numbers."""
        values, kind = column.values.ravel(), column.values.dtype.kind
        present = np.flatnonzero(~pd.isna(values)) if kind == "O" else []
        odd = (
            next((value for value in values[present] if not isinstance(value, str)), None)
            if kind == "O"
            else None
        )
        if odd is not None or kind not in "iufbmMO":
            holds = (
                values.dtype
                if kind != "O"
                else odd.__name__
                if isinstance(odd, type)
                else type(odd).__name__
            )
            raise UserError(
                f"{self.file}: {self.what(name)} holds {holds}, which is neither numbers nor text; "
                "write it as numbers into the file, or leave it out with `columns:`"
            )
        if not len(present):
            return
        right = (
            pd.to_numeric(pd.Series(values[present], dtype=object).str.strip(), errors="coerce")
            .notna()
            .to_numpy()
        )
        if len(right) / 2 < right.sum() < len(right):
            first = present[np.flatnonzero(~right)[0]]
            place = self.place(column, np.unravel_index(first, column.values.shape))
            raise UserError(
                f"{self.file}: {place}{self.what(name)} is the text '{values[first]}' in a column of numbers; "
                "correct it (leave the cell empty if the value is missing), or leave the column out with `columns:`"
            )

    def check_values(self, name: str, column: Column) -> None:
        """Refuse values that are missing or infinite."""
        values, kind = np.ma.getdata(column.values), column.values.dtype.kind
        bad = (
            np.ma.getmaskarray(column.values)
            if kind in "iub"
            else ~np.isfinite(values)
            if kind != "O"
            else pd.isna(values)
        )
        if not bad.any():
            return
        first = tuple(np.argwhere(bad)[0])
        is_ = (
            f"is {values[first]}" if kind == "f" and np.isinf(values[first]) else "is missing (NaN)"
        )
        count = int(bad.reshape(len(bad), -1).any(axis=1).sum() if bad.ndim else 1)
        rows = "row" if self.table else "entrie"
        more = f", as in {count - 1} more {rows}s" if count > 1 else ""
        remedy = "or leave the column out with `columns:`"
        if bad.all():
            remedy = "or, as the whole column is empty, leave it out with `columns:`"
        elif bad.ndim == 1 and name.isidentifier():
            remedy = f"or leave such {rows}s out with `select: isfinite({name})`"
        raise UserError(
            f"{self.file}: {self.place(column, first)}{self.what(name)} {is_}{more}; complete it, {remedy}"
        )


def _select_rows(column: Column, dim: str, chosen: np.ndarray) -> Column:
    if dim not in column.dims:
        return column
    return column._replace(
        values=column.values[(slice(None),) * column.dims.index(dim) + (chosen,)]
    )


def _unmask(values: np.ndarray) -> np.ndarray:
    """Make masked integers an ordinary array: of floats with NaN where some are missing."""
    if not np.ma.isMaskedArray(values):
        return values
    return np.ma.filled(values.astype(float), np.nan) if values.mask.any() else values.data


def _variable(name: str, column: Column, table: bool) -> tuple:
    """Make a variable of a column. The second dimension of a table's vector column is named by the column."""
    dims = (
        (*column.dims[:1], *(f"{name}_dim_{dim}" for dim in column.dims[1:]))
        if table
        else column.dims
    )
    units = {} if column.values.dtype.kind in "mM" else {"units": column.units}
    attributes = {key: text for key, text in (units | {"long_name": column.label}).items() if text}
    return dims, _unmask(column.values), attributes
