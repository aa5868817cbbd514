import os
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from conftest import ROOT

from posterity.artefact.atomic import replace_file
from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.errors import UserError


@pytest.fixture
def path(tmp_path):
    values = xr.Dataset(
        {
            "x": (("chain", "draw"), np.arange(6.0).reshape(2, 3), {"units": "m"}),
            "ok": ("draw", [True, False, True]),
        },
        {"draw": [0, 1, 2]},
    )
    texts = xr.Dataset({"word": ("row", np.array(["a", "bäh"], dtype=object))})
    file = tmp_path / "deep/er/a.nc"
    write_artefact(
        file,
        {"posterior": values, "texts": texts, "empty": xr.Dataset()},
        {"study": "s", "flag": True, "list": [1], "n": 3},
    )
    return file


def test_an_artefact_is_read_as_it_was_written(path):
    tree = read_artefact(path, study="s")
    np.testing.assert_array_equal(tree["posterior"]["x"], np.arange(6.0).reshape(2, 3))
    assert tree["posterior"]["x"].attrs == {"units": "m"}
    assert tree["posterior"]["ok"].dtype == bool
    assert tree["texts"]["word"].values.tolist() == ["a", "bäh"]
    assert tree.attrs == {"study": "s", "flag": "true", "list": "[1]", "n": 3}
    assert type(tree.attrs["n"]) is int
    assert not get_group(tree, "nothing").data_vars


def test_numbers_carry_checksums(path):
    import netCDF4

    with netCDF4.Dataset(path) as file:
        assert file["posterior"]["x"].filters()["fletcher32"]


def test_no_temporary_file_remains(path):
    assert [file.name for file in path.parent.iterdir()] == ["a.nc"]


@pytest.mark.parametrize("spoil", ["cut", "text", "flip", "missing"])
def test_an_error_names_a_damaged_or_missing_file(path, spoil):
    content = bytearray(path.read_bytes())
    if spoil == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif spoil == "text":
        path.write_text("no NetCDF")
    elif spoil == "missing":
        path.unlink()
    else:  # one bit wherever a block of compressed data may start
        for start in range(len(content) - 1):
            if content[start : start + 2] == b"\x78\x01":
                content[start + 6] ^= 0x10
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.nc: (is damaged|file not found)"):
        read_artefact(path)


def test_an_artefact_of_other_inputs_is_refused(path):
    with pytest.raises(UserError, match="belongs to other inputs"):
        read_artefact(path, study="t")
    with pytest.raises(UserError, match="data_hash is missing"):
        read_artefact(path, data_hash="x")


def test_the_old_file_remains_after_an_error(path):
    before = path.read_bytes()
    with pytest.raises(ValueError, match="broken"), replace_file(path) as file:
        file.write_text("half")
        raise ValueError("broken")
    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 1


def test_an_error_names_a_path_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_artefact(tmp_path / "file/a.nc", {}, {})


def test_only_attributes_can_be_read(path):
    tree = read_artefact(path, attributes_only=True)
    assert tree.attrs["study"] == "s"
    assert not tree.children


LOCKED = """
import fcntl, os, sys
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.data.readers import read_file
assert os.environ.get("HDF5_USE_FILE_LOCKING", "") == sys.argv[2], "set by an import"
{first}
with open(sys.argv[1], "rb+") as file:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    read_artefact(sys.argv[1])
"""


@pytest.mark.parametrize(
    ("first", "setting", "code"),
    [
        ("", "", 0),
        ("write_artefact(sys.argv[1] + '2', {}, {})", "", 0),
        ("read_file(sys.argv[1], 'row', None, 'study')", "", 0),
        ("", "TRUE", 1),
    ],
    ids=["read", "write first", "read data first", "locks on"],
)
def test_a_locked_file_is_read_unless_the_user_turns_locks_on(tmp_path, first, setting, code):
    """HDF5 reads its setting once per process, when netCDF4 is imported."""
    file = tmp_path / "a.nc"
    xr.Dataset({"x": ("row", [1.0])}).to_netcdf(file, engine="netcdf4")
    environment = {name: value for name, value in os.environ.items() if "HDF5" not in name}
    environment["PYTHONPATH"] = str(ROOT / "workflow/lib")
    if setting:
        environment["HDF5_USE_FILE_LOCKING"] = setting
    process = subprocess.run(
        [sys.executable, "-c", LOCKED.format(first=first), file, setting],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert process.returncode == code, process.stderr
    assert ("is damaged" in process.stderr) == bool(code)
