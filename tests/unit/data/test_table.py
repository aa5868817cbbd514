import gzip
import warnings
from decimal import Decimal

import netCDF4
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xarray as xr
from astropy.io import fits
from astropy.table import Column, MaskedColumn, Table
from astropy.time import Time
from astropy.units import Unit

from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.artefact.provenance import hash_dataset
from posterity.data.table import read_table
from posterity.errors import UserError

TEXT = "id, x,sigma\n1,1.5,0.1\n2,2.5,0.2\n3,3.5,0.3\n"


def table(tmp_path, text=TEXT, name="t.csv", **spec):
    file = tmp_path / name
    file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return read_table({"file": str(file), "dim": "point", **spec}, "config/studies/mine.yaml")


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


# Formats


def measured(masked=True):
    """A table of astropy with units, a description, gaps, text, booleans, a vector and an odd unit."""
    made = Table()
    made["x"] = Column(
        [1.5, 2.5, 3.5, 4.5], unit="km / s", description="radial\n velocity", dtype=">f8"
    )
    made["n"] = MaskedColumn([1, 2**60 + 1, 3, 4], mask=[masked, False, False, False], dtype=">i8")
    made["name"] = ["a", "b", "c", "d"]
    made["good"] = [True, False, True, True]
    made["v"] = Column(np.arange(12.0).reshape(4, 3), dtype=">f4")
    made["odd"] = Column(
        [1.0, 2.0, 3.0, 4.0], unit=Unit("counts per nothing", parse_strict="silent")
    )
    return made


def written(tmp_path, made, name):
    file = tmp_path / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy's, of the odd unit
        made.write(file, overwrite=True, **({"format": "fits"} if ".fit" in name else {}))
    return file


def load(file, **spec):
    return read_table({"file": str(file), "dim": "star", **spec}, "config/studies/mine.yaml")


def refused(file, *parts, **spec):
    with pytest.raises(UserError) as fault:
        load(file, **spec)
    text = str(fault.value)
    assert "\n" not in text
    for part in parts:
        assert part in text


ASTROPY = ["t.ecsv", "t.fits", "t.fit", "t.fits.gz"]


@pytest.mark.parametrize("name", [*ASTROPY, "t.FITS", "t.ecsv.gz"])
def test_ecsv_and_fits(tmp_path, name, caplog):
    file = written(tmp_path, measured(), name.removesuffix(".gz") if "ecsv" in name else name)
    if name == "t.ecsv.gz":
        file = tmp_path / name
        file.write_bytes(gzip.compress((tmp_path / "t.ecsv").read_bytes()))
    data = load(
        file,
        columns={"x": "rv", "n": "n", "name": "name", "good": "good", "v": "v", "odd": "odd"},
        derive={"w": "v * rv / v", "m": "n - 1"},
        select="isfinite(n) & (x < 4)",
        labels={"odd": "oddity"},
    )
    assert data["rv"].attrs == {"long_name": "radial velocity", "units": "km / s"}
    assert data["odd"].attrs == {"long_name": "oddity", "units": "counts per nothing"}
    assert data["w"].attrs == {"long_name": "w", "units": ""}
    assert data["n"].dtype == np.int64
    assert data["m"].dtype == np.int64
    assert data["n"].values.tolist() == [2**60 + 1, 3]
    assert data["name"].values.tolist() == ["b", "c"]
    assert all(type(value) is str for value in data["name"].values)
    assert data["good"].dtype == bool
    assert data["v"].dims == ("star", "v_dim_1")
    assert data["w"].dims == ("star", "w_dim_1")
    np.testing.assert_allclose(data["v"], [[3, 4, 5], [6, 7, 8]])
    np.testing.assert_allclose(data["w"], [[2.5] * 3, [3.5] * 3])
    assert all(values.dtype.isnative for values in data.variables.values())
    assert data["row"].values.tolist() == [2, 3]
    write_artefact(tmp_path / "out.nc", {"data": data}, {})
    xr.testing.assert_equal(get_group(read_artefact(tmp_path / "out.nc"), "data"), data)
    if ".fit" in name.lower():
        assert "counts per nothing" in caplog.text


@pytest.mark.parametrize("name", ASTROPY)
def test_units_of_the_study_go_first(tmp_path, name):
    data = load(written(tmp_path, measured(False), name), units={"x": "m/s"}, labels={"x": "speed"})
    assert data["x"].attrs == {"long_name": "speed", "units": "m/s"}


@pytest.mark.parametrize("name", ASTROPY)
def test_masked_values_are_named(tmp_path, name):
    refused(
        written(tmp_path, measured(), name), name, "row 1 ", "'n' is missing", "select: isfinite(n)"
    )
    made = measured(False)
    made["v"][2, 1] = np.nan
    refused(written(tmp_path, made, name), "row 3 ", "'v' is missing", "columns:")


@pytest.mark.parametrize("name", [*ASTROPY, "t.parquet", "t.nc", "t3.nc"])
def test_damaged_files(tmp_path, name):
    file = written_anyhow(tmp_path, name)
    content = file.read_bytes()
    for part in (
        content[: len(content) // 2],
        content[: len(content) - 7],
        content[:100],
        b"hello\nworld\n",
        b"",
    ):
        if name == "t.ecsv" and part == content[:-7]:
            part = content[:-25]
        file.write_bytes(part)
        refused(
            file,
            name,
            "FITS"
            if ".fit" in name
            else {"t.ecsv": "ECSV", "t.parquet": "Parquet"}.get(name, "NetCDF"),
        )
    file.unlink()
    refused(file, "there is no such file")


def written_anyhow(tmp_path, name):
    if name in ASTROPY:
        return written(tmp_path, measured(False), name)
    values = np.arange(2000.0)
    if name == "t.parquet":
        pq.write_table(pa.table({"x": values}), tmp_path / name)
    else:
        kind = "NETCDF3_64BIT" if "3" in name else "NETCDF4"
        xr.Dataset({"x": ("star", values)}).to_netcdf(
            tmp_path / name, format=kind, engine="netcdf4"
        )
    return tmp_path / name


def test_a_damaged_fits_is_found_by_its_checksum(tmp_path):
    fits.BinTableHDU(Table({"x": np.arange(100.0)})).writeto(tmp_path / "t.fits", checksum=True)
    content = bytearray((tmp_path / "t.fits").read_bytes())
    content[-2880 + 100] ^= 1
    (tmp_path / "t.fits").write_bytes(content)
    refused(tmp_path / "t.fits", "hecksum")


def test_parts_of_a_fits_file(tmp_path):
    parts = [fits.PrimaryHDU(), fits.ImageHDU(np.zeros((2, 2)), name="IMAGE")]
    fits.HDUList(parts).writeto(tmp_path / "none.fits")
    tables = [
        fits.BinTableHDU(Table({"x": [value]}), name=name)
        for value, name in ((1.0, "FIRST"), (2.0, "SECOND"))
    ]
    fits.HDUList([*parts, *tables]).writeto(tmp_path / "t.fits")
    file = tmp_path / "t.fits"
    for hdu, value in ((None, 1), (2, 1), (3, 2), ("second", 2)):
        assert load(file, **({} if hdu is None else {"hdu": hdu}))["x"] == value
    refused(file, "there is no hdu '7'", "2 (FIRST), 3 (SECOND)", hdu=7)
    refused(file, "hdu 'image'", "is no table", hdu="image")
    refused(tmp_path / "none.fits", "there is no table", "IMAGE")
    (tmp_path / "t.csv").write_text(TEXT)
    refused(tmp_path / "t.csv", "hdu", "no FITS file", hdu=1)


def test_columns_of_one_name(tmp_path):
    Table({"x": [1.0], "y": [2.0]}).write(tmp_path / "t.fits")
    (tmp_path / "t.fits").write_bytes((tmp_path / "t.fits").read_bytes().replace(b"'y  ", b"'x  "))
    pq.write_table(pa.table([[1.0], [2.0]], names=["x", "x"]), tmp_path / "t.parquet")
    Table({"x": [1.0], "y": [2.0]}).write(tmp_path / "t.ecsv")
    (tmp_path / "t.ecsv").write_text(
        (tmp_path / "t.ecsv").read_text().replace("name: y", "name: x").replace("x y", "x x")
    )
    for name in ("t.fits", "t.parquet", "t.ecsv"):
        refused(tmp_path / name, name, "two columns are called 'x'")


def test_vectors_of_different_lengths(tmp_path):
    made = Table({"b": [[1.0, 2.0, np.nan]], "a": [[1.0, 2.0]]})
    refused(written(tmp_path, made, "t.fits"), "row 1 ", "'b' is missing")
    data = load(written(tmp_path, made, "t.fits"), columns={"a": "a"}, derive={"c": "2"})
    assert data.sizes == {"star": 1, "a_dim_1": 2}
    assert data["c"].dims == ("star",)


def test_windows_line_ends_and_a_bom_in_ecsv(tmp_path):
    Table({"x": [1.0, 2.0]}).write(tmp_path / "t.ecsv")
    text = (tmp_path / "t.ecsv").read_text()
    (tmp_path / "t.ecsv").write_bytes(
        b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b"\r\n"
    )
    assert load(tmp_path / "t.ecsv")["x"].values.tolist() == [1, 2]


def test_integers_of_fits_that_are_null(tmp_path):
    columns = [
        fits.Column("n", "J", null=-99, array=np.array([5, -99])),
        fits.Column("s", "3A", array=np.array(["ab", "c"])),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "t.fits")
    refused(tmp_path / "t.fits", "row 2", "'n' is missing")
    data = load(tmp_path / "t.fits", select="n > 0")
    assert data["n"].dtype == np.int32
    assert data["s"].values.tolist() == ["ab"]


def test_columns_that_no_model_can_take(tmp_path):
    made = Table({"x": [1.0, 2.0], "t": Time([1.0, 2.0], format="mjd"), "z": [1j, 2j]})
    file = written(tmp_path, made, "t.ecsv")
    refused(file, "'t' holds Time", "columns:")
    refused(file, "'z' holds complex128", columns={"z": "z"})
    assert load(file, columns={"x": "x"})["x"].size == 2
    pq.write_table(pa.table({"v": [[1, 2], [3]]}), tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", "'v' holds ndarray")


@pytest.mark.parametrize("name", ["t.parquet", "t.pq"])
def test_parquet(tmp_path, name):
    fields = [
        pa.field("n", pa.int64(), metadata={"unit": "1/s"}),
        pa.field("x", pa.float32(), metadata={"units": "km"}),
        pa.field("flag", pa.bool_()),
        pa.field("kind", pa.dictionary(pa.int8(), pa.string())),
        pa.field("price", pa.decimal128(5, 2)),
        pa.field("t", pa.timestamp("us", tz="Europe/Berlin")),
        pa.field("small", pa.float16()),
    ]
    columns = [
        pa.array([2**60 + 1, None, 3], pa.int64()),
        pa.array([1.0, 2.0, None], pa.float32()),
        pa.array([True, False, None], pa.bool_()),
        pa.array(["a", None, "b"]).dictionary_encode().cast(fields[3].type),
        pa.array([Decimal("1.50"), None, Decimal("2.50")], pa.decimal128(5, 2)),
        pa.array([0, None, 1], pa.timestamp("us", tz="Europe/Berlin")),
        pa.array(np.ones(3, np.float16)),
    ]
    pq.write_table(pa.table(columns, schema=pa.schema(fields)), tmp_path / name)
    data = load(tmp_path / name, select="isfinite(n) & isfinite(x)")
    assert {key: str(value.dtype) for key, value in data.data_vars.items()} == {
        "n": "int64", "x": "float32", "flag": "bool", "kind": "object", "price": "float64", "t": "datetime64[us]", "small": "float32",
    }  # fmt: skip
    assert data["n"].item() == 2**60 + 1
    assert data["n"].attrs["units"] == "1/s"
    assert data["x"].attrs["units"] == "km"
    assert data["t"].values[0] == np.datetime64("1970-01-01")
    write_artefact(tmp_path / "out.nc", {"data": data}, {})
    for column in ("n", "flag", "kind", "price", "t"):
        refused(tmp_path / name, f"'{column}' is missing", columns={column: column})
    refused(tmp_path / name, "row 3", "'x' is missing", select="isfinite(n)", columns={"x": "x"})


def test_parquet_of_pandas(tmp_path):
    frame = pd.DataFrame(
        {"n": pd.array([1, None, 3], "Int64"), "s": ["a", "b", None]}, index=[4, 5, 6]
    )
    frame.to_parquet(tmp_path / "t.parquet")
    data = load(tmp_path / "t.parquet", select="isfinite(n) & isfinite(s)")
    assert list(data.data_vars) == ["n", "s"]
    assert data["n"].dtype == np.int64
    refused(tmp_path / "t.parquet", "row 3", "'s' is missing", "isfinite(s)", columns={"s": "s"})


def test_a_parquet_in_a_folder_named_like_a_partition(tmp_path):
    (tmp_path / "year=2020").mkdir()
    pq.write_table(pa.table({"x": [1.0]}), tmp_path / "year=2020/t.parquet")
    assert list(load(tmp_path / "year=2020/t.parquet").data_vars) == ["x"]


EMPTY = {
    "t.ecsv": lambda file: Table({"x": np.empty(0)}).write(file),
    "t.fits": lambda file: Table({"x": np.empty(0)}).write(file),
    "t.parquet": lambda file: pq.write_table(pa.table({"x": np.empty(0)}), file),
    "t.nc": lambda file: xr.Dataset({"x": ("star", np.empty(0))}).to_netcdf(file),
}


@pytest.mark.parametrize("name", EMPTY)
def test_empty_tables(tmp_path, name):
    EMPTY[name](tmp_path / name)
    refused(tmp_path / name, name, "is left for the study", select="x > 3")


@pytest.mark.parametrize("name", [*ASTROPY, "t.parquet", "t.nc"])
def test_faults_of_the_study_in_other_formats(tmp_path, name):
    file = written_anyhow(tmp_path, name)
    refused(file, "no column 'xx'", "did you mean 'x'", columns={"xx": "x"})
    refused(file, "units: there is no variable 'z'", units={"z": "m"})
    refused(file, "labels: there is no variable 'z'", labels={"z": "m"})
    refused(file, "is left for the study", select="x > 1e9")
    refused(file, "is no condition", select="x")
    refused(file, "is no expression", derive={"a": "x +"})
    refused(file, "which is no column", derive={"a": "y + 1"})
    refused(file, "may not be called 'star'", columns={"x": "star"})
    if name in ASTROPY:
        refused(file, "two columns are to be called 'a'", columns={"x": "a", "n": "a"})
        refused(file, "2 dimensions", select="v > 3")


# CSV


def test_tabs(tmp_path):
    for name in ("t.tsv", "t.txt", "t.csv"):
        np.testing.assert_allclose(
            table(tmp_path, TEXT.replace(", ", "\t").replace(",", "\t"), name)["x"], [1.5, 2.5, 3.5]
        )
    assert list(table(tmp_path, "a (x,y)\tb\tc\n1\t2\t3\n\n", "t.tsv").data_vars) == [
        "a (x,y)",
        "b",
        "c",
    ]


@pytest.mark.parametrize("suffix", ["bz2", "xz", "zip"])
def test_other_compressions(tmp_path, suffix):
    pd.DataFrame({"x": [1, 2]}).to_csv(tmp_path / f"t.csv.{suffix}", index=False)
    assert load(tmp_path / f"t.csv.{suffix}")["x"].values.tolist() == [1, 2]


def test_kinds_of_csv_columns(tmp_path):
    text = "n,big,b,x,s,e\n1,9007199254740993,True,1e-3 ,a b,2 \n,,,,,\n3,9007199254740995,False,inf,c,3\n\n\n"
    data = table(
        tmp_path,
        text,
        select="isfinite(n) & isfinite(big) & isfinite(x)",
        derive={"m": "n + 1", "c": "2", "g": "where(b, 'u', 'v')"},
    )
    assert {key: str(value.dtype) for key, value in data.data_vars.items()} == {
        "n": "int64", "big": "int64", "b": "bool", "x": "float64", "s": "object", "e": "int64", "m": "int64", "c": "int64", "g": "object",
    }  # fmt: skip
    assert data["big"].values.tolist() == [9007199254740993]
    assert data["row"].values.tolist() == [1]
    for column in ("n", "big", "b", "x", "s", "e"):
        with pytest.raises(UserError, match=rf"row 2 .*'{column}' is missing"):
            table(tmp_path, text, columns={column: column})


@pytest.mark.parametrize(
    ("text", "spec", "parts"),
    [
        ("x,e\n1,2\n1e-3 ,3\nn/b,4\n2,5\n", {}, ["t.csv: row 3", "'x' is the text 'n/b'", "columns:"]),
        ("x,e\n1,2\n1e-3 ,3\nn/b,4\n2,5\n", {"columns": {"x": "a"}}, ["row 3", "'a' (column 'x') is the text 'n/b'"]),
        ("x,e\n1,2\nn/b,4\n2,5\n", {"columns": {"e": "e"}, "select": "x > 1"}, ["row 2", "'x' is the text 'n/b'"]),
        ("x,e\n1,2\n,4\n--,4\n2,5\n", {}, ["row 3", "'--'"]),
        ("x,y,x\n1,2,3\n", {}, ["two columns are called 'x'"]),
        ("x,y\n1,2\n3,4,5\n", {}, ["line 3 has 3 cells", "2"]),
        ("x,y\n1,2,3\n3,4,5\n", {}, ["row 1 has more cells", "2"]),
        ("x,y\n1,2\n3\n", {}, ["row 2", "'y' is missing"]),
        ("x,y,\n1,2,\n3,4,\n", {}, ["row 1", "'Unnamed: 2' is missing", "whole column is empty"]),
        ("# a comment\nx,y\n1,2\n", {}, ["first line begins with #"]),
        ("# %ECSV 1.0\n# ---\nx y\n1 2\n", {}, [".ecsv"]),
        ("s,y\na,1\n# a comment\nb,2\n", {}, ["row 2", "begins with #"]),
        ("x\n1\n# a comment\n2\n", {}, ["row 2", "'# a comment'"]),
        ('x,y\n1,"a\n', {}, ["no table", "EOF inside string"]),
        ("\n\n", {}, ["no table"]),
        ("x\n1\n", {"derive": {"a": "x + [1, 2]"}}, ["derive: a", "shape"]),
    ],
)  # fmt: skip
def test_faults_of_csv(tmp_path, text, spec, parts):
    with pytest.raises(UserError) as fault:
        table(tmp_path, text, **spec)
    assert "\n" not in str(fault.value)
    for part in parts:
        assert part in str(fault.value)


def test_names_are_no_numbers(tmp_path):
    data = table(tmp_path, "name,x\nHD 1,1\n51,2\nVega,3\n")
    assert data["name"].values.tolist() == ["HD 1", "51", "Vega"]


@pytest.mark.parametrize("name", ["t.xlsx", "t.dat", "t"])
def test_unknown_extensions(tmp_path, name):
    (tmp_path / name).write_text(TEXT)
    assert load(tmp_path / name)["x"].size == 3
    (tmp_path / name).write_bytes(b"PK\x03\x04\xff\xfe\x00\x80")
    refused(tmp_path / name, "no table", ".parquet")
    Table({"x": [1.0]}).write(tmp_path / "t.fits", overwrite=True)
    (tmp_path / name).write_bytes((tmp_path / "t.fits").read_bytes())
    refused(tmp_path / name, "no table")


def test_text_in_another_encoding_and_a_gz_cut_short(tmp_path):
    (tmp_path / "t.csv").write_bytes("x,name\n1,Müller\n".encode("latin-1"))
    refused(tmp_path / "t.csv", "UTF-8")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(TEXT.encode() * 100)[:-20])
    refused(tmp_path / "t.csv.gz", "no table")


def test_thousands_of_columns_and_unicode(tmp_path):
    names = [f"c{i}" for i in range(3000)] + ["µ", "Größe", "lambda"]
    text = (
        ",".join(names) + "\n" + "\n".join(",".join(["1.5"] * len(names)) for _ in range(3)) + "\n"
    )
    data = table(tmp_path, text, derive={"s": "µ + Größe + lambda + c2999"}, units={"µ": "µm"})
    assert len(data.data_vars) == 3004
    np.testing.assert_allclose(data["s"], 6)
    assert data["µ"].attrs["units"] == "µm"


def test_vectors_fit_each_other_by_place(tmp_path):
    made = Table(
        {"a": np.ones((2, 3)), "b": np.full((2, 3), 2.0), "c": np.ones((2, 4)), "x": [1.0, 2.0]}
    )
    file = written(tmp_path, made, "t.ecsv")
    data = load(file, columns={"a": "flux", "b": "b", "x": "x"}, derive={"r": "flux / b * x * a"})
    assert data["r"].dims == ("star", "r_dim_1")
    np.testing.assert_allclose(data["r"], [[0.5] * 3, [1] * 3])
    refused(file, "do not fit", derive={"r": "a / c"})


# NetCDF


def stars():
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


def test_netcdf(tmp_path):
    stars().to_netcdf(tmp_path / "t.nc")
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
    assert data["abs"].attrs == {"units": "", "long_name": "absolute"}
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


def test_netcdf_columns(tmp_path):
    stars().to_netcdf(tmp_path / "t.nc")
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


def test_netcdf_gaps_and_packing(tmp_path):
    made = xr.Dataset(
        {
            "n": ("star", np.array([5, 2**60 + 1, -9])),
            "x": ("star", [1.0, np.nan, 3.0]),
            "y": ("star", [1.0, 2.0, 3.0]),
        }
    )
    made["f"] = (("star", "filter"), [[1.0, 2.0], [3.0, 4.0], [5.0, np.nan]])
    encoding = {
        "n": {"_FillValue": -9},
        "y": {"dtype": "i2", "scale_factor": 0.5, "_FillValue": -1},
    }
    made.to_netcdf(tmp_path / "t.nc", encoding=encoding)
    file = tmp_path / "t.nc"
    refused(file, "star 3 (counted from 1)", "'n' is missing", columns={"n": "n"})
    refused(file, "star 2 (counted from 1)", "'x' is missing", columns={"x": "x"})
    refused(
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
    refused(tmp_path / "u.nc", "star 3 ", "'x' is missing")


def test_netcdf_faults(tmp_path):
    stars().to_netcdf(tmp_path / "t.nc")
    file = tmp_path / "t.nc"
    refused(file, "2 dimensions", select="band > 1")
    refused(file, "no dimension", select="zero > 1")
    refused(file, "2 dimensions", select="(mag > 1) & (age > 1)")
    refused(file, "no entry of 'star' is left", select="mag > 100")
    refused(file, "may not be called 'cluster'", derive={"cluster": "age"})
    refused(file, "'seen' holds dates", units={"seen": "d"})
    stars().to_netcdf(tmp_path / "groups.nc", group="one")
    refused(tmp_path / "groups.nc", "groups", "/one")
    xr.Dataset(coords={"x": [1.0]}).to_netcdf(tmp_path / "coords.nc")
    refused(tmp_path / "coords.nc", "coordinates", "columns:")
    bad = xr.Dataset({"s": ("star", np.array(["1", "2", "x"], object))})
    bad.to_netcdf(tmp_path / "bad.nc")
    refused(tmp_path / "bad.nc", "star 3 (counted from 1)", "'s' is the text 'x'")


def test_netcdf_of_the_classic_kind(tmp_path):
    for kind in ("NETCDF3_CLASSIC", "NETCDF3_64BIT", "NETCDF4_CLASSIC"):
        stars().to_netcdf(tmp_path / "t.nc4", format=kind, engine="netcdf4")
        data = load(tmp_path / "t.nc4", columns={"mag": "mag", "name": "name", "of": "of"})
        assert data["name"].values.tolist() == ["a", "b", "c", "d"]
        assert all(values.dtype.isnative for values in data.variables.values())


# The start of a run


def test_a_derived_variable_may_use_another_whatever_their_order(tmp_path):
    data = table(tmp_path, derive={"a": "z + 1", "z": "2 * x", "x": "x / 10"}, select="a > 1.4")
    np.testing.assert_allclose(data["x"], [0.25, 0.35])
    np.testing.assert_allclose(data["a"], [1.5, 1.7])
    with pytest.raises(UserError, match="'b', which is no column"):
        table(tmp_path, derive={"a": "b", "b": "a"})
