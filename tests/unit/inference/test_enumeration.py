"""Discrete sites: marginalised in the density, and sampled afterwards."""

import numpy as np
import pytest
import scipy.stats
from unit.inference.methods.targets import MIXTURE, run

from posterity.config.schema import complete_settings
from posterity.errors import UserError
from posterity.stats.arviz_bridge import import_array_stats

CLASSES = """
from numpyro.ops.indexing import Vindex


def model(y=None):
    centres = numpyro.sample("centres", dist.Normal(jnp.array([-3.0, 0.0, 3.0]), 0.1).to_event(1))
    with numpyro.plate("row", 6):
        k = numpyro.sample("k", dist.Categorical(jnp.ones(3) / 3))
        numpyro.sample("y", dist.Normal(Vindex(centres)[k], 0.5), obs=y)
"""
BERNOULLI = """
def model(y=None):
    p = numpyro.sample("p", dist.Beta(2, 2))
    with numpyro.plate("row", 6):
        k = numpyro.sample("k", dist.Bernoulli(p))
        numpyro.sample("y", dist.Normal(k, 1.0), obs=y)
    STATEMENT
"""
SHORT = complete_settings("nuts", chains=1, warmup=50, draws=50)


@pytest.mark.long
def test_classes_are_found_by_their_numbers(bind_source):
    bound = bind_source(CLASSES, y=np.array([-3.0, 3, 0, 0, 3, -3]))
    result = run(bound, complete_settings("nuts", warmup=300, draws=300))
    np.testing.assert_array_equal(np.median(result.posterior["k"], axis=(0, 1)), [0, 2, 1, 1, 2, 0])


def test_the_value_of_a_discrete_site_as_a_python_number_is_an_error(bind_source):
    source = CLASSES.replace("Vindex(centres)[k]", "jnp.array([centres[int(one)] for one in k])")
    with pytest.raises(UserError, match="needs a value that depends on a latent site"):
        bind_source(source, y=np.zeros(6))


@pytest.mark.parametrize(
    ("statement", "site"),
    [
        ("numpyro.sample('z', dist.Normal(jnp.sum(k) + p, 0.1), obs=y[0])", "z"),
        ("numpyro.factor('few', -jnp.sum(k) * p)", "few"),
        ("numpyro.sample('z', dist.Normal(jnp.cumsum(k)[2] + p, 0.1), obs=y[0])", "z"),
    ],
)
def test_a_sum_over_a_discrete_site_is_an_error(bind_source, statement, site):
    """NumPyro would silently give a wrong posterior."""
    bound = bind_source(BERNOULLI.replace("STATEMENT", statement), y=np.zeros(6))
    message = f"'k' cannot be marginalised, since '{site}' depends on it"
    with pytest.raises(UserError, match=message):
        run(bound, SHORT)


@pytest.mark.long
def test_a_deterministic_site_may_sum_over_a_discrete_one(bind_source):
    source = BERNOULLI.replace("STATEMENT", "numpyro.deterministic('total', jnp.sum(k))")
    posterior = run(bind_source(source, y=np.zeros(6)), SHORT).posterior
    np.testing.assert_array_equal(posterior["total"], posterior["k"].sum(2))


def test_a_reparametrised_site_that_depends_on_a_discrete_one_is_an_error(bind_source):
    latent = 'centre = numpyro.sample("x", dist.Normal(centre, 1.0))\n        '
    source = MIXTURE.replace('numpyro.sample("y"', latent + 'numpyro.sample("y"')
    message = "reparam: x: its prior depends on the discrete site 'k'"
    with pytest.raises(UserError, match=message):
        run(
            bind_source(source, y=np.zeros(30)),
            complete_settings("nuts", reparam={"x": "LocScale"}),
        )


@pytest.mark.long
@pytest.mark.parametrize("method", ["nuts", "hmc"])
def test_a_mixture_agrees_with_a_sum_over_a_grid(bind_source, method):
    """The draws of k have their probabilities given the draws of p."""
    rng = np.random.default_rng(5)
    y = np.where(rng.random(30) < 0.3, 2.0, -1.0) + rng.normal(size=30)
    bound = bind_source(MIXTURE, y=y)
    assert bound.discrete_latents == ["k"]
    result = run(bound, complete_settings(method, warmup=500, draws=1000))
    grid = np.linspace(0.0005, 0.9995, 1000)
    one = scipy.stats.norm.pdf(y[:, None], 2, 1) * grid
    zero = scipy.stats.norm.pdf(y[:, None], -1, 1) * (1 - grid)
    weights = np.exp(np.log(one + zero).sum(0) + scipy.stats.beta.logpdf(grid, 2, 2))
    weights /= weights.sum()
    mean = (weights * grid).sum()
    sd = np.sqrt((weights * (grid - mean) ** 2).sum())
    draws = result.posterior["p"]
    error = sd / np.sqrt(import_array_stats().ess(draws[None], method="bulk")[0])
    assert abs(draws.mean() - mean) < 4 * error
    assert abs(draws.std() / sd - 1) < 0.1
    expected = (one / (one + zero) * weights).sum(1)
    share = result.posterior["k"].mean((0, 1))
    assert (abs(share - expected) < 5 * np.sqrt(expected * (1 - expected) / 1000) + 1e-3).all()
    centre = np.where(result.posterior["k"] == 1, 2.0, -1.0)
    np.testing.assert_array_equal(result.posterior["centre"], centre)
    assert result.posterior["k"].shape == result.posterior["centre"].shape == (4, 1000, 30)
