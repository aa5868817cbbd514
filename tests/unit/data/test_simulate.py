import numpy as np
import pytest

from posterity.data.simulate import simulate_model
from posterity.errors import UserError

SPEC = {"function": "model", "arguments": {}, "dims": {}, "observed": None}
SOURCE = """
import numpyro
import numpyro.distributions as dist

def model(x, y=None):
    m = numpyro.sample("m", dist.Normal(0, 1))
    v = numpyro.sample("v", dist.Normal(0, 1).expand([2]))
    mu = numpyro.deterministic("mu", m * x + v.sum())
    with numpyro.plate("point", len(x)):
        numpyro.sample("y", dist.Normal(mu, 0.1), obs=y)
"""
TRUTH = {"m": 2, "v": [1, 0]}


@pytest.fixture
def simulate(tmp_path):
    def run(truth, source=SOURCE, seed=1):
        file = tmp_path / "model.py"
        file.write_text(source)
        spec = SPEC | {"file": str(file)}
        return simulate_model("line", spec, truth, {"x": [1.0, 2.0]}, "point", seed, "here")

    return run


def test_data_have_covariates_and_observations_and_truth_all_else(simulate):
    data, truth = simulate(TRUTH)
    assert set(data.data_vars) == {"x", "y"}
    assert data["y"].dims == ("point",)
    assert set(truth.data_vars) == {"m", "v", "mu"}
    np.testing.assert_allclose(truth["mu"], [3, 5])
    np.testing.assert_allclose(data["y"], truth["mu"], atol=0.6)


def test_the_seed_alone_decides_the_noise(simulate):
    first, _ = simulate(TRUTH)
    np.testing.assert_array_equal(first["y"], simulate(TRUTH)[0]["y"])
    assert not np.array_equal(first["y"], simulate(TRUTH, seed=2)[0]["y"])


def test_the_truth_can_be_drawn_from_the_prior(simulate):
    _, truth = simulate("prior")
    assert truth["m"].item() != 2
    np.testing.assert_allclose(
        truth["mu"], truth["m"].item() * np.array([1, 2]) + truth["v"].values.sum()
    )


@pytest.mark.parametrize(
    ("truth", "part"),
    [
        ({"mm": 2}, "the model has no site 'mm': did you mean 'm'?"),
        ({"m": 2}, "no value for the site 'v'. Give one, or set `truth: prior`."),
        ({"m": "steep", "v": [1, 0]}, "neither a number nor a list of numbers"),
        ({"m": 2, "v": 1}, "v has shape (), but the site has shape (2,)"),
    ],
)
def test_errors_name_the_true_value(simulate, truth, part):
    with pytest.raises(UserError, match="here: truth: ") as error:
        simulate(truth)
    assert part in str(error.value)


def test_an_improper_prior_has_no_draws(simulate):
    prior = "dist.ImproperUniform(dist.constraints.real, (), ())"
    source = SOURCE.replace('"m", dist.Normal(0, 1)', f'"m", {prior}')
    with pytest.raises(UserError, match="'m' is improper and has no draws"):
        simulate("prior", source)
    assert simulate(TRUTH, source)[1]["m"].item() == 2
