import gzip

import pytest

from posterity.config.csv_header import check_distinct, check_header, name_columns, read_csv_header
from posterity.data.readers import FORMATS, read_file
from posterity.errors import UserError


@pytest.mark.parametrize(
    "suffix", [*FORMATS, ".csv.bz2", ".csv.zip", ".FITS", ".fits.gz", ".ecsv.gz"]
)
def test_other_formats_are_not_opened(tmp_path, suffix):
    (tmp_path / f"t{suffix}").write_bytes(b"\x89\xff")
    assert read_csv_header(str(tmp_path / f"t{suffix}")) is None


@pytest.mark.parametrize("text", ["\ufeffx, y\r\n1,2\r\n", "\nx\ty\n", '"x",y\n1,2\n'])
def test_commas_tabs_quotes_and_compression_are_read(tmp_path, text):
    (tmp_path / "t.csv").write_text(text, newline="")
    assert read_csv_header(str(tmp_path / "t.csv")) == ["x", "y"]
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert read_csv_header(str(tmp_path / "t.csv.gz")) == ["x", "y"]


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "cannot read this table .it is empty"),
        (b"\n\n", "it is empty"),
        (b"x,y,x\n", "two columns are called 'x'"),
        (b"# c\nx\n", "begins with #.*Remove comment lines"),
        (b"# %ECSV 1.0\nx\n", "begins with #.*extension .ecsv"),
        (b"\x89\xff", "UTF-8"),
        (b"SIMPLE  = T", "holds no text"),
        (b"a,b\0\n", "holds no text|line contains NUL"),
    ],
)
def test_a_file_without_header_is_an_error_that_names_it(tmp_path, content, part):
    file = tmp_path / "t.csv"
    file.write_bytes(content)
    with pytest.raises(UserError, match=f"(?s)^{file}: .*{part}"):
        read_csv_header(str(file))


def test_a_truncated_gzip_file_is_an_error(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"x,y\n" * 1000)[:15])
    with pytest.raises(UserError, match="cannot read this table"):
        read_csv_header(str(tmp_path / "t.csv.gz"))


@pytest.mark.parametrize("content", ["x,y,x\n1,2,3\n", "# c\nx\n1\n", "SIMPLE  = T\n1\n"])
def test_study_loading_and_the_data_stage_raise_the_same_error(tmp_path, content):
    file = str(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(UserError) as at_loading:
        read_csv_header(file)
    with pytest.raises(UserError) as in_data_stage:
        read_file(file, "row", None, "config/studies/a.yaml")
    assert str(at_loading.value) == str(in_data_stage.value)


def test_a_blank_column_name_is_replaced_by_its_position():
    assert name_columns(["x ", "", " y"]) == ["x", "Unnamed: 1", "y"]


def test_distinct_names_are_accepted():
    check_distinct(["x", "y"], "t.csv")
    check_header(["x", "y"], "t.csv")
