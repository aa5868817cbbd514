import numpy as np
import pytest

from posterity.data.expression import evaluate_expression, list_used_columns
from posterity.errors import UserError

COLUMNS = {
    "x": np.array([1.0, 10.0, 100.0]),
    "id": np.array([1, 2, 3]),
    "name": np.array(["a", "b", "a"], dtype=object),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("log10(x)", [0, 1, 2]),
        ("-x / 2 + id ** 2", [0.5, -1, -41]),
        ("id >= 2", [False, True, True]),
        ("(id >= 2) & (x < 50)", [False, True, False]),
        ("id == 1 or not x < 50", [True, False, True]),
        ("1 < id < 3", [False, True, False]),
        ("name == 'a'", [True, False, True]),
        ("name in ['b', 'c']", [False, True, False]),
        ("~(id in [1])", [False, True, True]),
        ("where(id > 1, x, 0)", [0, 10, 100]),
        ("x * pi / pi", [1, 10, 100]),
    ],
)
def test_values(text, expected):
    np.testing.assert_allclose(
        np.asarray(evaluate_expression(text, COLUMNS, "here"), float), np.asarray(expected, float)
    )


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("id >=", "is no expression"),
        ("idd > 1", "did you mean 'id'"),
        ("log100(x)", "did you mean 'log10'"),
        ("x.tofile('/tmp/x')", "does not know"),
        ("__import__('os')", "no function here"),
        ("[i for i in x]", "does not know"),
        ("lambda: 1", "does not know"),
        ("x is id", "does not know"),
        ("name + 1", "cannot be computed"),
        ("x > 3 & id < 1", "brackets"),
        ("x & (id < 1)", "brackets"),
        ("not x", "brackets"),
        ("1 / 0", "cannot be computed"),
        ("x ** (10.0 ** 400)", "cannot be computed"),
        ("", "is no expression"),
    ],
)
def test_faults_are_named(text, part):
    with pytest.raises(UserError, match="here: ") as fault:
        evaluate_expression(text, COLUMNS, "here")
    assert part in str(fault.value)


def test_names_that_are_keywords_or_have_two_spellings():
    columns = {
        "lambda": np.array([1.0, 2.0]),
        "\u00b5": np.array([3.0, 4.0]),
        "name": np.array(["lambda", "b"], dtype=object),
    }
    np.testing.assert_allclose(
        evaluate_expression("lambda + \u00b5 + \u03bc", columns, "here"), [7, 10]
    )
    np.testing.assert_array_equal(
        evaluate_expression("name == 'lambda'", columns, "here"), [True, False]
    )
    assert list_used_columns("where(lambda > 1, \u00b5, nan)", columns) == ["lambda", "\u00b5"]


def test_a_column_that_is_called_as_a_constant_is_not_guessed():
    with pytest.raises(UserError, match="a column and a number"):
        evaluate_expression("pi + 1", {"pi": np.ones(2)}, "here")


def test_missing_text():
    columns = {"name": np.array(["a", None], dtype=object)}
    np.testing.assert_array_equal(
        evaluate_expression("isfinite(name)", columns, "here"), [True, False]
    )
    np.testing.assert_array_equal(
        evaluate_expression("isnan(name)", columns, "here"), [False, True]
    )


def test_columns_used():
    assert list_used_columns("log(x) + id > 3 and z", ["id", "log", "x"]) == ["x", "id"]
    assert list_used_columns("x +", ["x"]) == []
