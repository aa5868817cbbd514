import numpy as np
import pytest

from posterity.data.columns import make_column, unmask_values

NOTHING = np.array([False, False])
FIRST = np.array([True, False])


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.array([1, 2], ">i4"), np.int32),
        (np.array([1, 2], ">f8"), np.float64),
        (np.array([1, 2], np.float16), np.float32),
        (np.array([1, 2], np.longdouble), np.float64),
        (np.array(["a", "b"]), object),
        (np.array([b"a", b"b"]), object),
    ],
)
def test_values_are_native_numbers_or_str(values, dtype):
    column = make_column(values, NOTHING)
    assert column.values.dtype == dtype
    assert column.values.dtype.isnative
    if dtype is object:
        assert column.values.tolist() == ["a", "b"]


@pytest.mark.parametrize(
    "values", [np.array([1.0, 2.0]), np.array(["2020-01-01"] * 2, "M8[s]"), np.array([1j, 2.0])]
)
def test_missing_numbers_and_dates_have_no_value(values):
    assert np.isnan(make_column(values, FIRST).values).tolist() == [True, False]


def test_missing_text_is_none():
    assert make_column(np.array(["a", "b"]), FIRST).values.tolist() == [None, "b"]


def test_missing_integers_stay_exact_in_a_masked_array():
    values = make_column(np.array([0, 2**60 + 1]), FIRST).values
    assert values.dtype == np.int64
    assert values.mask.tolist() == [True, False]
    assert values.data[1] == 2**60 + 1


def test_a_label_is_one_line():
    assert (
        make_column(np.zeros(2), NOTHING, label=" radial\n  velocity ").label == "radial velocity"
    )


def test_masked_integers_become_floats_only_if_values_are_missing():
    values = np.ma.array([1, 2], mask=FIRST)
    np.testing.assert_array_equal(unmask_values(values), [np.nan, 2.0])
    full = unmask_values(np.ma.array([1, 2], mask=NOTHING))
    assert full.dtype == np.int64
    assert type(full) is np.ndarray
