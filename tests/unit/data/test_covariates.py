import numpy as np
import pytest

from posterity.data.covariates import make_covariates
from posterity.errors import UserError


def make(**design):
    return make_covariates(design, "point", 1, "here: design")


def test_numbers_lists_and_ranges():
    data = make(a=2, b=[1, 2, 4], c={"linspace": [0, 1, 3]})
    assert data["a"].dims == ()
    assert data["b"].dtype.kind == "i"
    assert data["b"].values.tolist() == [1, 2, 4]
    assert data["c"].values.tolist() == [0, 0.5, 1]
    assert data["point"].values.tolist() == [0, 1, 2]


def test_single_numbers_have_no_dimension():
    assert not make(a=2).sizes


def test_random_values_are_sorted_and_depend_on_seed_and_name_only():
    values = make(u={"uniform": [5, 9, 4]})["u"].values
    assert (np.diff(values) > 0).all()
    assert values.min() >= 5
    assert values.max() <= 9
    again = make(v={"uniform": [5, 9, 4]}, u={"uniform": [5, 9, 4]})
    np.testing.assert_array_equal(again["u"], values)
    assert not np.array_equal(again["v"], values)
    other = make_covariates({"u": {"uniform": [5, 9, 4]}}, "point", 2, "here")
    assert not np.array_equal(other["u"], values)


def test_random_values_are_those_of_earlier_versions():
    np.testing.assert_array_equal(
        make(u={"uniform": [0, 1, 2]})["u"], [0.23130197518230677, 0.40145130770604054]
    )


@pytest.mark.parametrize(
    ("design", "part"),
    [
        ({"x": "a"}, "x: 'a' is not a covariate. Give a number, a list, {linspace"),
        ({"x": []}, "x: [] is not a covariate"),
        ({"x": {"linspace": [0, 1, 0]}}, "is not a covariate"),
        ({"x": {"linspace": [0, 1]}}, "is not a covariate"),
        ({"x": ["a"]}, "x: ['a'] is not a list of numbers"),
        ({"x": [[1], [2]]}, "is not a list of numbers"),
        ({"x": [1, 2], "e": [1, 2, 3]}, "e has 3 values, other covariates have 2"),
    ],
)
def test_errors_name_the_covariate(design, part):
    with pytest.raises(UserError, match="here: design: ") as error:
        make(**design)
    assert part in str(error.value)
