"""Hyperparameters, and standardised latents of non-centred forms, found by a symmetry."""

import numpy as np
import pytest
from unit.model.line import TABLE

from posterity.errors import UserError
from posterity.model.bind import bind_model
from posterity.model.hyperparameters import list_hyperparameters

LEVELS = """
def model(Y=None):
    spread = numpyro.sample("spread", dist.HalfNormal(1))
    with numpyro.plate("point", 3):
        mu = numpyro.sample("mu", dist.Normal(0, spread))
        numpyro.sample("y", dist.Normal(mu, 1), obs=Y)
"""
GROUP = np.repeat(np.arange(4), 3)
Y = np.random.default_rng(1).normal(size=12)
HIERARCHY = """
def model(group, y):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    tau = numpyro.sample("tau", SCALE)
    z = numpyro.sample("z", STANDARD)
    numpyro.sample("y", dist.Normal(mu + THETA[group], 1).to_event(1), obs=y)
"""
POSITIVE = "dist.HalfNormal(1)"
NORMAL = "dist.Normal(0, 1).expand([4])"
# The distribution of the scale and of z, the deviation from mu, and the hyperparameters.
FORMS = {
    "sd": (POSITIVE, NORMAL, "(tau * z)", False),
    "variance": (POSITIVE, NORMAL, "(jnp.sqrt(tau) * z)", False),
    "precision": (POSITIVE, NORMAL, "(z / jnp.sqrt(tau))", False),
    "log sd": ("dist.Normal(0, 1)", NORMAL, "(jnp.exp(tau) * z)", False),
    "arrays": (POSITIVE, "dist.StudentT(4, jnp.zeros(4), jnp.ones(4))", "(tau * z)", False),
    "fixed scale": (POSITIVE, NORMAL, "(2.5 * z + tau * jnp.ones(4))", True),
    "another scale": (POSITIVE, "dist.Normal(0, 2).expand([4])", "(tau * z)", True),
    "sum": (POSITIVE, NORMAL, "((1 + tau) * z)", True),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_latent_of_scale_one_that_another_site_multiplies_is_standardised(bind_source, form):
    scale, standard, theta, is_choice = FORMS[form]
    source = HIERARCHY.replace("SCALE", scale).replace("STANDARD", standard)
    bound = bind_source(source.replace("THETA", theta), group=GROUP, y=Y)
    expected = ["mu", "tau", "z"] if is_choice else ["mu", "tau"]
    assert list_hyperparameters(bound) == expected


def test_the_latent_of_a_gaussian_process_is_standardised_despite_jitter(bind_source):
    source = """
def model(x, y):
    amplitude = numpyro.sample("amplitude", dist.HalfNormal(1))
    scale = numpyro.sample("scale", dist.InverseGamma(3, 1))
    offset = numpyro.sample("offset", dist.Normal(0, 1))
    f_tilde = numpyro.sample("f_tilde", dist.Normal(0, 1).expand([12]).to_event(1))
    distance = (x[:, None] - x[None, :]) / scale
    kernel = amplitude**2 * jnp.exp(-0.5 * distance**2) + 1e-6 * jnp.eye(12)
    f = offset + jnp.linalg.cholesky(kernel) @ f_tilde
    numpyro.sample("y", dist.Normal(f, 1).to_event(1), obs=y)
"""
    bound = bind_source(source, x=np.linspace(0, 1, 12), y=Y)
    assert list_hyperparameters(bound) == ["amplitude", "scale", "offset"]


def test_sites_that_share_a_scale_and_a_scale_with_a_parent_are_recognised(bind_source):
    source = """
def model(group, y):
    spread = numpyro.sample("spread", dist.HalfNormal(1))
    tau = numpyro.sample("tau", dist.HalfNormal(spread))
    first = numpyro.sample("first", dist.Normal(0, 1))
    steps = numpyro.sample("steps", dist.Normal(0, 1).expand([12]))
    rate = jnp.exp(tau * (first + jnp.cumsum(steps)))
    numpyro.sample("y", dist.Poisson(rate).to_event(1), obs=jnp.round(jnp.abs(y)))
"""
    assert list_hyperparameters(bind_source(source, group=GROUP, y=Y)) == ["spread"]


def test_coefficients_with_standard_priors_are_choices(bind_source):
    source = """
def model(group, y):
    a = numpyro.sample("a", dist.Normal(0, 1))
    b = numpyro.sample("b", dist.Normal(0, 1))
    numpyro.sample("y", dist.Bernoulli(logits=a + b * group).to_event(1), obs=1.0 * (y > 0))
"""
    assert list_hyperparameters(bind_source(source, group=GROUP, y=Y)) == ["a", "b"]


def test_of_two_standard_sites_the_larger_one_is_standardised(bind_source):
    source = """
def model(group, y):
    slope = numpyro.sample("slope", dist.Normal(0, 1))
    ability = numpyro.sample("ability", dist.Normal(0, 1).expand([4]))
    numpyro.sample("y", dist.Normal(slope * ability[group], 1).to_event(1), obs=y)
"""
    assert list_hyperparameters(bind_source(source, group=GROUP, y=Y)) == ["slope"]


def test_hyperparameters_are_at_the_top_level_and_continuous(write_spec):
    source = LEVELS.replace("    with", '    numpyro.sample("k", dist.Bernoulli(0.5))\n    with')
    assert list_hyperparameters(bind_model("h", write_spec(source), TABLE)) == ["spread"]


@pytest.mark.parametrize("priors", ['["mu"]', '("mu",)', '{"model": ["mu"], "other": ["spread"]}'])
def test_the_file_of_a_model_may_name_the_hyperparameters(write_spec, priors):
    spec = write_spec(f"PRIORS = {priors}\n" + LEVELS)
    assert list_hyperparameters(bind_model("h", spec, TABLE)) == ["mu"]


def test_a_function_without_an_entry_has_the_hyperparameters_at_the_top_level(write_spec):
    spec = write_spec('PRIORS = {"other": ["mu"]}\n' + LEVELS)
    assert list_hyperparameters(bind_model("h", spec, TABLE)) == ["spread"]


def test_an_unknown_name_of_a_hyperparameter_is_refused(write_spec):
    with pytest.raises(UserError, match=r"PRIORS names 'sprd'.*spread"):
        bind_model("h", write_spec('PRIORS = ["sprd"]\n' + LEVELS), TABLE)
