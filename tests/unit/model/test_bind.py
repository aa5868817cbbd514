"""Binding: arguments by name, constant arguments, and bad input named with its place."""

import numpy as np
import pytest
import xarray as xr
from unit.model.line import LINE, TABLE

from posterity.data.simulate import simulate_model
from posterity.errors import UserError
from posterity.model.bind import bind_model

OPTIONAL_FLUX = (
    LINE.replace("X, Y, E", "X, E, Y=None, flux=None")
    + "        numpyro.sample('flux', dist.Normal(c, 1), obs=flux)\n"
)
SIMULATED = LINE.replace("X, Y, E", "X, E, Y=None")
DESIGN = {"X": {"linspace": [0, 1, 5000]}, "E": 0.5}


def test_no_argument_of_a_plain_model_is_constant(write_spec):
    assert bind_model("line", write_spec(LINE), TABLE).constants == ()


def test_an_argument_takes_the_variable_that_the_study_gives(write_spec):
    source = LINE.replace("X, Y, E", "X, Y, err").replace(", E)", ", err)")
    bound = bind_model("line", write_spec(source, arguments={"err": "E"}), TABLE)
    assert bound.arguments["err"].tolist() == [0.5, 0.5, 1.0]


def test_an_argument_without_a_variable_is_an_error(write_spec):
    source = LINE.replace("X, Y, E", "X, Y, err").replace(", E)", ", err)")
    with pytest.raises(UserError, match=r"no variable 'err'.*argument 'err'"):
        bind_model("line", write_spec(source), TABLE)


def test_an_argument_whose_values_shape_the_model_is_constant(write_spec):
    source = """
def model(group, y=None):
    n = np.unique(group).size
    with numpyro.plate("groups", n):
        mu = numpyro.sample("mu", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(mu[group], 1), obs=y)
"""
    data = xr.Dataset(
        {"group": ("row", [0, 1, 1, 2]), "y": ("row", [0.0, 1.0, 2.0, 3.0])},
        {"group_name": ("groups", ["a", "b", "c"])},
    )
    bound = bind_model("m", write_spec(source, dims={"groups": "cluster"}), data)
    assert bound.constants == ("group",)
    assert bound.sites["mu"].dims == ("cluster",)
    assert bound.sites["y"].dims == ("row",)


def test_an_argument_of_text_is_an_error_with_its_row(write_spec):
    text = np.array(["a", "b", "c"], dtype=object)
    with pytest.raises(UserError, match=r"which is .a. in row 4"):
        bind_model("line", write_spec(LINE), TABLE.assign(E=("point", text)))


def test_data_without_influence_are_an_error(write_spec):
    with pytest.raises(UserError, match="no site of the model is observed"):
        bind_model("line", write_spec(LINE.replace(", obs=Y", "")), TABLE)


@pytest.mark.parametrize(
    ("changes", "part"),
    [({"arguments": {"Z": "X"}}, "argument 'Z'"), ({"observed": ["z"]}, "argument 'z'")],
)
def test_an_argument_that_the_function_lacks_is_an_error(write_spec, changes, part):
    with pytest.raises(UserError, match=part):
        bind_model("line", write_spec(LINE, **changes), TABLE)


def test_an_observation_that_the_data_lack_is_an_error(write_spec):
    message = r"argument 'flux', so that the site 'flux' would not be observed.*none"
    with pytest.raises(UserError, match=message):
        bind_model("m", write_spec(OPTIONAL_FLUX), TABLE)


def test_an_observation_may_be_left_out_on_purpose(write_spec):
    bound = bind_model("m", write_spec(OPTIONAL_FLUX, arguments={"flux": "none"}), TABLE)
    assert bound.sites["flux"].role == "latent"


@pytest.mark.parametrize(
    ("parameter", "scale"),
    [
        ("scale=None", "E if scale is None else E * scale)"),
        ("wide=False", "E * (2 if wide else 1))"),
    ],
)
def test_an_option_that_observes_nothing_may_be_missing(write_spec, parameter, scale):
    source = LINE.replace("X, Y, E", f"X, E, Y=None, {parameter}").replace("E)", scale)
    assert bind_model("m", write_spec(source), TABLE).sites["y"].role == "observed"


def test_an_import_that_fails_is_an_error_with_file_and_line(write_spec):
    with pytest.raises(UserError) as error:
        bind_model("line", write_spec("import nothing_of_this_name\n" + LINE), TABLE)
    message = str(error.value)
    assert "\n" not in message
    for part in ("model.py", "line 4", "cannot import the model", "nothing_of_this_name"):
        assert part in message


def test_a_forward_model_needs_no_observations(write_spec):
    spec = write_spec(SIMULATED)
    data, truth = simulate_model("line", spec, {"m": 2, "c": 1}, DESIGN, "data", 1, "here")
    assert data["y"].dims == ("data",)
    assert float(truth["m"]) == 2
    residual = (data["y"] - 2 * data["X"] - 1) / 0.5
    assert abs(float(residual.mean())) < 4 / np.sqrt(5000)
    assert abs(float(residual.std()) - 1) < 0.05


def test_a_simulation_is_reproducible(write_spec):
    spec = write_spec(SIMULATED)
    data, _ = simulate_model("line", spec, {"m": 2, "c": 1}, DESIGN, "data", 1, "here")
    again, _ = simulate_model("line", spec, {"m": 2, "c": 1}, DESIGN, "data", 1, "here")
    np.testing.assert_array_equal(data["y"], again["y"])


def test_a_simulation_can_draw_the_truth_from_the_prior(write_spec):
    _, drawn = simulate_model("line", write_spec(SIMULATED), "prior", DESIGN, "data", 1, "here")
    assert set(drawn.data_vars) == {"m", "c"}


@pytest.mark.parametrize(
    ("truth", "message"),
    [({"mm": 2}, "no site 'mm'"), ({"m": 2}, "no value for the site 'c'")],
)
def test_a_truth_that_does_not_fit_the_model_is_an_error(write_spec, truth, message):
    with pytest.raises(UserError, match=message):
        simulate_model("line", write_spec(SIMULATED), truth, DESIGN, "data", 1, "here")
