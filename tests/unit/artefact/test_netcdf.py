import numpy as np
import pytest
import xarray as xr

from posterity.artefact.atomic import replace_file
from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.artefact.provenance import hash_dataset
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


def test_what_is_written_is_read(path):
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


def test_nothing_is_left_beside_the_file(path):
    assert [file.name for file in path.parent.iterdir()] == ["a.nc"]


@pytest.mark.parametrize("spoil", ["cut", "text", "flip", "missing"])
def test_a_damaged_file_is_refused_by_name(path, spoil):
    content = bytearray(path.read_bytes())
    if spoil == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif spoil == "text":
        path.write_text("no NetCDF")
    elif spoil == "missing":
        path.unlink()
    else:  # one bit in each place where a block of compressed data may start
        for place in [
            i for i in range(len(content) - 1) if content[i] == 0x78 and content[i + 1] == 0x01
        ]:
            content[place + 6] ^= 0x10
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.nc"):
        read_artefact(path)


def test_a_file_of_other_inputs_is_refused(path):
    with pytest.raises(UserError, match="belongs to other inputs"):
        read_artefact(path, study="t")
    with pytest.raises(UserError, match="data_hash is missing"):
        read_artefact(path, data_hash="x")


def test_a_failed_write_leaves_the_old_file(path):
    before = path.read_bytes()
    with pytest.raises(ValueError, match="broken"), replace_file(path) as beside:
        beside.write_text("half")
        raise ValueError("broken")
    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 1


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_artefact(tmp_path / "file/a.nc", {}, {})


def test_the_hash_of_data_sees_values_names_and_dimensions_only():
    data = xr.Dataset({"x": ("a", [1.0, 2.0])})
    same = xr.Dataset({"x": ("a", [1.0, 2.0], {"units": "m"})})
    others = [
        xr.Dataset({"x": ("a", [1.0, 3.0])}),
        xr.Dataset({"y": ("a", [1.0, 2.0])}),
        xr.Dataset({"x": ("b", [1.0, 2.0])}),
    ]
    assert hash_dataset(data) == hash_dataset(same)
    assert len({hash_dataset(d) for d in [data, *others]}) == 4
