"""Tables of measurements: read, rename, derive, select and validate."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from posterity.data.columns import Column, FileContent, unmask_values
from posterity.data.expression import evaluate_expression, list_used_columns
from posterity.data.readers import read_file
from posterity.data.table_source import TableSource
from posterity.errors import UserError, collect_errors, hint, raise_errors

Columns = dict[str, Column]


def read_table(spec: dict[str, Any], study_file: str) -> xr.Dataset:
    """
    Read the file of a study in five steps: read, rename, derive, select, validate.

    Expressions may use the names of columns in the file and in the study.

    Parameters
    ----------
    spec : dict
        `data` of the study: `file` (CSV, also compressed, ECSV, FITS, Parquet or NetCDF), `hdu`
        (part of a FITS file), `columns` (name in the file: name in the study), `derive` (name:
        expression), `select` (expression; rows for which it holds are kept), `units`, `labels`,
        and `dim` (dimension of the rows of a table).
    study_file : str
        Path of the study file for messages.

    Returns
    -------
    xarray.Dataset
        One variable per column. A table has the dimension `dim` and the coordinate `row`, the
        number of the row in the file, counted from 1 below the header. Variables of a NetCDF file
        have their own dimensions and coordinates. Units and labels of the study replace those of
        the file.

    Raises
    ------
    UserError
        If the file cannot be read, a column is missing, a value is missing or infinite, a column
        of numbers holds text, or an expression is invalid.
    """
    content = read_file(spec["file"], spec["dim"], spec.get("hdu"), study_file)
    columns = content.columns
    source = TableSource(
        spec["file"],
        study_file,
        content.table,
        _number_entries(columns.values()),
        _choose_names(spec, content, study_file),
    )
    source.check_entries_left(columns)
    variables = _rename_columns(columns, source.names)
    _check_texts(variables, spec, source)
    variables = _derive_columns(variables, spec, source)
    if spec.get("select") is not None:
        columns = _select_entries(columns, variables, spec["select"], source)
        # Derive again: a column without its missing values may now hold integers.
        variables = _derive_columns(_rename_columns(columns, source.names), spec, source)
    coords = _choose_coords(columns, content, source)
    names = _list_variables(content, spec, source)
    _check_values(variables, [*names, *(name for name in source.names if name in coords)], source)
    _check_reserved(names, spec["dim"], source)
    data = _make_dataset({name: variables[name] for name in names}, coords, source)
    _note_sources(data, spec, source)
    if content.table:
        label = f"row in {Path(spec['file']).name}, counted from 1 below the header"
        rows = source.numbers[spec["dim"]]
        data = data.assign_coords(row=(spec["dim"], rows, {"long_name": label}))
    return describe_variables(data, spec, study_file)


def describe_variables(data: xr.Dataset, spec: dict[str, Any], study_file: str) -> xr.Dataset:
    """Set the `units` and `long_name` of variables. Raise UserError for an unknown variable."""
    for key, attribute in (("units", "units"), ("labels", "long_name")):
        for name, text in spec.get(key, {}).items():
            if name not in data:
                raise UserError(
                    f"{study_file}: data: {key}: there is no variable '{name}': "
                    f"{hint(name, map(str, data.data_vars))}"
                )
            if key == "units" and data[name].dtype.kind in "mM":
                raise UserError(
                    f"{study_file}: data: units: '{name}' holds dates or times, which have no "
                    "units. Remove it."
                )
            data[name].attrs[attribute] = text
    for name, values in data.data_vars.items():
        # NetCDF itself sets the units of dates.
        units = {} if values.dtype.kind in "mM" else {"units": ""}
        values.attrs = {"long_name": str(name)} | units | values.attrs
    return data


def _number_entries(columns: Iterable[Column]) -> dict[str, np.ndarray]:
    """Number the entries of each dimension from 1."""
    return {
        dim: np.arange(1, size + 1)
        for column in columns
        for dim, size in zip(column.dims, column.values.shape, strict=True)
    }


def _choose_names(spec: dict[str, Any], content: FileContent, study_file: str) -> dict[str, str]:
    """Return the columns that the study uses: name in the file -> name in the study."""
    file = spec["file"]
    columns = content.columns
    names = spec.get("columns") or {name: name for name in columns if name not in content.coords}
    for column in names:
        if column not in columns:
            raise UserError(
                f"{study_file}: data: columns: {file} has no column '{column}': "
                f"{hint(column, columns)}"
            )
    new_names = list(names.values())
    if len(set(new_names)) < len(new_names):
        twice = next(name for name in new_names if new_names.count(name) > 1)
        raise UserError(
            f"{study_file}: data: columns: two columns would be called '{twice}'. "
            "Give each its own name."
        )
    if not names:
        raise UserError(
            f"{file}: holds coordinates only, no variables. "
            f"Name the coordinates to use with `columns:` in {study_file}."
        )
    return names


def _rename_columns(columns: Columns, names: dict[str, str]) -> Columns:
    """Return the columns under their names in the file, and those of the study under both."""
    return columns | {new: columns[old] for old, new in names.items()}


def _check_texts(columns: Columns, spec: dict[str, Any], source: TableSource) -> None:
    """Check that the columns of the study and of its expressions hold numbers or text."""
    texts = [*spec.get("derive", {}).values()]
    if spec.get("select"):
        texts.append(spec["select"])
    used = [name for text in texts for name in list_used_columns(text, columns)]
    errors: list[UserError] = []
    for name in dict.fromkeys([*source.names.values(), *used]):
        with collect_errors(errors):
            source.check_kind(name, columns[name])
            source.check_text(name, columns[name])
    raise_errors(errors)


def _derive_columns(columns: Columns, spec: dict[str, Any], source: TableSource) -> Columns:
    """Add the derived columns; each after those that it uses, in whatever order they are given."""
    waiting = dict(spec.get("derive", {}))
    while waiting:
        ready = [
            name
            for name, text in waiting.items()
            if not set(list_used_columns(text, waiting)) - {name}
        ]
        name = next(iter(ready or waiting))
        where = f"{source.study_file}: data: derive: {name}"
        columns = columns | {name: _evaluate(waiting.pop(name), columns, source, where)}
    return columns


def _select_entries(
    columns: Columns, variables: Columns, text: str, source: TableSource
) -> Columns:
    """Select the entries of one dimension for which a condition holds, also in `source`."""
    where = f"{source.study_file}: data: select"
    condition = _evaluate(text, variables, source, where)
    if condition.values.dtype != bool:
        raise UserError(f"{where}: '{text}' is not a condition. Example: id >= 5.")
    if len(condition.dims) != 1:
        over = f"{len(condition.dims)} dimensions" if condition.dims else "no dimension"
        raise UserError(
            f"{where}: '{text}' is a condition over {over}. "
            "Write one over a single dimension, whose entries it selects."
        )
    dim = condition.dims[0]
    source.numbers[dim] = source.numbers[dim][condition.values]
    columns = {
        name: _select_from_column(column, dim, condition.values) for name, column in columns.items()
    }
    source.check_entries_left(columns)
    return columns


def _select_from_column(column: Column, dim: str, chosen: np.ndarray) -> Column:
    if dim not in column.dims:
        return column
    index = (slice(None),) * column.dims.index(dim) + (chosen,)
    return column._replace(values=column.values[index])


def _evaluate(text: str, columns: Columns, source: TableSource, where: str) -> Column:
    """Evaluate an expression on columns, broadcast by the names of their dimensions."""
    used = list_used_columns(text, columns)
    variables = [
        xr.DataArray(unmask_values(columns[name].values), dims=columns[name].dims) for name in used
    ]
    try:
        arrays = xr.broadcast(*variables)
    except ValueError as error:
        raise UserError(
            f"{where}: '{text}' uses columns that do not fit each other: {error}."
        ) from None
    values = {name: column.values for name, column in columns.items()}
    values |= {name: array.values for name, array in zip(used, arrays, strict=True)}
    dims: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    if arrays:
        dims = tuple(map(str, arrays[0].dims))
        shape = arrays[0].shape
    elif source.is_table:  # a constant is the same in each row
        dims = tuple(source.numbers)[:1]
        shape = tuple(len(source.numbers[dim]) for dim in dims)
    result = np.asarray(evaluate_expression(text, values, where))
    try:
        result = np.broadcast_to(result, shape)
    except ValueError:
        raise UserError(
            f"{where}: '{text}' gives values of shape {result.shape} instead of {shape}. "
            "Write an expression with one value per entry."
        ) from None
    return Column(result.astype(object) if result.dtype.kind == "U" else result, dims)


def _choose_coords(columns: Columns, content: FileContent, source: TableSource) -> Columns:
    """Return the coordinates of dimensions, and others that the study does not use as variables."""
    return {
        name: columns[name]
        for name in sorted(content.coords)
        if name in source.numbers or name not in source.names
    }


def _list_variables(content: FileContent, spec: dict[str, Any], source: TableSource) -> list[str]:
    """
    Return the names of the variables of the study.

    A coordinate of a dimension stays a coordinate if the study names it without a new name.
    """
    names = [
        new
        for old, new in source.names.items()
        if not (old == new and old in content.coords and old in source.numbers)
    ]
    return list(dict.fromkeys([*names, *spec.get("derive", {})]))


def _check_values(columns: Columns, names: list[str], source: TableSource) -> None:
    errors: list[UserError] = []
    for name in dict.fromkeys(names):
        with collect_errors(errors):
            source.check_values(name, columns[name])
    raise_errors(errors)


def _check_reserved(names: Iterable[str], dim: str, source: TableSource) -> None:
    """Refuse variables that have the name of a dimension."""
    reserved = {"row", dim} if source.is_table else set(source.numbers)
    for name in names:
        if name not in reserved:
            continue
        problem = f"{source.study_file}: data: a variable may not be called '{name}'"
        if not source.is_table:
            raise UserError(
                f"{problem}, which is the name of a dimension. "
                "Give it another name in `columns:` or `derive:`."
            )
        other = ", or give another `dim:`" if name == dim else ""
        raise UserError(
            f"{problem}, which is the name of the rows. Rename the column with `columns:`{other}."
        )


def _make_dataset(columns: Columns, coords: Columns, source: TableSource) -> xr.Dataset:
    """Make a Dataset of the columns and of the coordinates along their dimensions."""
    data = xr.Dataset(
        {name: _make_variable(name, column, source.is_table) for name, column in columns.items()}
    )
    variables = {
        name: _make_variable(name, column, False)
        for name, column in coords.items()
        if name in source.names or set(column.dims) <= set(data.dims)
    }
    data = data.assign_coords(variables)
    missing = [name for name in data.dims if name not in data.coords]
    return data.assign_coords({name: np.arange(data.sizes[name]) for name in missing})


def _note_sources(data: xr.Dataset, spec: dict[str, Any], source: TableSource) -> None:
    """Set the attribute `derived_from` of each derived variable: the variables that it uses."""
    derived = spec.get("derive", {})
    names = {*source.names, *source.names.values(), *derived}
    for name, text in derived.items():
        used = list_used_columns(text, names)
        data[name].attrs["derived_from"] = ", ".join(source.names.get(key, key) for key in used)


def _make_variable(name: str, column: Column, is_table: bool) -> xr.Variable:
    """Make a variable; a table's vector column names its second dimension after itself."""
    dims = column.dims
    if is_table:
        dims = (*dims[:1], *(f"{name}_dim_{dim}" for dim in dims[1:]))
    attributes = {"units": column.units, "long_name": column.label}
    if column.values.dtype.kind in "mM":
        del attributes["units"]
    attributes = {key: text for key, text in attributes.items() if text}
    return xr.Variable(dims, unmask_values(column.values), attributes)
