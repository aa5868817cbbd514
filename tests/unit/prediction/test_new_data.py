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
        new_data = bind_new_data("m", SPEC | {"file": str(file)}, at, data, 1, "here: predict: at")
        return (
            new_data.model,
            new_data.covariates,
            predict_new_data(new_data, latent, Stream(1, ("a",))),
            new_data.resampled_sites,
        )

    return run


def test_observed_and_deterministic_sites_follow_the_new_covariates(predict):
    bound, covariates, values, resampled = predict(
        LINE, {"x": {"linspace": [10, 20, 11]}, "e": 0.1}
    )
    assert not resampled
    assert covariates["x"].dims == covariates["e"].dims == ("point",)
    np.testing.assert_allclose(values["mu"], DRAWS["m"][:, None] * np.linspace(10, 20, 11) + 1)
    np.testing.assert_allclose(values["twice"], 2 * DRAWS["m"])
    z = (values["y"] - values["mu"]) / 0.1
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert abs(z.std() - 1) < 0.05
    data = make_draws_dataset(bound, values, 4, covariates)
    assert data["y"].dims == ("chain", "draw", "point")
    assert data["y"].attrs["units"] == "m"


@pytest.mark.parametrize("at", [{"x": 5, "e": 0.1}, {"x": [5], "e": [0.1]}])
def test_one_new_row(predict, at):
    _, _, values, _ = predict(LINE, at)
    assert values["y"].shape == (N, 1)


def test_sites_of_rows_are_resampled_also_for_as_many_rows_as_were_fitted(predict):
    """A latent value per row belongs to the fitted rows, whatever the number of new rows."""
    source = """
def model(x, y=None):
    spread = numpyro.sample("spread", dist.HalfNormal(1))
    with numpyro.plate("data", len(x)):
        mu = numpyro.sample("mu", dist.Normal(x, spread))
        numpyro.sample("y", dist.Normal(mu, 0.1), obs=y)
"""
    latent = {"spread": np.full(N, 0.5), "mu": np.full((N, 3), 100.0)}
    _, _, values, resampled = predict(source, {"x": [7.0, 8.0, 9.0]}, latent=latent)
    assert resampled == ["mu"]
    np.testing.assert_allclose(values["y"].mean(0), [7, 8, 9], atol=4 * 0.51 / np.sqrt(N))
    np.testing.assert_allclose(values["y"].std(0), np.hypot(0.5, 0.1), rtol=0.15)


def test_groups_keep_their_draws(predict):
    """New stars in fitted clusters use the draws of their cluster, by index."""
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
    _, covariates, values, resampled = predict(
        source, {"cluster": [2, 0], "x": [1.0, 2.0]}, data, latent
    )
    assert not resampled
    np.testing.assert_allclose(values["y"].mean(0), [31, 12], atol=0.01)
    assert covariates["cluster"].dtype.kind == "i"


def test_integers_become_floats_if_the_data_are_floats(predict):
    source = LINE.replace("m * x + c", "jnp.zeros_like(x).at[:].add(m * x * 0.5)")
    _, _, values, _ = predict(source, {"x": [1, 2], "e": 1})
    np.testing.assert_allclose(values["mu"], DRAWS["m"][:, None] * np.array([0.5, 1.0]))


def test_a_group_without_draws_is_refused(predict):
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


def test_rows_with_an_improper_prior_are_refused(predict):
    source = """
def model(x, y=None):
    with numpyro.plate("data", len(x)):
        mu = numpyro.sample("mu", dist.ImproperUniform(dist.constraints.real, (), ()))
        numpyro.sample("y", dist.Normal(mu, 0.1), obs=y)
"""
    with pytest.raises(
        UserError, match="'mu' has an improper prior, which has no draws for new rows"
    ):
        predict(source, {"x": [7.0]}, latent={"mu": np.zeros((N, 3))})


def test_covariates_of_other_models_are_ignored(predict):
    data = DATA.assign(z=("point", [1.0, 1.0, 1.0]))
    _, covariates, _, _ = predict(LINE, {"x": [1.0], "e": 0.1, "z": 5}, data)
    assert "z" not in covariates
    with pytest.raises(UserError, match="none of these variables is a covariate"):
        predict(LINE, {"z": 5}, data)


def test_a_model_with_a_site_per_point(predict):
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
        ({"z": 1}, "z is not a covariate"),
        ({"y": 1}, "y is not a covariate"),
        ({"x": [1, 2]}, "e is a covariate of"),
        ({"x": [1, 2], "e": [1, 2, 3]}, "e has 3 values, other covariates have 2"),
        (
            {"x": {"linspace": [0, 1, -3]}, "e": 1},
            "x: .* is not a covariate. Give a number, a list",
        ),
        ({"x": ["a"], "e": 1}, "is not a list of numbers"),
        ({"k": 3}, "the covariates k lie along no dimension"),
    ],
)
def test_errors_name_the_covariate(predict, at, part):
    with pytest.raises(UserError, match=part) as error:
        predict(LINE, at)
    assert "here: predict: at" in str(error.value)
