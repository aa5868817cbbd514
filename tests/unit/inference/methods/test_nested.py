"""Nested sampling against exact evidences and posteriors."""

import numpy as np
import pytest
import scipy.stats
from unit.inference.methods.targets import (
    BANANA,
    NORMAL,
    Y,
    compare_normal,
    compare_weighted,
    run,
)

from posterity.config.schema import complete_settings
from posterity.errors import UserError

NESTED = complete_settings("nested", live_points=500)
ISLANDS = """
import jax
def model():
    x = numpyro.sample("x", dist.Uniform(-10 * jnp.ones(2), 10).to_event(1))
    centres = jnp.array([[-1.5, 0.0], [0.0, 1.5], [0.0, -1.5], [1.5, 0.0]]) * jnp.sqrt(2.0)
    each = dist.Normal(centres, 0.25).to_event(1).log_prob(x)
    masses = jnp.log(jnp.array([2, 2, 2, 1.0]))
    numpyro.factor("density", jax.scipy.special.logsumexp(masses + each))
"""
TWO_PEAKS = """
def model():
    x = numpyro.sample("x", dist.StudentT(3, 0.5, 2))
    numpyro.factor("density", jnp.logaddexp(-0.5 * ((x + 2) / 0.3) ** 2, -0.7 - jnp.abs(x - 3)))
"""
MOSTLY_IMPOSSIBLE = """
def model():
    x = numpyro.sample("x", dist.Uniform(-1, 1))
    numpyro.factor("density", jnp.where(x > 0.8, -8 * x, -jnp.inf))
"""
IMPROPER = """
def model(y):
    m = numpyro.sample('m', dist.ImproperUniform(dist.constraints.real, (), ()))
    numpyro.sample('y', dist.Normal(m, 1).expand([5]), obs=y)
"""


@pytest.mark.long
def test_a_gaussian_posterior_is_exact(bind_source):
    compare_normal(bind_source, NESTED)


@pytest.mark.long
@pytest.mark.parametrize("name", ["coin", "counts"])
def test_a_skewed_posterior_is_exact(bind_source, name):
    compare_weighted(bind_source, NESTED | {"runs": 4}, name)


@pytest.mark.long
def test_masses_and_evidence_of_the_islands_are_exact(bind_source):
    """Four Gaussians at distance 3: masses 2/7, 2/7, 2/7, 1/7, and ln Z = ln(7 / 400)."""
    result = run(bind_source(ISLANDS), complete_settings("nested"))
    x = result.posterior["x"][0]
    centres = np.array([[-1.5, 0.0], [0.0, 1.5], [0.0, -1.5], [1.5, 0.0]]) * np.sqrt(2)
    masses = [(np.linalg.norm(x - centre, axis=1) < 1.5).mean() for centre in centres]
    assert masses == pytest.approx([2 / 7, 2 / 7, 2 / 7, 1 / 7], abs=0.05)
    error = float(result.evidence["ln_z_error"])
    assert error < 0.1
    assert abs(float(result.evidence["ln_z"]) - np.log(7 / 400)) < 3 * error


@pytest.mark.long
def test_the_evidence_agrees_with_quadrature(bind_source):
    x = np.linspace(-200, 200, 4_000_001)
    peaks = np.logaddexp(-0.5 * ((x + 2) / 0.3) ** 2, -0.7 - np.abs(x - 3))
    exact = np.log(np.trapezoid(np.exp(scipy.stats.t(3, 0.5, 2).logpdf(x) + peaks), x))
    evidence = run(bind_source(TWO_PEAKS), complete_settings("nested")).evidence
    difference = abs(float(evidence["ln_z"]) - exact)
    assert difference < 3 * float(evidence["ln_z_error"]) < 0.3


@pytest.mark.long
def test_the_error_of_the_evidence_is_that_of_repeated_fits(bind_source):
    exact = scipy.stats.multivariate_normal(np.ones(5), 2.25 * np.eye(5) + 4).logpdf(Y)
    pulls = []
    for repeat in range(8):
        evidence = run(bind_source(NORMAL, y=Y), NESTED, "again", repeat).evidence
        pulls.append((float(evidence["ln_z"]) - exact) / float(evidence["ln_z_error"]))
    # More has a probability of 1 % if the error is right.
    assert np.mean(np.square(pulls)) < 2.5, pulls


def test_a_model_without_likelihood_is_an_error(bind_source):
    with pytest.raises(UserError, match="the model has no likelihood"):
        run(bind_source(BANANA), NESTED)


def test_an_improper_prior_is_an_error(bind_source):
    with pytest.raises(UserError, match="the prior of m is improper"):
        run(bind_source(IMPROPER, y=Y), NESTED)


@pytest.mark.long
def test_a_prior_that_is_mostly_impossible_has_the_exact_evidence(bind_source):
    """Points of no likelihood, nine tenths of the prior, are not replaced by others like them."""
    exact = np.log((np.exp(-6.4) - np.exp(-8)) / 8 / 2)
    evidence = run(bind_source(MOSTLY_IMPOSSIBLE), NESTED).evidence
    difference = abs(float(evidence["ln_z"]) - exact)
    assert difference < 3 * float(evidence["ln_z_error"]) < 0.5
