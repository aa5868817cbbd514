"""Predictions at covariates that were not measured."""

import numpy as np
import pytest
import xarray as xr
from conftest import HEADER, SPEC

from posterity.errors import UserError
from posterity.prediction.new_data import bind_new_data, predict_new_data
from posterity.prediction.predict import make_draws_dataset
from posterity.runtime.rng import Stream

N = 400
DRAWS = {"m": np.linspace(1, 3, N), "c": np.full(N, 1.0)}
DATA = xr.Dataset(
    {
        "x": ("point", [0.0, 1.0, 2.0]),
        "e": ("point", [0.5, 0.5, 1.0]),
        "y": ("point", [1.0, 3.0, 5.0], {"units": "m"}),
        "k": 2.0,
    }
)
LINE = """
def model(x, e, k, y):
    m = numpyro.sample("m", dist.Normal(0, 10))
    c = numpyro.sample("c", dist.Normal(0, 10))
    mu = numpyro.deterministic("mu", m * x + c)
    twice = numpyro.deterministic("twice", k * m)
    with numpyro.plate("data", len(x)):
        numpyro.sample("y", dist.Normal(mu, e), obs=y)
"""


@pytest.fixture
def predict(tmp_path):
    def run(source, at, data=DATA, latent=DRAWS):
        file = tmp_path / "model.py"
        file.write_text(HEADER + source)
        there = bind_new_data("m", SPEC | {"file": str(file)}, at, data, 1, "here: predict: at")
        return (
            there.model,
            there.covariates,
            predict_new_data(there, latent, Stream(1, ("a",))),
            there.drawn,
        )

    return run


def test_observed_and_deterministic_sites_follow_the_new_covariates(predict):
    bound, there, values, drawn = predict(LINE, {"x": {"linspace": [10, 20, 11]}, "e": 0.1})
    assert not drawn
    assert there["x"].dims == there["e"].dims == ("point",)
    np.testing.assert_allclose(values["mu"], DRAWS["m"][:, None] * np.linspace(10, 20, 11) + 1)
    np.testing.assert_allclose(values["twice"], 2 * DRAWS["m"])
    z = (values["y"] - values["mu"]) / 0.1
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert abs(z.std() - 1) < 0.05
    data = make_draws_dataset(bound, values, 4, there)
    assert data["y"].dims == ("chain", "draw", "point")
    assert data["y"].attrs["units"] == "m"


@pytest.mark.parametrize("at", [{"x": 5, "e": 0.1}, {"x": [5], "e": [0.1]}])
def test_one_new_row(predict, at):
    _, _, values, _ = predict(LINE, at)
    assert values["y"].shape == (N, 1)


def test_as_many_new_rows_as_old_ones_are_new_all_the_same(predict):
    """A latent value of each row belongs to the rows that were fitted, also when there are as many new ones."""
    source = """
def model(x, y=None):
    spread = numpyro.sample("spread", dist.HalfNormal(1))
    with numpyro.plate("data", len(x)):
        mu = numpyro.sample("mu", dist.Normal(x, spread))
        numpyro.sample("y", dist.Normal(mu, 0.1), obs=y)
"""
    latent = {"spread": np.full(N, 0.5), "mu": np.full((N, 3), 100.0)}
    _, _, values, drawn = predict(source, {"x": [7.0, 8.0, 9.0]}, latent=latent)
    assert drawn == ["mu"]
    np.testing.assert_allclose(values["y"].mean(0), [7, 8, 9], atol=4 * 0.51 / np.sqrt(N))
    np.testing.assert_allclose(values["y"].std(0), np.hypot(0.5, 0.1), rtol=0.15)


def test_groups_keep_their_values(predict):
    """New stars of clusters that are known: the clusters' draws hold, by index."""
    source = """
def model(cluster, x, parallax, y=None):
    with numpyro.plate("clusters", parallax.size):
        level = numpyro.sample("level", dist.Normal(0, 10))
        numpyro.sample("parallax", dist.Normal(level, 0.1), obs=parallax)
    with numpyro.plate("stars", len(cluster)):
        numpyro.sample("y", dist.Normal(level[cluster] + x, 0.01), obs=y)
"""
    data = xr.Dataset(
        {
            "cluster": ("star", [0, 0, 1, 2]),
            "x": ("star", np.zeros(4)),
            "y": ("star", np.zeros(4)),
            "parallax": ("group", np.ones(3)),
        }
    )
    latent = {"level": np.tile([10.0, 20.0, 30.0], (N, 1))}
    _, there, values, drawn = predict(source, {"cluster": [2, 0], "x": [1.0, 2.0]}, data, latent)
    assert not drawn
    np.testing.assert_allclose(values["y"].mean(0), [31, 12], atol=0.01)
    assert there["cluster"].dtype.kind == "i"


def test_whole_numbers_stand_for_floats_where_the_data_have_floats(predict):
    source = LINE.replace("m * x + c", "jnp.zeros_like(x).at[:].add(m * x * 0.5)")
    _, _, values, _ = predict(source, {"x": [1, 2], "e": 1})
    np.testing.assert_allclose(values["mu"], DRAWS["m"][:, None] * np.array([0.5, 1.0]))


def test_groups_that_were_not_fitted_are_refused(predict):
    source = """
def model(school, y=None):
    with numpyro.plate("schools", int(school.max()) + 1):
        theta = numpyro.sample("theta", dist.Normal(0, 10))
    numpyro.sample("y", dist.Normal(theta[school], 1), obs=y)
"""
    data = xr.Dataset({"school": ("row", [0, 1, 2]), "y": ("row", [1.0, 2.0, 3.0])})
    with pytest.raises(
        UserError, match=r"'theta' was fitted with shape \(3,\).*groups that were not fitted"
    ):
        predict(source, {"school": [7, 1]}, data, {"theta": np.ones((N, 3))})


def test_covariates_of_other_models_of_the_study_are_passed_over(predict):
    data = DATA.assign(z=("point", [1.0, 1.0, 1.0]))
    _, there, _, _ = predict(LINE, {"x": [1.0], "e": 0.1, "z": 5}, data)
    assert "z" not in there
    with pytest.raises(UserError, match="none of these is a covariate"):
        predict(LINE, {"z": 5}, data)


def test_the_loop_over_points(predict):
    source = """
def model(x, e, y):
    m = numpyro.sample("m", dist.Normal(0, 10))
    c = numpyro.sample("c", dist.Normal(0, 10))
    for i in range(len(x)):
        numpyro.sample(f"y_{i}", dist.Normal(m * x[i] + c, e[i]), obs=y[i])
"""
    _, _, values, _ = predict(source, {"x": [1.0, 2.0], "e": 1e-6})
    assert set(values) == {"y_0", "y_1"}
    np.testing.assert_allclose(values["y_1"], 2 * DRAWS["m"] + 1, atol=1e-4)


@pytest.mark.parametrize(
    ("at", "part"),
    [
        ({"z": 1}, "z is no covariate"),
        ({"y": 1}, "y is no covariate"),
        ({"x": [1, 2]}, "e is a covariate of"),
        ({"x": [1, 2], "e": [1, 2, 3]}, "e has 3 values and the others 2"),
        ({"x": {"linspace": [0, 1, -3]}, "e": 1}, "x: give a number, a list"),
        ({"x": ["a"], "e": 1}, "numbers are needed"),
        ({"k": 3}, "the covariates k lie along no dimension"),
    ],
)
def test_faults(predict, at, part):
    with pytest.raises(UserError, match=part) as fault:
        predict(LINE, at)
    assert "here: predict: at" in str(fault.value)
