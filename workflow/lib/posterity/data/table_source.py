"""The file of a study while it is read: checks columns, and names rows and columns in errors."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from posterity.data.columns import Column
from posterity.errors import UserError

NUMBERS_AND_TEXT = "iufbmMO"  # kinds of NumPy


@dataclass
class TableSource:
    """
    The file of a study while it is read.

    Attributes
    ----------
    file, study_file : str
        Paths for messages.
    is_table : bool
        Whether the file is a table; else it is a NetCDF file.
    numbers : dict of str to array
        By dimension, the numbers in the file, from 1, of the entries that are left.
    names : dict of str to str
        Name of a column in the file -> its name in the study.
    """

    file: str
    study_file: str
    is_table: bool
    numbers: dict[str, np.ndarray]
    names: dict[str, str]

    def check_entries_left(self, columns: dict[str, Column]) -> None:
        """Refuse columns of the study without entries."""
        dims = [dim for name in self.names for dim in columns[name].dims]
        for dim in dict.fromkeys(dims):
            if not len(self.numbers[dim]):
                entry = "row" if self.is_table else f"entry of '{dim}'"
                raise UserError(
                    f"{self.file}: no {entry} is left for the study. "
                    f"Check `select` in {self.study_file} and the file itself."
                )

    def check_kind(self, name: str, column: Column) -> None:
        """Refuse values that are neither numbers nor text."""
        kind = column.values.dtype.kind
        content: Any = None if kind in NUMBERS_AND_TEXT else column.values.dtype
        if kind == "O":
            values = column.values.ravel()
            others = [value for value in values[~pd.isna(values)] if not isinstance(value, str)]
            if others:
                content = _name_type(others[0])
        if content is not None:
            raise UserError(
                f"{self.file}: {self._describe_column(name)} holds {content}, which is neither "
                "numbers nor text. Store it as numbers, or leave it out with `columns:`."
            )

    def check_text(self, name: str, column: Column) -> None:
        """Refuse text in a column of which more than half of the values are numbers."""
        values = column.values.ravel()
        if values.dtype.kind != "O":
            return
        present = np.flatnonzero(~pd.isna(values))
        if not len(present):
            return
        texts = pd.Series(values[present], dtype=object).str.strip()
        is_number = pd.to_numeric(texts, errors="coerce").notna().to_numpy()
        if len(is_number) / 2 < is_number.sum() < len(is_number):
            first = present[np.flatnonzero(~is_number)[0]]
            entry = self._describe_entry(column, np.unravel_index(first, column.values.shape))
            raise UserError(
                f"{self.file}: {entry}{self._describe_column(name)} is the text '{values[first]}' "
                "in a column of numbers. Correct it (leave the cell empty if the value is "
                "missing), or leave the column out with `columns:`."
            )

    def check_values(self, name: str, column: Column) -> None:
        """Refuse values that are missing or infinite."""
        bad = _find_bad_values(column.values)
        if not bad.any():
            return
        values = np.ma.getdata(column.values)
        first = tuple(np.argwhere(bad)[0])
        problem = "is missing (NaN)"
        if values.dtype.kind == "f" and np.isinf(values[first]):
            problem = f"is {values[first]}"
        entry, entries = ("row", "rows") if self.is_table else ("entry", "entries")
        others = int(bad.reshape(len(bad), -1).any(axis=1).sum()) - 1 if bad.ndim else 0
        if others:
            problem += f", as in {others} more {entries if others > 1 else entry}"
        remedy = "leave the column out with `columns:`"
        if bad.all():
            remedy = "leave out the column with `columns:`, since the whole column is empty"
        elif bad.ndim == 1 and name.isidentifier():
            remedy = f"leave out such {entries} with `select: isfinite({name})`"
        raise UserError(
            f"{self.file}: {self._describe_entry(column, first)}{self._describe_column(name)} "
            f"{problem}. Complete it, or {remedy}."
        )

    def _describe_entry(self, column: Column, index: tuple[Any, ...]) -> str:
        if self.is_table:
            row = self.numbers[column.dims[0]][index[0]]
            return f"row {row} (counted from 1 below the header): "
        entry = ", ".join(
            f"{dim} {self.numbers[dim][position]}"
            for dim, position in zip(column.dims, index, strict=True)
        )
        return f"{entry} (counted from 1): " if entry else ""

    def _describe_column(self, name: str) -> str:
        """Return the name in the study and, if it differs, the name in the file."""
        for old, new in self.names.items():
            if new == name and old != name:
                return f"'{name}' (column '{old}')"
        return f"'{name}'"


def _name_type(value: Any) -> str:
    """Return the name of the type; readers put a type in place of values they cannot read."""
    return value.__name__ if isinstance(value, type) else type(value).__name__


def _find_bad_values(values: np.ndarray) -> np.ndarray:
    """Return which values are missing or infinite."""
    kind = values.dtype.kind
    if kind in "iub":
        return np.ma.getmaskarray(values)
    if kind == "O":
        return np.asarray(pd.isna(values))
    return ~np.isfinite(np.ma.getdata(values))
