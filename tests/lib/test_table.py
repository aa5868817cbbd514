import gzip

import numpy as np
import pytest

from posterity.errors import UserError
from posterity.table import read

TEXT = "id, x,sigma\n1,1.5,0.1\n2,2.5,0.2\n3,3.5,0.3\n"


def table(tmp_path, text=TEXT, name="t.csv", **spec):
    file = tmp_path / name
    file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return read({"file": str(file), "dim": "point", **spec}, "config/studies/mine.yaml")


def test_columns_derive_select_units(tmp_path):
    data = table(
        tmp_path,
        columns={"id": "id", "x": "length", "sigma": "e"},
        derive={"area": "length ** 2", "twice": "x * 2"},
        select="id >= 2",
        units={"length": "m", "e": "m"},
        labels={"length": "length of the rod"},
    )
    assert list(data.data_vars) == ["id", "length", "e", "area", "twice"]
    np.testing.assert_allclose(data["area"], [6.25, 12.25])
    np.testing.assert_allclose(data["twice"], [5, 7])
    assert data["length"].dims == ("point",)
    assert data["length"].attrs == {"units": "m", "long_name": "length of the rod"}
    assert data["area"].attrs == {"units": "", "long_name": "area"}
    np.testing.assert_array_equal(data["row"], [2, 3])


@pytest.mark.parametrize("text", [TEXT.replace("\n", "\r\n"), "\ufeff" + TEXT, TEXT.rstrip("\n")])
def test_unusual_but_right_files(tmp_path, text):
    np.testing.assert_allclose(table(tmp_path, text)["x"], [1.5, 2.5, 3.5])


def test_compressed_and_odd_names(tmp_path):
    data = table(tmp_path, TEXT.replace("x", "lambda"), "t.csv.gz", units={"lambda": "Å"})
    np.testing.assert_allclose(data["lambda"], [1.5, 2.5, 3.5])


def test_one_row(tmp_path):
    assert table(tmp_path, "x\n1\n")["x"].shape == (1,)


@pytest.mark.parametrize(
    ("text", "spec", "parts"),
    [
        ("x,e\n1,2\n3,\n", {}, ["row 2", "'e' is missing"]),
        ("x,e\n1,2\n3,inf\n", {}, ["row 2", "'e' is inf"]),
        ("x,name\n1,a\n3,\n", {}, ["row 2", "'name' is missing"]),
        ("", {}, ["no table"]),
        ("x,e\n", {}, ["no row is left"]),
        ("x,e\n1,2\n", {"select": "x > 5"}, ["no row is left"]),
        ("x,e\n1,2\n", {"select": "x + 5"}, ["no condition"]),
        ("x,e\n1,2\n", {"columns": {"xx": "x"}}, ["no column 'xx'", "did you mean 'x'"]),
        ("x,e\n1,2\n", {"units": {"z": "m"}}, ["no variable 'z'"]),
        ("x,row\n1,2\n", {}, ["may not be called 'row'", "columns:"]),
        ("x,point\n1,2\n", {}, ["may not be called 'point'", "dim:"]),
    ],
)
def test_faults_are_named(tmp_path, text, spec, parts):
    with pytest.raises(UserError) as fault:
        table(tmp_path, text, **spec)
    for part in parts:
        assert part in str(fault.value)


def test_missing_values_can_be_left_out(tmp_path):
    assert table(tmp_path, "x,e\n1,2\n3,\n", select="isfinite(e)")["x"].size == 1
