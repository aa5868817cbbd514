"""
Compare the draws of two result folders bit for bit.

For each posterior.nc of the first folder, find that of the same study, model and fit in the second
one, and compare every variable of every group. Prints a line per fit and a count; the exit code is
1 if a fit is missing or its draws differ.

The trace of the loss of `svi` (group `optimisation`) is reported, but does not count: its last bit
may change each time XLA compiles the program, while the draws stay equal.

    python benchmarks/compare_results.py OLD_RESULTS NEW_RESULTS [--rename OLD_FIT=NEW_FIT]
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import xarray as xr

TRACES = ("optimisation/loss",)  # variables whose last bit depends on the compilation


def find_differences(first: xr.DataTree, second: xr.DataTree) -> list[str]:
    """List the variables that are missing in one tree or whose values, shapes or types differ."""
    found = []
    groups = {node.path for node in first.subtree} | {node.path for node in second.subtree}
    for path in sorted(groups):
        old = first[path].to_dataset() if path in first.groups else xr.Dataset()
        new = second[path].to_dataset() if path in second.groups else xr.Dataset()
        for name in sorted({*map(str, old.variables), *map(str, new.variables)}):
            label = f"{path.strip('/')}/{name}"
            if name not in old.variables or name not in new.variables:
                found.append(f"{label} is missing")
            elif not is_identical(old[name].values, new[name].values):
                found.append(label)
    return found


def is_identical(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether two arrays have the same shape, type and bits."""
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    if first.dtype.kind == "O":
        return first.tolist() == second.tolist()
    return first.tobytes() == second.tobytes()


def main() -> int:
    """Compare two folders; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument(
        "--rename", action="append", default=[], metavar="OLD=NEW", help="a fit whose id changed"
    )
    arguments = parser.parse_args()
    renamed = dict(pair.split("=") for pair in arguments.rename)
    equal = changed = 0
    for path in sorted(arguments.old.glob("*/*/*/posterior.nc")):
        study, model, fit = path.relative_to(arguments.old).parts[:3]
        other = arguments.new / study / model / renamed.get(fit, fit) / "posterior.nc"
        if other.is_file():
            differences = find_differences(xr.open_datatree(path), xr.open_datatree(other))
        else:
            differences = [f"{other} does not exist"]
        note = "; its id, and so its random stream, changed" if fit in renamed else ""
        outcome = f"differs{note}: {', '.join(differences[:5])}" if differences else "equal"
        print(f"{study}/{model}/{fit}: {outcome}")
        differences = [label for label in differences if label not in TRACES]
        equal += not differences
        changed += bool(differences) and fit not in renamed
    print(f"{equal} fits have equal draws bit for bit, {changed} differ")
    return int(changed > 0)


if __name__ == "__main__":
    sys.exit(main())
