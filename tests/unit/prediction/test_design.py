import numpy as np
import pytest
import xarray as xr

from posterity.model.bind import bind_model
from posterity.prediction.design import (
    design_model_statistics,
    find_related_variables,
    list_covariates,
)

SOURCE = """
def model(x, sy, y=None):
    m = numpyro.sample("m", dist.Normal(0, 2))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Normal(m * x, sy), obs=y)
"""
RNG = np.random.default_rng(4)
COUNT = 40
Y = RNG.poisson(50, size=COUNT).astype(float)


@pytest.fixture
def spec(write_spec):
    return write_spec(SOURCE)


def make_data(**extra):
    columns = {"x": RNG.normal(size=COUNT), "sy": RNG.uniform(1, 2, size=COUNT), "y": Y} | extra
    return xr.Dataset({name: ("row", values) for name, values in columns.items()})


def list_names(spec, data):
    covariates = list_covariates(bind_model("m", spec, data), spec, data, ("row",), (COUNT,))
    return {covariate.name: covariate.is_used for covariate in covariates}


def test_columns_of_the_model_come_first_and_observations_are_left_out(spec):
    data = make_data(name=np.repeat(["a", "b"], 20), extra=RNG.normal(size=COUNT))
    assert list_names(spec, data) == {"x": True, "sy": True, "name": False, "extra": False}


def test_errors_that_are_computed_from_the_counts_are_left_out(spec):
    assert list_names(spec, make_data(sy=np.sqrt(Y))) == {"x": True}


def test_columns_along_other_dimensions_are_left_out(spec):
    data = make_data().assign(station=("place", [1.0, 2.0]))
    assert "station" not in list_names(spec, data)


def test_columns_that_are_derived_with_the_observations_are_left_out(spec):
    data = make_data(flux=Y, x2=Y, colour=Y, error=Y)
    data["y"].attrs["derived_from"] = "flux, x"
    data["x2"].attrs["derived_from"] = "x"
    data["colour"].attrs["derived_from"] = "y"
    data["error"].attrs["derived_from"] = "flux"
    assert find_related_variables(data, {"y"}, {"x"}) == {"y", "flux", "colour", "error"}


def test_design_has_the_statistics_of_all_columns(spec):
    data = make_data(group=np.repeat(np.arange(4), 10))
    design = design_model_statistics(bind_model("m", spec, data), spec, data)["y"]
    used = [name for name, chosen in zip(design.names, design.is_decisive, strict=True) if chosen]
    assert {"sum of r²", "r against x²", "|r| against sy", "r in order of x"} <= set(used)
    assert "r between groups of group" in set(design.names) - set(used)


def test_residuals_of_several_dimensions_take_columns_of_each(write_spec):
    source = """
def model(t, y=None):
    m = numpyro.sample("m", dist.Normal(0, 2))
    with numpyro.plate("station", 3), numpyro.plate("time", 8):
        numpyro.sample("y", dist.Normal(m, 1), obs=y)
"""
    spec = write_spec(source)
    table = xr.Dataset(
        {"t": ("time", np.arange(8.0)), "y": (("time", "station"), RNG.normal(size=(8, 3)))}
    )
    bound = bind_model("m", spec, table)
    covariate = list_covariates(bound, spec, table, ("time", "station"), (8, 3))[0]
    assert covariate.values.tolist() == np.repeat(np.arange(8.0), 3).tolist()
