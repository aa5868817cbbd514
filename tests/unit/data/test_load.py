import numpy as np
import pytest
import xarray as xr

from posterity.data.load import load_data, run_simulator
from posterity.errors import UserError

SETTINGS = {"model": "line", "truth": {"m": 2, "v": [1, 2]}, "design": {"n": 3}, "seed": 1}
SPEC = {"simulate": SETTINGS, "dim": "point"}
SIMULATE = """
import xarray as xr

def simulate(rng, truth, design):
    x = rng.normal(size=design["n"])
    return xr.Dataset({"x": ("star", truth["m"] * x)})
"""


@pytest.fixture
def model(tmp_path):
    (tmp_path / "simulate.py").write_text(SIMULATE)
    return {"file": str(tmp_path / "model.py")}


def simulate(entry, **changes):
    spec = SPEC | {"simulate": SETTINGS | changes}
    return run_simulator(spec, entry, "float64", 1, "here")


def test_a_study_without_data_has_none():
    data, truth, source = load_data("s", "none", None, "float64")
    assert not data.variables
    assert not truth.variables
    assert source == "the data of study s"


def test_the_data_of_a_file_are_called_as_the_file(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("x\n1\n")
    data, truth, source = load_data("s", {"file": str(file), "dim": "row_"}, None, "float64")
    assert data["x"].values.tolist() == [1]
    assert not truth.variables
    assert source == str(file)


def test_simulate_py_makes_data_and_the_given_truth(model):
    data, truth = simulate(model)
    assert data["x"].dims == ("star",)
    assert data["star"].values.tolist() == [0, 1, 2]
    assert truth["m"].item() == 2.0
    assert truth["v"].dims == ("v_dim_0",)


def test_simulated_data_depend_on_seed_and_model_only(model):
    first, _ = simulate(model)
    xr.testing.assert_identical(first, simulate(model)[0])
    assert not np.array_equal(first["x"], simulate(model, seed=2)[0]["x"])
    assert not np.array_equal(first["x"], simulate(model, model="other")[0]["x"])
    scaled = simulate(model, truth=SETTINGS["truth"] | {"m": 4})[0]
    np.testing.assert_allclose(scaled["x"], 2 * first["x"])


def test_simulate_py_may_return_true_values_that_it_drew(model, tmp_path):
    text = SIMULATE.replace("x)})", 'x)}), xr.Dataset({"z": ("star", x)})')
    (tmp_path / "simulate.py").write_text(text)
    data, truth = simulate(model)
    np.testing.assert_allclose(2 * truth["z"], data["x"])
    assert set(truth.data_vars) == {"m", "v", "z"}


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"truth": "prior"}, "simulate.py needs the true values. Give them by name."),
        ({"truth": {}}, "simulate.py needs the key 'm' in `truth` or `design`. Add it."),
        ({"design": {}}, "simulate.py needs the key 'n' in `truth` or `design`. Add it."),
    ],
)
def test_errors_name_what_simulate_py_needs(model, changes, part):
    with pytest.raises(UserError, match="here: ") as error:
        simulate(model, **changes)
    assert part in str(error.value)


def test_units_of_the_study_describe_simulated_data(model):
    spec = SPEC | {"units": {"x": "m"}}
    data, _, source = load_data("s", spec, model, "float64")
    assert data["x"].attrs == {"units": "m", "long_name": "x"}
    assert source == "the data of study s"


def test_a_model_without_simulate_py_runs_forward(tmp_path):
    file = tmp_path / "model.py"
    file.write_text(
        "import numpyro\nimport numpyro.distributions as dist\n\n"
        "def model(x, y=None):\n"
        "    m = numpyro.sample('m', dist.Normal(0, 1))\n"
        "    numpyro.sample('y', dist.Normal(m * x, 1e-6), obs=y)\n"
    )
    model = {"file": str(file), "function": "model", "arguments": {}, "dims": {}, "observed": None}
    data, truth = simulate(model, truth={"m": 2}, design={"x": [1.0, 2.0]})
    np.testing.assert_allclose(data["y"], [2, 4], atol=1e-4)
    assert truth["m"].item() == 2
