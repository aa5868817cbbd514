import numpy as np
import pytest
from data_files import load_text

from posterity.data.columns import Column
from posterity.data.table_source import TableSource
from posterity.errors import UserError


def make_source(is_table=True, names=None):
    numbers = {"star": np.array([3, 5, 8]), "band": np.array([1, 2])}
    return TableSource("t.csv", "study.yaml", is_table, numbers, names or {})


def get_error(check, *arguments):
    with pytest.raises(UserError) as error:
        check(*arguments)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "spec", "parts"),
    [
        ("x,e\n1,2\n3,\n", {}, ["row 2", "'e' is missing"]),
        ("x,e\n1,2\n3,inf\n", {}, ["row 2", "'e' is inf"]),
        ("x,name\n1,a\n3,\n", {}, ["row 2", "'name' is missing"]),
        (
            "x,e\n1,2\n1e-3 ,3\nn/b,4\n2,5\n",
            {},
            ["t.csv: row 3", "'x' is the text 'n/b'", "columns:"],
        ),
        (
            "x,e\n1,2\n1e-3 ,3\nn/b,4\n2,5\n",
            {"columns": {"x": "a"}},
            ["row 3", "'a' (column 'x') is the text 'n/b'"],
        ),
        (
            "x,e\n1,2\nn/b,4\n2,5\n",
            {"columns": {"e": "e"}, "select": "x > 1"},
            ["row 2", "'x' is the text 'n/b'"],
        ),
        ("x,e\n1,2\n,4\n--,4\n2,5\n", {}, ["row 3", "'--'"]),
        ("x,y\n1,2\n3\n", {}, ["row 2", "'y' is missing"]),
        ("x,y,\n1,2,\n3,4,\n", {}, ["row 1", "'Unnamed: 2' is missing", "whole column is empty"]),
        ("x\n1\n# a comment\n2\n", {}, ["row 2", "'# a comment'"]),
        ("x\n1\n", {"derive": {"a": "x + [1, 2]"}}, ["derive: a", "shape"]),
    ],
)  # fmt: skip
def test_errors_name_row_and_column(tmp_path, text, spec, parts):
    with pytest.raises(UserError) as error:
        load_text(tmp_path, text, **spec)
    assert "\n" not in str(error.value)
    for part in parts:
        assert part in str(error.value)


def test_all_columns_with_errors_are_reported(tmp_path):
    with pytest.raises(UserError) as error:
        load_text(tmp_path, "x,e\n1,\n,2\n")
    assert len(error.value.messages) == 2


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ([1.0, np.nan, 2.0], "row 5 (counted from 1 below the header): 'x' is missing (NaN). "),
        ([np.nan, np.nan, 2.0], "row 3 (counted from 1 below the header): 'x' is missing (NaN), "),
        ([np.nan, np.nan, 2.0], "as in 1 more row."),
        ([np.nan, -np.inf, np.nan], "as in 2 more rows."),
        ([1.0, 2.0, -np.inf], "row 8 (counted from 1 below the header): 'x' is -inf"),
        ([1.0, 2.0, np.nan], "`select: isfinite(x)`"),
        ([np.nan] * 3, "the whole column is empty"),
    ],
)
def test_missing_and_infinite_values_are_named_by_row(values, part):
    column = Column(np.array(values), ("star",))
    assert part in get_error(make_source().check_values, "x", column)


def test_an_entry_of_a_netcdf_variable_is_named_by_its_dimensions():
    column = Column(np.array([[1, 2], [3, 4], [5, np.nan]]), ("star", "band"))
    message = get_error(make_source(False).check_values, "x", column)
    assert "star 8, band 2 (counted from 1): 'x' is missing" in message


def test_a_renamed_column_is_named_by_both_names():
    source = make_source(names={"flux": "f"})
    message = get_error(source.check_values, "f", Column(np.array([np.nan]), ("star",)))
    assert "'f' (column 'flux')" in message


def test_complex_numbers_are_neither_numbers_nor_text():
    message = get_error(make_source().check_kind, "z", Column(np.array([1j]), ("star",)))
    assert "'z' holds complex128, which is neither numbers nor text" in message


def test_text_among_few_numbers_is_text():
    texts = np.array(["1", "b", "c"], object)
    make_source().check_text("s", Column(texts, ("star",)))


def test_no_entry_left_names_the_dimension():
    source = make_source(False, {"x": "x"})
    source.numbers["star"] = np.array([], int)
    message = get_error(source.check_entries_left, {"x": Column(np.empty(0), ("star",))})
    assert "no entry of 'star' is left" in message
