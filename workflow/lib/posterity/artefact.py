"""Artefacts: the NetCDF files that stages write for each other, with their checksums and where they came from."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# Readers need no locks, as a file that stands in its place is never written to; some shared file systems have none.
os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")

import numpy as np
import xarray as xr

from posterity.errors import UserError
from posterity.streamed import Streamed
from posterity.writing import replaced

CHUNK = 1e6  # bytes of a chunk of a variable that is written in pieces
# Attributes that may differ between two runs on equal machines.
LARGE = 256e6  # bytes of a variable that is not read at once
VOLATILE = ("created_at", "wall_time", "compile_seconds", "run_seconds", "fit_seconds", "host")


def write(path: str | Path, groups: dict[str, xr.Dataset], attributes: dict, streams: dict | None = None) -> None:
    """
    Write groups to one NetCDF file, beside its place, and rename it into it: the file is whole or not there.

    Numbers are compressed and carry checksums (fletcher32). Attributes that NetCDF cannot hold (dict, list, bool, None) are
    written as JSON text. `streams` has, by group and name, variables whose values are on disk (`Streamed`); in `groups` stand
    stubs of them.
    Raises UserError where the file cannot be written.
    """
    streams = streams or {}
    stubs = {name: groups[name][list(values)] for name, values in streams.items()}
    groups = {name: group.drop_vars(list(streams.get(name, ()))) for name, group in groups.items()}
    tree = xr.DataTree.from_dict({f"/{name}": _plain(group) for name, group in groups.items()})
    tree.attrs = _plain_attributes(attributes)
    encoding = {
        f"/{name}": {
            variable: {"zlib": True, "complevel": 1, "shuffle": True, "fletcher32": True}
            for variable, values in group.variables.items()
            if values.dtype.kind in "iufb" and values.ndim and values.size
        }
        for name, group in groups.items()
    }
    with replaced(path) as beside:
        try:
            tree.to_netcdf(beside, engine="netcdf4", encoding=encoding)
            for name, values in streams.items():
                for variable, stream in values.items():
                    _append(beside, name, stubs[name][variable], stream)
        except RuntimeError as error:  # what netCDF4 raises on a full disk
            free = shutil.disk_usage(beside.parent).free / 1e6
            raise OSError(f"{error}, with {free:.1f} MB free on its disk") from error


def read(path: str | Path, attributes_only: bool = False, **expected: str) -> xr.DataTree:
    """
    Read an artefact into memory, or only its attributes. Variables above LARGE stay on disk until they are looked at.

    `expected` are attributes that it must have (study="line", data_hash=...). Raises UserError, naming the file, if it cannot
    be read, is damaged, or belongs to other inputs.
    """
    try:
        tree = xr.open_datatree(path, engine="netcdf4")
        try:
            variables = [] if attributes_only else [one for node in tree.subtree for one in node.variables.values()]
            for variable in variables:
                if variable.nbytes <= LARGE:
                    variable.load()
        finally:
            if attributes_only or all(variable.nbytes <= LARGE for variable in variables):
                tree.close()
        tree = xr.DataTree(xr.Dataset(attrs=tree.attrs)) if attributes_only else tree
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file; run the stage that writes it") from None
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise UserError(f"{path}: is damaged or no NetCDF file ({error}); delete it and run again") from error
    tree.attrs = {name: value.item() if isinstance(value, np.generic) else value for name, value in tree.attrs.items()}
    for name, value in expected.items():
        if tree.attrs.get(name) != value:
            raise UserError(
                f"{path}: belongs to other inputs ({name} is {tree.attrs.get(name, 'missing')}, not {value}); "
                "delete it and run again"
            )
    return tree


def group(tree: xr.DataTree, name: str) -> xr.Dataset:
    """Take one group as a Dataset; an empty one where the artefact does not have it."""
    return tree[name].to_dataset() if name in tree.children else xr.Dataset()


def posteriors(fit: xr.DataTree) -> list[xr.Dataset]:
    """Give the groups of a fit that hold draws, each with as many of them as it keeps (see `posterity.storing`)."""
    return [group(fit, name) for name in fit.children if name == "posterior" or str(name).startswith("posterior_thinned_")]


def joint(fit: xr.DataTree, sites: list[str] | None = None) -> xr.Dataset:
    """Give the draws that all of these sites have in common (of all that have draws, where None)."""
    parts = [part if sites is None else part[[site for site in part.data_vars if site in sites]] for part in posteriors(fit)]
    parts = [part for part in parts if part.data_vars]
    if len(parts) < 2:
        return parts[0] if parts else xr.Dataset()
    return xr.merge(parts, join="inner", combine_attrs="drop_conflicts")


def common(fit: xr.DataTree) -> xr.Dataset:
    """Give the draws that all latent sites have in common, with the sites of the group `posterior`."""
    latent = {str(site) for part in posteriors(fit) for site, one in part.items() if one.attrs.get("role") == "latent"}
    return joint(fit, [*latent, *map(str, group(fit, "posterior").data_vars)])


def provenance(stage: str, study: str, settings: dict, seed: int, packages: tuple[str, ...] = (), **more) -> dict:
    """
    Collect where an artefact comes from: stage, study, settings, seed, versions, commit, host and time of writing.

    `more` are further attributes (model, fit, hashes, device, wall time).
    """
    return {
        "stage": stage,
        "study": study,
        **more,
        "settings": json.dumps(settings, sort_keys=True),
        "settings_hash": hash_values(settings),
        "seed": seed,
        "versions": json.dumps({"python": platform.python_version()} | {name: installed(name) for name in packages}),
        "git_commit": _commit(),
        "host": platform.node(),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def hash_values(values) -> str:
    """Hash plain values (their sorted JSON), 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def hash_files(files: list[str]) -> str:
    """Hash the contents of files in their order, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(Path(file).read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def hash_dataset(data: xr.Dataset) -> str:
    """Hash names, dimensions and values of the variables of a Dataset, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in sorted(map(str, data.variables)):
        values = np.ascontiguousarray(data[name].values)
        content = values.tobytes() if values.dtype.kind in "iufbMm" else json.dumps(values.tolist()).encode()
        digest.update(f"{name} {data[name].dims} {values.shape} {values.dtype.kind}".encode() + content)
    return digest.hexdigest()[:16]


def _append(path: Path, name: str, stub: xr.DataArray, stream: Streamed) -> None:
    """Add a variable whose values are on disk, in chunks that suit readers of few scalars; not compressed, as draws hardly are."""
    import netCDF4

    with netCDF4.Dataset(path, "a") as file:
        group = file[name]
        for dim, size in stub.sizes.items():
            if dim not in group.dimensions:
                group.createDimension(dim, size)
        rows, inner = stream.rows(), list(stream.shape[2:])
        if inner:
            inner[0] = max(1, min(inner[0], int(CHUNK // (stream.dtype.itemsize * rows * np.prod(inner[1:])))))
        kind = np.dtype("i1") if stream.dtype == bool else stream.dtype
        variable = group.createVariable(stub.name, kind, stub.dims, fletcher32=True, chunksizes=(1, rows, *inner), fill_value=False)
        variable.setncatts(_plain_attributes(stub.attrs) | ({"dtype": "bool"} if stream.dtype == bool else {}))
        if coordinates := [str(name) for name in stub.coords if name not in stub.dims]:
            variable.setncattr("coordinates", " ".join(coordinates))
        for begin, block in stream.blocks():
            variable[:, begin : begin + block.shape[1]] = block


def _plain(data: xr.Dataset) -> xr.Dataset:
    data = data.copy()
    data.attrs = _plain_attributes(data.attrs)
    for variable in data.variables.values():
        variable.attrs = _plain_attributes(variable.attrs)
        variable.encoding = {}
    return data


def _plain_attributes(attributes: dict) -> dict:
    return {
        name: value if isinstance(value, str | int | float | np.ndarray) and not isinstance(value, bool) else json.dumps(value)
        for name, value in attributes.items()
    }


def installed(package: str) -> str:
    """Give the version of a package, or say that it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    try:
        done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()
