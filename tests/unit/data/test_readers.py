import gzip
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xarray as xr
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time
from data_files import (
    ASTROPY,
    TEXT,
    assert_refused,
    load,
    load_text,
    make_measurements,
    write_any,
    write_astropy,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.data.netcdf_variables import NETCDF_UNWRITTEN
from posterity.data.readers import detect_format, read_file
from posterity.errors import UserError


@pytest.mark.parametrize("text", [TEXT.replace("\n", "\r\n"), "\ufeff" + TEXT, TEXT.rstrip("\n")])
def test_line_ends_and_a_byte_order_mark_do_not_matter(tmp_path, text):
    np.testing.assert_allclose(load_text(tmp_path, text)["x"], [1.5, 2.5, 3.5])


def test_a_compressed_file_and_a_column_called_as_a_keyword(tmp_path):
    data = load_text(tmp_path, TEXT.replace("x", "lambda"), "t.csv.gz", units={"lambda": "Å"})
    np.testing.assert_allclose(data["lambda"], [1.5, 2.5, 3.5])


def test_a_table_of_one_row(tmp_path):
    assert load_text(tmp_path, "x\n1\n")["x"].shape == (1,)


def test_tabs_separate_columns(tmp_path):
    for name in ("t.tsv", "t.txt", "t.csv"):
        np.testing.assert_allclose(
            load_text(tmp_path, TEXT.replace(", ", "\t").replace(",", "\t"), name)["x"],
            [1.5, 2.5, 3.5],
        )
    assert list(load_text(tmp_path, "a (x,y)\tb\tc\n1\t2\t3\n\n", "t.tsv").data_vars) == [
        "a (x,y)",
        "b",
        "c",
    ]


@pytest.mark.parametrize("suffix", ["bz2", "xz", "zip"])
def test_csv_of_other_compressions(tmp_path, suffix):
    pd.DataFrame({"x": [1, 2]}).to_csv(tmp_path / f"t.csv.{suffix}", index=False)
    assert load(tmp_path / f"t.csv.{suffix}")["x"].values.tolist() == [1, 2]


def test_a_csv_column_has_the_narrowest_type(tmp_path):
    text = (
        "n,big,b,x,s,e\n1,9007199254740993,True,1e-3 ,a b,2 \n,,,,,\n"
        "3,9007199254740995,False,inf,c,3\n\n\n"
    )
    data = load_text(
        tmp_path,
        text,
        select="isfinite(n) & isfinite(big) & isfinite(x)",
        derive={"m": "n + 1", "c": "2", "g": "where(b, 'u', 'v')"},
    )
    assert {key: str(value.dtype) for key, value in data.data_vars.items()} == {
        "n": "int64",
        "big": "int64",
        "b": "bool",
        "x": "float64",
        "s": "object",
        "e": "int64",
        "m": "int64",
        "c": "int64",
        "g": "object",
    }
    assert data["big"].values.tolist() == [9007199254740993]
    assert data["row"].values.tolist() == [1]
    for column in ("n", "big", "b", "x", "s", "e"):
        with pytest.raises(UserError, match=rf"row 2 .*'{column}' is missing"):
            load_text(tmp_path, text, columns={column: column})


@pytest.mark.parametrize(
    ("text", "spec", "parts"),
    [
        ("x,y,x\n1,2,3\n", {}, ["two columns are called 'x'"]),
        ("x,y\n1,2\n3,4,5\n", {}, ["line 3 has 3 cells", "2"]),
        ("x,y\n1,2,3\n3,4,5\n", {}, ["row 1 has more cells", "2"]),
        ("# a comment\nx,y\n1,2\n", {}, ["first line begins with #"]),
        ("# %ECSV 1.0\n# ---\nx y\n1 2\n", {}, [".ecsv"]),
        ("s,y\na,1\n# a comment\nb,2\n", {}, ["row 2", "begins with #"]),
        ('x,y\n1,"a\n', {}, ["not a readable table", "EOF inside string"]),
        ("\n\n", {}, ["not a readable table"]),
        ("", {}, ["not a readable table"]),
    ],
)  # fmt: skip
def test_errors_of_csv_name_row_or_line(tmp_path, text, spec, parts):
    with pytest.raises(UserError) as error:
        load_text(tmp_path, text, **spec)
    assert "\n" not in str(error.value)
    for part in parts:
        assert part in str(error.value)


def test_a_column_with_few_numbers_is_text(tmp_path):
    data = load_text(tmp_path, "name,x\nHD 1,1\n51,2\nVega,3\n")
    assert data["name"].values.tolist() == ["HD 1", "51", "Vega"]


@pytest.mark.parametrize("name", ["t.xlsx", "t.dat", "t"])
def test_a_file_of_unknown_extension_is_csv(tmp_path, name):
    (tmp_path / name).write_text(TEXT)
    assert load(tmp_path / name)["x"].size == 3
    (tmp_path / name).write_bytes(b"PK\x03\x04\xff\xfe\x00\x80")
    assert_refused(tmp_path / name, "not a readable table", ".parquet")
    Table({"x": [1.0]}).write(tmp_path / "t.fits", overwrite=True)
    (tmp_path / name).write_bytes((tmp_path / "t.fits").read_bytes())
    assert_refused(tmp_path / name, "not a readable table")


def test_another_encoding_and_a_truncated_gz_are_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes("x,name\n1,Müller\n".encode("latin-1"))
    assert_refused(tmp_path / "t.csv", "UTF-8")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(TEXT.encode() * 100)[:-20])
    assert_refused(tmp_path / "t.csv.gz", "not a readable table")


def test_thousands_of_columns_with_unicode_names(tmp_path):
    names = [f"c{i}" for i in range(3000)] + ["µ", "Größe", "lambda"]
    text = (
        ",".join(names) + "\n" + "\n".join(",".join(["1.5"] * len(names)) for _ in range(3)) + "\n"
    )
    data = load_text(tmp_path, text, derive={"s": "µ + Größe + lambda + c2999"}, units={"µ": "µm"})
    assert len(data.data_vars) == 3004
    np.testing.assert_allclose(data["s"], 6)
    assert data["µ"].attrs["units"] == "µm"


@pytest.mark.parametrize("name", [*ASTROPY, "t.FITS", "t.ecsv.gz"])
def test_ecsv_and_fits_keep_types_units_and_labels(tmp_path, name, caplog):
    file = write_astropy(
        tmp_path, make_measurements(), name.removesuffix(".gz") if "ecsv" in name else name
    )
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
    assert data["w"].attrs == {"long_name": "w", "units": "", "derived_from": "v, rv"}
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
def test_units_of_the_study_replace_those_of_the_file(tmp_path, name):
    data = load(
        write_astropy(tmp_path, make_measurements(False), name),
        units={"x": "m/s"},
        labels={"x": "speed"},
    )
    assert data["x"].attrs == {"long_name": "speed", "units": "m/s"}


@pytest.mark.parametrize("name", ASTROPY)
def test_masked_values_are_missing(tmp_path, name):
    assert_refused(
        write_astropy(tmp_path, make_measurements(), name),
        name,
        "row 1 ",
        "'n' is missing",
        "select: isfinite(n)",
    )
    table = make_measurements(False)
    table["v"][2, 1] = np.nan
    assert_refused(write_astropy(tmp_path, table, name), "row 3 ", "'v' is missing", "columns:")


@pytest.mark.parametrize("name", [*ASTROPY, "t.parquet", "t.nc", "t3.nc"])
def test_a_damaged_or_missing_file_is_named(tmp_path, name):
    file = write_any(tmp_path, name)
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
        assert_refused(
            file,
            name,
            "FITS"
            if ".fit" in name
            else {"t.ecsv": "ECSV", "t.parquet": "Parquet"}.get(name, "NetCDF"),
        )
    file.unlink()
    assert_refused(file, "file not found", "mine.yaml")


def test_the_checksum_of_a_fits_file_is_checked(tmp_path):
    fits.BinTableHDU(Table({"x": np.arange(100.0)})).writeto(tmp_path / "t.fits", checksum=True)
    content = bytearray((tmp_path / "t.fits").read_bytes())
    content[-2880 + 100] ^= 1
    (tmp_path / "t.fits").write_bytes(content)
    assert_refused(tmp_path / "t.fits", "hecksum")


def test_hdu_chooses_the_table_of_a_fits_file(tmp_path):
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
    assert_refused(file, "hdu '7' is not in this file", "2 (FIRST), 3 (SECOND)", hdu=7)
    assert_refused(file, "hdu 'image'", "is not a table", "2 (FIRST), 3 (SECOND)", hdu="image")
    assert_refused(tmp_path / "none.fits", "no table", "IMAGE")
    (tmp_path / "t.csv").write_text(TEXT)
    assert_refused(tmp_path / "t.csv", "hdu", "does not have the extension of a FITS file", hdu=1)


def test_two_columns_of_one_name_are_refused(tmp_path):
    Table({"x": [1.0], "y": [2.0]}).write(tmp_path / "t.fits")
    (tmp_path / "t.fits").write_bytes((tmp_path / "t.fits").read_bytes().replace(b"'y  ", b"'x  "))
    pq.write_table(pa.table([[1.0], [2.0]], names=["x", "x"]), tmp_path / "t.parquet")
    Table({"x": [1.0], "y": [2.0]}).write(tmp_path / "t.ecsv")
    (tmp_path / "t.ecsv").write_text(
        (tmp_path / "t.ecsv").read_text().replace("name: y", "name: x").replace("x y", "x x")
    )
    for name in ("t.fits", "t.parquet", "t.ecsv"):
        assert_refused(tmp_path / name, name, "two columns are called 'x'")


def test_vector_columns_may_have_different_lengths(tmp_path):
    table = Table({"b": [[1.0, 2.0, np.nan]], "a": [[1.0, 2.0]]})
    assert_refused(write_astropy(tmp_path, table, "t.fits"), "row 1 ", "'b' is missing")
    data = load(write_astropy(tmp_path, table, "t.fits"), columns={"a": "a"}, derive={"c": "2"})
    assert data.sizes == {"star": 1, "a_dim_1": 2}
    assert data["c"].dims == ("star",)


def test_ecsv_with_windows_line_ends_and_a_byte_order_mark(tmp_path):
    Table({"x": [1.0, 2.0]}).write(tmp_path / "t.ecsv")
    text = (tmp_path / "t.ecsv").read_text()
    (tmp_path / "t.ecsv").write_bytes(
        b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b"\r\n"
    )
    assert load(tmp_path / "t.ecsv")["x"].values.tolist() == [1, 2]


def test_null_integers_of_fits_are_missing(tmp_path):
    columns = [
        fits.Column("n", "J", null=-99, array=np.array([5, -99])),
        fits.Column("s", "3A", array=np.array(["ab", "c"])),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "t.fits")
    assert_refused(tmp_path / "t.fits", "row 2", "'n' is missing")
    data = load(tmp_path / "t.fits", select="n > 0")
    assert data["n"].dtype == np.int32
    assert data["s"].values.tolist() == ["ab"]


def test_columns_that_are_neither_numbers_nor_text_are_refused_if_used(tmp_path):
    table = Table({"x": [1.0, 2.0], "t": Time([1.0, 2.0], format="mjd"), "z": [1j, 2j]})
    file = write_astropy(tmp_path, table, "t.ecsv")
    assert_refused(file, "'t' holds Time", "columns:")
    assert_refused(file, "'z' holds complex128", columns={"z": "z"})
    assert load(file, columns={"x": "x"})["x"].size == 2
    pq.write_table(pa.table({"v": [[1, 2], [3]]}), tmp_path / "t.parquet")
    assert_refused(tmp_path / "t.parquet", "'v' holds ndarray")


@pytest.mark.parametrize("name", ["t.parquet", "t.pq"])
def test_parquet_keeps_types_and_units(tmp_path, name):
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
        "n": "int64",
        "x": "float32",
        "flag": "bool",
        "kind": "object",
        "price": "float64",
        "t": "datetime64[us]",
        "small": "float32",
    }
    assert data["n"].item() == 2**60 + 1
    assert data["n"].attrs["units"] == "1/s"
    assert data["x"].attrs["units"] == "km"
    assert data["t"].values[0] == np.datetime64("1970-01-01")
    write_artefact(tmp_path / "out.nc", {"data": data}, {})
    for column in ("n", "flag", "kind", "price", "t"):
        assert_refused(tmp_path / name, f"'{column}' is missing", columns={column: column})
    assert_refused(
        tmp_path / name, "row 3", "'x' is missing", select="isfinite(n)", columns={"x": "x"}
    )


def test_parquet_of_pandas_loses_its_row_labels(tmp_path):
    frame = pd.DataFrame(
        {"n": pd.array([1, None, 3], "Int64"), "s": ["a", "b", None]}, index=[4, 5, 6]
    )
    frame.to_parquet(tmp_path / "t.parquet")
    data = load(tmp_path / "t.parquet", select="isfinite(n) & isfinite(s)")
    assert list(data.data_vars) == ["n", "s"]
    assert data["n"].dtype == np.int64
    assert_refused(
        tmp_path / "t.parquet", "row 3", "'s' is missing", "isfinite(s)", columns={"s": "s"}
    )


def test_the_folder_of_a_parquet_file_is_not_a_partition(tmp_path):
    (tmp_path / "year=2020").mkdir()
    pq.write_table(pa.table({"x": [1.0]}), tmp_path / "year=2020/t.parquet")
    assert list(load(tmp_path / "year=2020/t.parquet").data_vars) == ["x"]


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("a/t.csv", "CSV"),
        ("t.dat", "CSV"),
        ("t", "CSV"),
        ("t.ecsv.gz", "ECSV"),
        ("t.FIT", "FITS"),
        ("t.pq", "Parquet"),
        ("t.nc4", "NetCDF"),
        ("t.fits.csv", "CSV"),
    ],
)
def test_the_extension_names_the_format(file, kind):
    assert detect_format(file) == kind


# NetCDF reserves one number for values that were never written.
FLOATS = st.floats(allow_infinity=False).filter(lambda value: value != NETCDF_UNWRITTEN)
# Only letters: CSV cannot tell the text "1" from a number, and ECSV not an empty one from none.
WORDS = st.text("abcxyzäµ", min_size=1, max_size=4).map("w{}".format)
ROWS = st.lists(
    st.tuples(FLOATS, st.integers(-(2**62), 2**62), WORDS, st.booleans()), min_size=2, max_size=6
)


def write_frame(frame, file):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of astropy, about text that is not ASCII
        if file.suffix == ".csv":
            frame.to_csv(file, index=False)
        elif file.suffix == ".parquet":
            frame.to_parquet(file)
        elif file.suffix == ".nc":
            frame.rename_axis("row").to_xarray().drop_vars("row").to_netcdf(file)
        else:
            Table.from_pandas(frame).write(file, overwrite=True)


@pytest.mark.parametrize("name", ["t.csv", "t.ecsv", "t.fits", "t.parquet", "t.nc"])
@settings(
    deadline=None,
    max_examples=15,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=ROWS)
def test_a_table_is_read_as_it_was_written(tmp_path, name, rows):
    frame = pd.DataFrame(rows, columns=["x", "n", "s", "b"])
    if name == "t.fits":
        frame = frame.drop(columns="s")  # FITS holds ASCII only
    write_frame(frame, tmp_path / name)
    content = read_file(str(tmp_path / name), "row", None, "study.yaml")
    assert list(content.columns) == list(frame.columns)
    assert content.table == (name != "t.nc")
    for column in frame:
        values = content.columns[column].values
        assert content.columns[column].dims == ("row",)
        assert not np.ma.isMaskedArray(values)
        expected = frame[column].to_numpy()
        if column == "x":
            np.testing.assert_array_equal(values.astype(float), expected)
        else:
            assert values.tolist() == expected.tolist()
