import numpy as np
import pytest

from posterity.errors import UserError
from posterity.expression import evaluate

COLUMNS = {"x": np.array([1.0, 10.0, 100.0]), "id": np.array([1, 2, 3]), "name": np.array(["a", "b", "a"], dtype=object)}


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
    np.testing.assert_allclose(np.asarray(evaluate(text, COLUMNS, "here"), float), np.asarray(expected, float))


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
    ],
)
def test_faults_are_named(text, part):
    with pytest.raises(UserError, match="here: ") as fault:
        evaluate(text, COLUMNS, "here")
    assert part in str(fault.value)
