"""Artefacts: the NetCDF files, with checksums and provenance, that stages write for each other."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from posterity.artefact.atomic import replace_file
from posterity.artefact.streamed import StreamedArray
from posterity.errors import UserError

CHUNK_BYTES = 1e6  # of a variable that is written block by block
MAX_LOADED_BYTES = 256e6  # larger variables stay on disk until they are used
COMPRESSION = {"zlib": True, "complevel": 1, "shuffle": True, "fletcher32": True}


def disable_hdf5_locking() -> None:
    """
    Disable the file locks of HDF5, unless HDF5_USE_FILE_LOCKING is set.

    Readers need no locks, since a finished artefact never changes, and some shared file systems do
    not support them. HDF5 reads the variable when netCDF4 is imported, so call this before. xarray
    imports netCDF4 when it opens the first file.
    """
    os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")


def write_artefact(
    path: str | Path,
    groups: dict[str, xr.Dataset],
    attributes: Mapping[str, Any],
    streams: Mapping[str, Mapping[str, StreamedArray]] | None = None,
) -> None:
    """
    Write groups to one NetCDF file, which appears under its name only when it is complete.

    Numbers are compressed and carry checksums (fletcher32).

    Parameters
    ----------
    path : str or Path
        Path of the file.
    groups : dict of str to xarray.Dataset
        Groups by name.
    attributes : mapping
        Attributes of the file. Those that NetCDF cannot hold (dict, list, bool, None) are written
        as JSON text.
    streams : mapping, optional
        By group and name, variables whose values lie on disk. In `groups` stand their stubs
        (`StreamedArray.stub`).

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    disable_hdf5_locking()
    streams = streams or {}
    stubs = {name: groups[name][list(values)] for name, values in streams.items()}
    groups = {name: group.drop_vars(list(streams.get(name, ()))) for name, group in groups.items()}
    tree = xr.DataTree.from_dict(
        {f"/{name}": _encode_dataset(group) for name, group in groups.items()}
    )
    tree.attrs = _encode_attributes(attributes)
    encoding = {f"/{name}": _choose_compression(group) for name, group in groups.items()}
    with replace_file(path) as file:
        try:
            tree.to_netcdf(file, engine="netcdf4", encoding=encoding)
            for name, values in streams.items():
                for variable, stream in values.items():
                    _append_streamed(file, name, stubs[name][variable], stream)
        except RuntimeError as error:  # netCDF4 raises it on a full disk
            free = shutil.disk_usage(file.parent).free / 1e6
            raise OSError(f"{error}, with {free:.1f} MB free on its disk") from error


def read_artefact(path: str | Path, attributes_only: bool = False, **expected: str) -> xr.DataTree:
    """
    Read an artefact.

    Parameters
    ----------
    path : str or Path
        Path of the file.
    attributes_only : bool
        Whether to read the attributes of the file only.
    **expected : str
        Attributes that the file must have, such as `study="line"`.

    Returns
    -------
    xarray.DataTree
        All groups in memory. Variables above `MAX_LOADED_BYTES` stay on disk until they are used.

    Raises
    ------
    UserError
        If the file cannot be read, is damaged, or lacks an expected attribute.
    """
    disable_hdf5_locking()
    try:
        tree = _read_attributes(path) if attributes_only else _read_tree(path)
    except FileNotFoundError:
        raise UserError(f"{path}: file not found. Run the stage that writes it.") from None
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise UserError(
            f"{path}: is damaged or not a NetCDF file ({error}). Delete it and run again."
        ) from error
    tree.attrs = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in tree.attrs.items()
    }
    for name, value in expected.items():
        if tree.attrs.get(name) != value:
            raise UserError(
                f"{path}: belongs to other inputs ({name} is {tree.attrs.get(name, 'missing')}, "
                f"not {value}). Delete it and run again."
            )
    return tree


def _read_attributes(path: str | Path) -> xr.DataTree:
    with xr.open_datatree(path, engine="netcdf4") as tree:
        return xr.DataTree(xr.Dataset(attrs=tree.attrs))


def _read_tree(path: str | Path) -> xr.DataTree:
    """Read a file; leave it open only if a variable is too large to be loaded."""
    tree = xr.open_datatree(path, engine="netcdf4")
    variables = [variable for node in tree.subtree for variable in node.variables.values()]
    try:
        for variable in variables:
            if variable.nbytes <= MAX_LOADED_BYTES:
                variable.load()
    finally:
        if all(variable.nbytes <= MAX_LOADED_BYTES for variable in variables):
            tree.close()
    return tree


def _choose_compression(group: xr.Dataset) -> dict[str, dict[str, Any]]:
    return {
        str(name): COMPRESSION
        for name, values in group.variables.items()
        if values.dtype.kind in "iufb" and values.ndim and values.size
    }


def _append_streamed(path: Path, name: str, stub: xr.DataArray, stream: StreamedArray) -> None:
    """
    Add a variable whose values lie on disk to the group `name` of a file.

    Its chunks suit readers of few scalars. It is not compressed, since draws hardly shrink.
    """
    import netCDF4

    is_bool = stream.dtype == bool
    rows = stream.rows()
    with netCDF4.Dataset(path, "a") as file:
        group = file[name]
        for dim, size in stub.sizes.items():
            if dim not in group.dimensions:
                group.createDimension(dim, size)
        variable = group.createVariable(
            stub.name,
            np.dtype("i1") if is_bool else stream.dtype,
            stub.dims,
            fletcher32=True,
            chunksizes=(1, rows, *_choose_chunk(stream, rows)),
            fill_value=False,
        )
        attributes = _encode_attributes(stub.attrs)
        if is_bool:
            attributes["dtype"] = "bool"  # as xarray writes booleans
        variable.setncatts(attributes)
        coordinates = [str(coord) for coord in stub.coords if coord not in stub.dims]
        if coordinates:
            variable.setncattr("coordinates", " ".join(coordinates))
        for begin, block in stream.blocks():
            variable[:, begin : begin + block.shape[1]] = block


def _choose_chunk(stream: StreamedArray, rows: int) -> list[int]:
    """Return the chunk sizes of the dimensions of a site, for `rows` draws of one chain."""
    sizes = list(stream.shape[2:])
    if sizes:
        row_bytes = stream.dtype.itemsize * rows * np.prod(sizes[1:])
        sizes[0] = max(1, min(sizes[0], int(CHUNK_BYTES // row_bytes)))
    return sizes


def _encode_dataset(data: xr.Dataset) -> xr.Dataset:
    """Return a copy with attributes that NetCDF can hold and without encodings."""
    data = data.copy()
    data.attrs = _encode_attributes(data.attrs)
    for variable in data.variables.values():
        variable.attrs = _encode_attributes(variable.attrs)
        variable.encoding = {}
    return data


def _encode_attributes(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        name: value if _is_netcdf_value(value) else json.dumps(value)
        for name, value in attributes.items()
    }


def _is_netcdf_value(value: Any) -> bool:
    return isinstance(value, str | int | float | np.ndarray) and not isinstance(value, bool)
