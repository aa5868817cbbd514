import jax
import numpy as np
import pytest
import xarray as xr
from scipy import stats

from posterity.model.bind import bind_model
from posterity.prediction import predict
from posterity.prediction.predict import (
    make_draws_dataset,
    make_prior_groups,
    map_draws,
    predict_posterior,
    sample_prior,
    split_keys,
)
from posterity.runtime.rng import Stream

SPEC = {"function": "model", "arguments": {}, "dims": {}, "observed": None}
SOURCE = """
import numpyro
import numpyro.distributions as dist

def model(x, y=None):
    m = numpyro.sample("m", PRIOR)
    mu = numpyro.deterministic("mu", m * x)
    with numpyro.plate("point", len(x)):
        numpyro.sample("y", dist.Normal(mu, 0.5), obs=y)
"""
DATA = xr.Dataset({"x": ("point", [1.0, 2.0, 3.0]), "y": ("point", [2.0, 4.0, 7.0])})
STREAM = Stream(1, ("test",))


@pytest.fixture
def bind(tmp_path):
    def run(prior="dist.Normal(0, 2)"):
        file = tmp_path / "model.py"
        file.write_text(SOURCE.replace("PRIOR", prior))
        return bind_model("m", SPEC | {"file": str(file)}, DATA)

    return run


def test_prior_draws_have_all_sites(bind):
    values = sample_prior(bind(), 50, STREAM)
    assert {name: array.shape for name, array in values.items()} == {
        "m": (50,),
        "mu": (50, 3),
        "y": (50, 3),
    }
    np.testing.assert_allclose(values["mu"], values["m"][:, None] * [1, 2, 3])


def test_the_batch_size_does_not_change_draws(bind, monkeypatch):
    model = bind()
    expected = sample_prior(model, 7, STREAM)
    monkeypatch.setattr(predict, "BATCH_DRAWS", 3)
    values = sample_prior(model, 7, STREAM)
    for name in expected:
        np.testing.assert_array_equal(values[name], expected[name])


def test_a_prefix_of_the_path_gives_other_draws(bind):
    model = bind()
    first = sample_prior(model, 5, STREAM)["m"]
    assert not np.array_equal(first, sample_prior(model, 5, STREAM.child("prior"))["m"])


def test_posterior_predictions_have_exact_densities(bind):
    m = np.linspace(1.5, 2.5, 6)
    values = predict_posterior(bind(), {"m": m}, STREAM)
    mu = m[:, None] * [1, 2, 3]
    np.testing.assert_allclose(values["deterministic"]["mu"], mu)
    np.testing.assert_allclose(
        values["log_likelihood"]["y"], stats.norm.logpdf([2, 4, 7], mu, 0.5), rtol=1e-10
    )
    np.testing.assert_allclose(values["log_prior"]["m"], stats.norm.logpdf(m, 0, 2), rtol=1e-10)


def test_draws_are_mapped_in_order_whatever_the_last_batch(bind, monkeypatch):
    monkeypatch.setattr(predict, "BATCH_DRAWS", 4)
    model = bind()
    inputs = np.arange(10.0)
    values = map_draws("test", lambda value, traced: {"square": value**2}, inputs, model)
    np.testing.assert_array_equal(values["square"], inputs**2)


def test_keys_of_draws_are_split_from_the_stream():
    np.testing.assert_array_equal(split_keys(4, STREAM), jax.random.split(STREAM.key(), 4))


def test_draws_of_chains_have_dimensions_chain_and_draw(bind):
    dataset = make_draws_dataset(bind(), {"mu": np.arange(18.0).reshape(6, 3)}, 2, DATA)
    assert dataset["mu"].dims[:2] == ("chain", "draw")
    assert dataset["mu"].shape == (2, 3, 3)
    assert dataset["mu"].values[1, 0].tolist() == [9, 10, 11]


def test_groups_of_the_prior(bind):
    groups = make_prior_groups(bind(), 5, STREAM, DATA)
    assert list(groups) == ["prior", "prior_predictive", "observed_data", "constant_data"]
    assert set(groups["prior"].data_vars) == {"m", "mu"}
    assert set(groups["prior_predictive"].data_vars) == {"y"}
    assert groups["observed_data"]["y"].values.tolist() == [2, 4, 7]


def test_an_improper_prior_has_no_draws(bind):
    model = bind("dist.ImproperUniform(dist.constraints.real, (), ())")
    groups = make_prior_groups(model, 5, STREAM, DATA)
    assert not groups["prior"].data_vars
    assert not groups["prior_predictive"].data_vars
    assert set(groups["observed_data"].data_vars) == {"y"}
