"""Artefacts: the NetCDF files that stages write for each other, with their checksums and where they came from."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import xarray as xr

from posterity.artefact.atomic import replace_file
from posterity.artefact.streamed import StreamedArray
from posterity.errors import UserError

# Readers need no locks, as a file that stands in its place is never written to; some shared file systems have none.
os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")
CHUNK_BYTES = 1e6  # bytes of a chunk of a variable that is written in pieces
# Attributes that may differ between two runs on equal machines.
MAX_LOADED_BYTES = 256e6  # bytes of a variable that is not read at once


def write_artefact(
    path: str | Path, groups: dict[str, xr.Dataset], attributes: dict, streams: dict | None = None
) -> None:
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
    tree = xr.DataTree.from_dict(
        {f"/{name}": _plain_dataset(group) for name, group in groups.items()}
    )
    tree.attrs = _plain_attributes(attributes)
    encoding = {
        f"/{name}": {
            variable: {"zlib": True, "complevel": 1, "shuffle": True, "fletcher32": True}
            for variable, values in group.variables.items()
            if values.dtype.kind in "iufb" and values.ndim and values.size
        }
        for name, group in groups.items()
    }
    with replace_file(path) as beside:
        try:
            tree.to_netcdf(beside, engine="netcdf4", encoding=encoding)
            for name, values in streams.items():
                for variable, stream in values.items():
                    _append_streamed(beside, name, stubs[name][variable], stream)
        except RuntimeError as error:  # what netCDF4 raises on a full disk
            free = shutil.disk_usage(beside.parent).free / 1e6
            raise OSError(f"{error}, with {free:.1f} MB free on its disk") from error


def read_artefact(path: str | Path, attributes_only: bool = False, **expected: str) -> xr.DataTree:
    """
    Read an artefact into memory, or only its attributes. Variables above LARGE stay on disk until they are looked at.

    `expected` are attributes that it must have (study="line", data_hash=...). Raises UserError, naming the file, if it cannot
    be read, is damaged, or belongs to other inputs.
    """
    try:
        tree = xr.open_datatree(path, engine="netcdf4")
        try:
            variables = (
                []
                if attributes_only
                else [one for node in tree.subtree for one in node.variables.values()]
            )
            for variable in variables:
                if variable.nbytes <= MAX_LOADED_BYTES:
                    variable.load()
        finally:
            if attributes_only or all(
                variable.nbytes <= MAX_LOADED_BYTES for variable in variables
            ):
                tree.close()
        tree = xr.DataTree(xr.Dataset(attrs=tree.attrs)) if attributes_only else tree
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file; run the stage that writes it") from None
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise UserError(
            f"{path}: is damaged or no NetCDF file ({error}); delete it and run again"
        ) from error
    tree.attrs = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in tree.attrs.items()
    }
    for name, value in expected.items():
        if tree.attrs.get(name) != value:
            raise UserError(
                f"{path}: belongs to other inputs ({name} is {tree.attrs.get(name, 'missing')}, not {value}); "
                "delete it and run again"
            )
    return tree


def _append_streamed(path: Path, name: str, stub: xr.DataArray, stream: StreamedArray) -> None:
    """Add a variable whose values are on disk, in chunks that suit readers of few scalars; not compressed, as draws hardly are."""
    import netCDF4

    with netCDF4.Dataset(path, "a") as file:
        group = file[name]
        for dim, size in stub.sizes.items():
            if dim not in group.dimensions:
                group.createDimension(dim, size)
        rows, inner = stream.rows(), list(stream.shape[2:])
        if inner:
            inner[0] = max(
                1,
                min(
                    inner[0],
                    int(CHUNK_BYTES // (stream.dtype.itemsize * rows * np.prod(inner[1:]))),
                ),
            )
        kind = np.dtype("i1") if stream.dtype == bool else stream.dtype
        variable = group.createVariable(
            stub.name,
            kind,
            stub.dims,
            fletcher32=True,
            chunksizes=(1, rows, *inner),
            fill_value=False,
        )
        variable.setncatts(
            _plain_attributes(stub.attrs) | ({"dtype": "bool"} if stream.dtype == bool else {})
        )
        if coordinates := [str(name) for name in stub.coords if name not in stub.dims]:
            variable.setncattr("coordinates", " ".join(coordinates))
        for begin, block in stream.blocks():
            variable[:, begin : begin + block.shape[1]] = block


def _plain_dataset(data: xr.Dataset) -> xr.Dataset:
    data = data.copy()
    data.attrs = _plain_attributes(data.attrs)
    for variable in data.variables.values():
        variable.attrs = _plain_attributes(variable.attrs)
        variable.encoding = {}
    return data


def _plain_attributes(attributes: dict) -> dict:
    return {
        name: value
        if isinstance(value, str | int | float | np.ndarray) and not isinstance(value, bool)
        else json.dumps(value)
        for name, value in attributes.items()
    }
