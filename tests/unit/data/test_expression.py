import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
def test_an_expression_has_the_values_of_numpy(text, expected):
    np.testing.assert_allclose(
        np.asarray(evaluate_expression(text, COLUMNS, "here"), float), np.asarray(expected, float)
    )


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("id >=", "cannot parse 'id >='. Examples: log10(x), (x > 3) & (e < 1)."),
        ("idd > 1", "did you mean 'id'"),
        ("log100(x)", "did you mean 'log10'"),
        ("x.tofile('/tmp/x')", "do not support"),
        ("__import__('os')", "'__import__', which is not a function"),
        ("[i for i in x]", "do not support"),
        ("lambda: 1", "do not support"),
        ("x is id", "do not support"),
        ("name + 1", "cannot be computed"),
        ("x > 3 & id < 1", "brackets"),
        ("x & (id < 1)", "brackets"),
        ("not x", "brackets"),
        ("1 / 0", "cannot be computed"),
        ("x ** (10.0 ** 400)", "cannot be computed"),
        ("", "cannot parse ''"),
    ],
)
def test_errors_name_the_place_and_the_problem(text, part):
    with pytest.raises(UserError, match="here: ") as error:
        evaluate_expression(text, COLUMNS, "here")
    assert part in str(error.value)


def test_columns_may_be_keywords_or_have_two_code_points():
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


def test_a_column_called_as_a_constant_is_refused():
    with pytest.raises(UserError, match="both a column and a constant"):
        evaluate_expression("pi + 1", {"pi": np.ones(2)}, "here")


def test_missing_text_is_not_finite():
    columns = {"name": np.array(["a", None], dtype=object)}
    np.testing.assert_array_equal(
        evaluate_expression("isfinite(name)", columns, "here"), [True, False]
    )
    np.testing.assert_array_equal(
        evaluate_expression("isnan(name)", columns, "here"), [False, True]
    )


def test_used_columns_are_listed_in_order():
    assert list_used_columns("log(x) + id > 3 and z", ["id", "log", "x"]) == ["x", "id"]
    assert list_used_columns("x +", ["x"]) == []


NUMBERS = {
    "x": np.array([-1.5, 0.0, 2.0, np.nan]),
    "y": np.array([3.0, -0.25, 1e6, 1.0]),
    "n": np.array([1, 2, 3, 4]),
}
NUMPY_NAMES = NUMBERS | {
    name: getattr(np, name)
    for name in ("log", "exp", "sqrt", "abs", "sin", "cos", "minimum", "maximum", "where", "pi")
}
LEAVES = st.sampled_from([*NUMBERS, "pi", "2", "0.5", "7"])


def combine(numbers):
    """Expressions of one more level."""
    conditions = st.builds(
        "({} {} {})".format, numbers, st.sampled_from(["<", "<=", "==", "!=", ">", ">="]), numbers
    )
    both = st.builds("({} {} {})".format, conditions, st.sampled_from("&|"), conditions)
    return st.one_of(
        st.builds("({} {} {})".format, numbers, st.sampled_from("+-*/"), numbers),
        st.builds("(-{})".format, numbers),
        st.builds(
            "{}({})".format, st.sampled_from(["exp", "log", "sqrt", "abs", "sin", "cos"]), numbers
        ),
        st.builds("{}({}, {})".format, st.sampled_from(["minimum", "maximum"]), numbers, numbers),
        st.builds("where({}, {}, {})".format, st.one_of(conditions, both), numbers, numbers),
    )


@settings(deadline=None, max_examples=150, derandomize=True)
@given(text=st.recursive(LEAVES, combine, max_leaves=8))
def test_expressions_of_columns_agree_with_numpy(text):
    text = f"x * 0 + {text}"  # so that conditions have one value per row
    with np.errstate(all="ignore"):
        try:
            expected = eval(text, {"__builtins__": {}}, NUMPY_NAMES)
        except (ArithmeticError, TypeError):
            expected = None
    if expected is None:
        with pytest.raises(UserError):
            evaluate_expression(text, NUMBERS, "here")
    else:
        np.testing.assert_array_equal(evaluate_expression(text, NUMBERS, "here"), expected)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(text=st.text(max_size=20))
def test_any_text_has_a_value_or_a_user_error(text):
    try:
        evaluate_expression(text, NUMBERS, "here")
    except UserError as error:
        assert str(error).startswith("here: ")
