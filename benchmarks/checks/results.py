"""The file of results: one line for each check of each replicate."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from cases import Case, Row


def append_rows(path: Path, rows: Iterable[Row]) -> None:
    """Append lines to the file, which begins with the names of the columns."""
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(Row._fields)
        writer.writerows(rows)


def read_rows(path: Path) -> list[Row]:
    """Return the lines of the file; none if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Row(
                line["kind"],
                int(line["replicate"]),
                line["check"],
                float(line["value"]),
                float(line["threshold"]),
                line["status"],
                line["message"],
            )
            for line in csv.DictReader(file)
        ]


def list_finished(path: Path) -> set[tuple[str, int]]:
    """Return kind and number of the replicates that the file has."""
    return {(row.kind, row.replicate) for row in read_rows(path) if row.check == "verdict"}


def select_kinds(cases: Mapping[str, Case], mode: str) -> list[str]:
    """Return the cases of a mode: right models (null), defects (power), or the small form."""
    chosen = {
        "null": lambda case: not case.expected,
        "power": lambda case: bool(case.expected),
        "small": lambda case: case.is_small,
    }[mode]
    return [name for name, case in cases.items() if chosen(case)]
