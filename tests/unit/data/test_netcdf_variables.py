import netCDF4
import numpy as np
import xarray as xr
from data_files import assert_refused, load

from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.artefact.provenance import hash_dataset


def make_stars():
    return xr.Dataset(
        {
            "mag": (
                "star",
                [1.0, 2.0, 3.0, 4.0],
                {"units": "mag", "long_name": "apparent magnitude", "comment": "of"},
            ),
            "band": (("star", "filter"), np.arange(8.0).reshape(4, 2)),
            "of": ("star", [0, 0, 1, 1], {"units": "1"}),
            "age": ("cluster", [10.0, 20.0], {"units": "Myr"}),
            "period": ("star", [1.0, 2.0, 3.0, 4.0], {"units": "days"}),
            "seen": ("star", np.array(["2020-01-01"] * 4, "M8[ns]")),
            "name": ("star", np.array(["a", "b", "c", "d"], object)),
            "zero": ((), 3.5),
        },
        {"cluster": ["Hyades", "Pleiades"], "ra": ("star", [5.0, 6.0, 7.0, 8.0], {"units": "deg"})},
    )


def test_variables_keep_dimensions_coordinates_types_and_units(tmp_path):
    make_stars().to_netcdf(tmp_path / "t.nc")
    data = load(
        tmp_path / "t.nc",
        dim="point",
        derive={"abs": "mag - age * 0 - zero", "colour": "band - mag", "k": "2 * zero"},
        select="mag > 1.5",
        labels={"abs": "absolute"},
    )
    assert data.sizes == {"star": 3, "filter": 2, "cluster": 2}
    assert "row" not in data.coords
    assert data["cluster"].values.tolist() == ["Hyades", "Pleiades"]
    assert data["star"].values.tolist() == [0, 1, 2]
    assert data["filter"].values.tolist() == [0, 1]
    assert data["ra"].values.tolist() == [6, 7, 8]
    assert "ra" in data.coords
    assert data["ra"].attrs["units"] == "deg"
    assert data["mag"].attrs == {"units": "mag", "long_name": "apparent magnitude"}
    sources = {"derived_from": "mag, age, zero"}
    assert data["abs"].attrs == {"units": "", "long_name": "absolute"} | sources
    assert data["of"].attrs["units"] == ""
    assert data["abs"].dims == ("star", "cluster")
    assert data["colour"].dims == ("star", "filter")
    assert data["k"].item() == 7
    assert data["period"].dtype == float
    assert data["period"].attrs["units"] == "days"
    assert data["seen"].dtype.kind == "M"
    assert data["name"].values.tolist() == ["b", "c", "d"]
    write_artefact(tmp_path / "out.nc", {"data": data}, {})
    again = get_group(read_artefact(tmp_path / "out.nc"), "data")
    xr.testing.assert_equal(again, data)
    assert hash_dataset(again.drop_vars(["name", "cluster"])) == hash_dataset(
        data.drop_vars(["name", "cluster"])
    )


def test_columns_choose_variables_and_coordinates(tmp_path):
    make_stars().to_netcdf(tmp_path / "t.nc")
    data = load(tmp_path / "t.nc", columns={"mag": "m", "ra": "alpha"})
    assert list(data.data_vars) == ["m", "alpha"]
    assert list(data.coords) == ["star"]
    assert data["alpha"].attrs == {"units": "deg", "long_name": "alpha"}
    data = load(
        tmp_path / "t.nc",
        columns={"age": "age", "cluster": "cluster"},
        select="cluster == 'Hyades'",
    )
    assert data["cluster"].values.tolist() == ["Hyades"]
    assert data["age"].values.tolist() == [10]
    data = load(tmp_path / "t.nc", columns={"age": "age", "cluster": "label"}, units={"age": "Gyr"})
    assert (
        data["label"].values.tolist() == data["cluster"].values.tolist() == ["Hyades", "Pleiades"]
    )
    assert data["age"].attrs["units"] == "Gyr"


def test_missing_and_packed_values(tmp_path):
    table = xr.Dataset(
        {
            "n": ("star", np.array([5, 2**60 + 1, -9])),
            "x": ("star", [1.0, np.nan, 3.0]),
            "y": ("star", [1.0, 2.0, 3.0]),
        }
    )
    table["f"] = (("star", "filter"), [[1.0, 2.0], [3.0, 4.0], [5.0, np.nan]])
    encoding = {
        "n": {"_FillValue": -9},
        "y": {"dtype": "i2", "scale_factor": 0.5, "_FillValue": -1},
    }
    table.to_netcdf(tmp_path / "t.nc", encoding=encoding)
    file = tmp_path / "t.nc"
    assert_refused(file, "star 3 (counted from 1)", "'n' is missing", columns={"n": "n"})
    assert_refused(file, "star 2 (counted from 1)", "'x' is missing", columns={"x": "x"})
    assert_refused(
        file,
        "star 3, filter 2 (counted from 1)",
        "'f' is missing",
        columns={"f": "f"},
        select="n != 5",
    )
    data = load(file, columns={"n": "n", "y": "y"}, select="isfinite(n)")
    assert data["n"].dtype == np.int64
    assert data["n"].values.tolist() == [5, 2**60 + 1]
    np.testing.assert_allclose(data["y"], [1, 2])
    with netCDF4.Dataset(tmp_path / "u.nc", "w") as unwritten:
        unwritten.createDimension("star", 3)
        unwritten.createVariable("x", "f4", ("star",))[:2] = [1, 2]
    assert_refused(tmp_path / "u.nc", "star 3 ", "'x' is missing")


def test_errors_of_netcdf_name_variable_or_dimension(tmp_path):
    make_stars().to_netcdf(tmp_path / "t.nc")
    file = tmp_path / "t.nc"
    assert_refused(file, "2 dimensions", select="band > 1")
    assert_refused(file, "no dimension", select="zero > 1")
    assert_refused(file, "2 dimensions", select="(mag > 1) & (age > 1)")
    assert_refused(file, "no entry of 'star' is left", select="mag > 100")
    assert_refused(file, "may not be called 'cluster'", derive={"cluster": "age"})
    assert_refused(file, "'seen' holds dates", units={"seen": "d"})
    make_stars().to_netcdf(tmp_path / "groups.nc", group="one")
    assert_refused(tmp_path / "groups.nc", "groups", "/one")
    xr.Dataset(coords={"x": [1.0]}).to_netcdf(tmp_path / "coords.nc")
    assert_refused(tmp_path / "coords.nc", "coordinates", "columns:")
    bad = xr.Dataset({"s": ("star", np.array(["1", "2", "x"], object))})
    bad.to_netcdf(tmp_path / "bad.nc")
    assert_refused(tmp_path / "bad.nc", "star 3 (counted from 1)", "'s' is the text 'x'")


def test_netcdf_of_the_classic_formats(tmp_path):
    for kind in ("NETCDF3_CLASSIC", "NETCDF3_64BIT", "NETCDF4_CLASSIC"):
        make_stars().to_netcdf(tmp_path / "t.nc4", format=kind, engine="netcdf4")
        data = load(tmp_path / "t.nc4", columns={"mag": "mag", "name": "name", "of": "of"})
        assert data["name"].values.tolist() == ["a", "b", "c", "d"]
        assert all(values.dtype.isnative for values in data.variables.values())
