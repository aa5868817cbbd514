import numpy as np
import pytest
import xarray as xr

from posterity.errors import UserError
from posterity.plots.axes import AxisVariables, choose_variables


def make_table(*names):
    return xr.Dataset({name: ("point", np.arange(5.0)) for name in names})


def make_observed(site="y", **attributes):
    return xr.Dataset({site: ("point", np.arange(5.0), attributes)})


@pytest.mark.parametrize("error", ["e", "err", "sigma", "dy", "sigma_y", "y_err"])
def test_errors_are_found_by_name(error):
    names = choose_variables(make_table("x", "y", error), make_observed(), {})
    assert names == AxisVariables("y", "y", "x", error, None)


def test_errors_of_the_covariate_are_found_by_name():
    names = choose_variables(make_table("x", "y", "e", "e_x"), make_observed(), {})
    assert names.x_error == "e_x"


@pytest.mark.parametrize(("columns", "x"), [(("b", "t", "y"), "t"), (("b", "a", "y"), "b")])
def test_covariate_is_found_by_name_or_is_the_first(columns, x):
    assert choose_variables(make_table(*columns), make_observed(), {}).x == x


def test_names_of_the_study_take_precedence():
    given = {"x": "b", "error": "c", "x_error": "d"}
    names = choose_variables(make_table("x", "y", "e", "b", "c", "d"), make_observed(), given)
    assert names == AxisVariables("y", "y", "b", "c", "d")


def test_variable_of_a_site_is_its_attribute():
    names = choose_variables(make_table("x", "F"), make_observed("flux", variable="F"), {})
    assert (names.site, names.y) == ("flux", "F")


def test_site_without_a_value_per_point_is_not_drawn():
    observed = xr.Dataset({"y": (("a", "b"), np.ones((2, 3)))})
    assert choose_variables(make_table("x", "y"), observed, {}) is None


def test_unknown_name_is_an_error_with_a_hint():
    with pytest.raises(UserError, match=r"figures: data: x: .*'presure'.*did you mean 'pressure'"):
        choose_variables(make_table("pressure", "y"), make_observed(), {"x": "presure"})
