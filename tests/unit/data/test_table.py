import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xarray as xr
from astropy.table import Table
from data_files import ASTROPY, assert_refused, load, load_text, write_any, write_astropy

from posterity.data.table import describe_variables
from posterity.errors import UserError

EMPTY = {
    "t.ecsv": lambda file: Table({"x": np.empty(0)}).write(file),
    "t.fits": lambda file: Table({"x": np.empty(0)}).write(file),
    "t.parquet": lambda file: pq.write_table(pa.table({"x": np.empty(0)}), file),
    "t.nc": lambda file: xr.Dataset({"x": ("star", np.empty(0))}).to_netcdf(file),
}


def test_columns_are_renamed_derived_selected_and_described(tmp_path):
    data = load_text(
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
    assert data["area"].attrs == {"units": "", "long_name": "area", "derived_from": "length"}
    np.testing.assert_array_equal(data["row"], [2, 3])


@pytest.mark.parametrize(
    ("text", "spec", "parts"),
    [
        ("x,e\n", {}, ["no row is left"]),
        ("x,e\n1,2\n", {"select": "x > 5"}, ["no row is left"]),
        ("x,e\n1,2\n", {"select": "x + 5"}, ["is not a condition", "Example: id >= 5"]),
        ("x,e\n1,2\n", {"columns": {"xx": "x"}}, ["no column 'xx'", "did you mean 'x'"]),
        ("x,e\n1,2\n", {"units": {"z": "m"}}, ["no variable 'z'"]),
        ("x,row\n1,2\n", {}, ["may not be called 'row'", "columns:"]),
        ("x,point\n1,2\n", {}, ["may not be called 'point'", "dim:"]),
    ],
)
def test_errors_of_the_study_are_named(tmp_path, text, spec, parts):
    with pytest.raises(UserError) as error:
        load_text(tmp_path, text, **spec)
    for part in parts:
        assert part in str(error.value)


def test_rows_with_missing_values_can_be_left_out(tmp_path):
    assert load_text(tmp_path, "x,e\n1,2\n3,\n", select="isfinite(e)")["x"].size == 1


@pytest.mark.parametrize("name", EMPTY)
def test_a_table_without_rows_is_refused(tmp_path, name):
    EMPTY[name](tmp_path / name)
    assert_refused(tmp_path / name, name, "is left for the study", select="x > 3")


@pytest.mark.parametrize("name", [*ASTROPY, "t.parquet", "t.nc"])
def test_errors_of_the_study_are_the_same_in_other_formats(tmp_path, name):
    file = write_any(tmp_path, name)
    assert_refused(file, "no column 'xx'", "did you mean 'x'", columns={"xx": "x"})
    assert_refused(file, "units: there is no variable 'z'", units={"z": "m"})
    assert_refused(file, "labels: there is no variable 'z'", labels={"z": "m"})
    assert_refused(file, "is left for the study", select="x > 1e9")
    assert_refused(file, "is not a condition", select="x")
    assert_refused(file, "cannot parse 'x +'", derive={"a": "x +"})
    assert_refused(file, "'y', which is not a column", derive={"a": "y + 1"})
    assert_refused(file, "may not be called 'star'", columns={"x": "star"})
    if name in ASTROPY:
        assert_refused(file, "two columns would be called 'a'", columns={"x": "a", "n": "a"})
        assert_refused(file, "2 dimensions", select="v > 3")


def test_vectors_of_equal_length_are_combined_element_by_element(tmp_path):
    table = Table(
        {"a": np.ones((2, 3)), "b": np.full((2, 3), 2.0), "c": np.ones((2, 4)), "x": [1.0, 2.0]}
    )
    file = write_astropy(tmp_path, table, "t.ecsv")
    data = load(file, columns={"a": "flux", "b": "b", "x": "x"}, derive={"r": "flux / b * x * a"})
    assert data["r"].dims == ("star", "r_dim_1")
    np.testing.assert_allclose(data["r"], [[0.5] * 3, [1] * 3])
    assert_refused(file, "do not fit", derive={"r": "a / c"})


def test_derived_variables_may_use_each_other_in_any_order(tmp_path):
    data = load_text(tmp_path, derive={"a": "z + 1", "z": "2 * x", "x": "x / 10"}, select="a > 1.4")
    np.testing.assert_allclose(data["x"], [0.25, 0.35])
    np.testing.assert_allclose(data["a"], [1.5, 1.7])
    with pytest.raises(UserError, match="'b', which is not a column"):
        load_text(tmp_path, derive={"a": "b", "b": "a"})


def test_dates_have_no_units():
    data = xr.Dataset({"t": ("row", np.array(["2020-01-01"], "M8[ns]"))})
    assert describe_variables(data, {}, "study.yaml")["t"].attrs == {"long_name": "t"}
    with pytest.raises(UserError, match=r"study\.yaml: data: units: 't' holds dates"):
        describe_variables(data, {"units": {"t": "d"}}, "study.yaml")


def test_a_constant_has_one_value_per_row(tmp_path):
    data = load_text(tmp_path, derive={"k": "2 * pi"})
    assert data["k"].dims == ("point",)
    np.testing.assert_allclose(data["k"], [2 * np.pi] * 3)
