"""A bound model: densities and draws of its traces, datasets, and its fingerprint."""

import numpy as np
import pytest
from numpyro.distributions import Normal, Uniform
from unit.model.line import LINE, TABLE

from posterity.model.bind import bind_model
from posterity.model.model import compute_log_prob, trace_conditioned
from posterity.model.preflight import check_model
from posterity.prediction.predict import make_draws_dataset, predict_posterior, sample_prior
from posterity.runtime.rng import Stream

LATENT = {"m": np.array([1.0, 2.0]), "c": np.array([0.0, 1.0])}
MEAN = LATENT["m"][:, None] * TABLE["X"].values[None] + LATENT["c"][:, None]
ERROR = TABLE["E"].values[None]


@pytest.fixture
def line(write_spec):
    """The line with the table."""
    return bind_model("line", write_spec(LINE), TABLE)


def test_the_log_likelihood_is_that_of_numpyro(line):
    values = predict_posterior(line, LATENT, Stream(1))
    exact = Normal(MEAN, ERROR).log_prob(TABLE["Y"].values[None])
    np.testing.assert_allclose(values["log_likelihood"]["y"], exact)


def test_the_log_prior_is_that_of_numpyro(line):
    values = predict_posterior(line, LATENT, Stream(1))
    np.testing.assert_allclose(values["log_prior"]["m"], Uniform(-5, 5).log_prob(LATENT["m"]))


def test_the_log_density_of_a_site_has_its_scale(write_spec):
    source = LINE.replace(
        "    with numpyro.plate", "    with numpyro.handlers.scale(scale=2.0), numpyro.plate"
    )
    bound = bind_model("line", write_spec(source), TABLE)
    sites = trace_conditioned(bound, {"m": 1.0, "c": 0.5}, bound.traced_arguments)
    exact = Normal(TABLE["X"].values + 0.5, TABLE["E"].values).log_prob(TABLE["Y"].values)
    np.testing.assert_allclose(compute_log_prob(sites["y"]), 2 * exact)
    np.testing.assert_allclose(compute_log_prob(sites["m"]), Uniform(-5, 5).log_prob(1.0))


def test_a_vector_in_one_event_has_one_log_density(write_spec):
    source = """
def model(X, Y=None):
    v = numpyro.sample("v", dist.Normal(jnp.zeros(2), 3.0).to_event(1))
    sd = numpyro.sample("sd", dist.HalfNormal(1))
    numpyro.sample("y", dist.MultivariateNormal(v[0] + v[1] * X, sd**2 * jnp.eye(3)), obs=Y)
"""
    bound = bind_model("mvn", write_spec(source), TABLE)
    check_model(bound, TABLE, "t.csv")
    latent = {"v": np.array([[1.0, 2.0], [0.0, 1.0]]), "sd": np.array([1.0, 2.0])}
    values = predict_posterior(bound, latent, Stream(1))
    residual = TABLE["Y"].values - latent["v"][:, :1] - latent["v"][:, 1:] * TABLE["X"].values
    exact = Normal(0, latent["sd"][:, None]).log_prob(residual).sum(1)
    np.testing.assert_allclose(values["log_likelihood"]["y"], exact)
    log_prior = make_draws_dataset(bound, values["log_prior"], 1, TABLE)
    assert log_prior["v"].dims == ("chain", "draw")
    predicted = make_draws_dataset(bound, values["predicted"], 1, TABLE)
    assert predicted["y"].dims == ("chain", "draw", "point")


def test_a_site_named_like_a_dimension_keeps_its_own_dimensions(write_spec):
    bound = bind_model("line", write_spec(LINE.replace('"m"', '"point"')), TABLE)
    values = sample_prior(bound, 5, Stream(1))
    values.pop("y")
    assert make_draws_dataset(bound, values, 1, TABLE)["point"].dims == ("chain", "draw")


def test_draws_have_no_coordinate_of_rows(write_spec):
    """ArviZ stacks sites of different shapes, and fails on a coordinate that only some have."""
    source = LINE.replace("m * X + c", "numpyro.deterministic('mu', m * X + c)").replace(
        "'data'", "'point'"
    )
    bound = bind_model("line", write_spec(source), TABLE)
    values = sample_prior(bound, 4, Stream(1))
    assert "row" not in make_draws_dataset(bound, values, 1, TABLE).coords


def test_prior_draws_have_the_moments_of_the_prior(line):
    values = sample_prior(line, 4000, Stream(3, ("a",)))
    assert abs(values["m"].mean()) < 4 * 10 / np.sqrt(12 * 4000)
    assert abs(values["c"].std() / (20 / np.sqrt(12)) - 1) < 0.05
    mean = values["m"][:, None] * TABLE["X"].values + values["c"][:, None]
    residual = (values["y"] - mean) / TABLE["E"].values
    assert abs(residual.mean()) < 4 / np.sqrt(12000)
    assert abs(residual.std() - 1) < 0.04


@pytest.mark.parametrize("draws", [1, 3, 1000, 2500])
def test_batches_do_not_change_the_number_of_prior_draws(line, draws):
    assert sample_prior(line, draws, Stream(3))["y"].shape == (draws, 3)


def test_latent_size_counts_scalars(bind_source):
    source = """
def model():
    numpyro.sample("a", dist.Normal(0, 1))
    numpyro.sample("b", dist.Normal(jnp.zeros((2, 3)), 1.0))
    numpyro.sample("k", dist.Bernoulli(0.5))
"""
    bound = bind_source(source)
    assert bound.latent_size == 8
    assert bound.continuous_latents == ["a", "b"]
    assert bound.discrete_latents == ["k"]
