"""Counts and events."""

import jax.numpy as jnp
import numpyro
from numpyro.distributions import (
    Bernoulli,
    Beta,
    Binomial,
    Exponential,
    NegativeBinomial2,
    Normal,
    Poisson,
)


def poisson(x, y=None):
    """Counts whose rate depends on x."""
    a = numpyro.sample("a", Normal(1, 0.5))
    b = numpyro.sample("b", Normal(0, 0.5))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", Poisson(jnp.exp(a + b * x)), obs=y)


def wide_poisson(x, y=None):
    """Counts whose rate depends on x, with wide priors."""
    a = numpyro.sample("a", Normal(0, 5))
    b = numpyro.sample("b", Normal(0, 5))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", Poisson(jnp.exp(a + b * x)), obs=y)


def large_poisson(x, y=None):
    """Large counts whose rate depends on x."""
    a = numpyro.sample("a", Normal(20, 3))
    b = numpyro.sample("b", Normal(0, 1))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", Poisson(jnp.exp(a + b * x)), obs=y)


def negative_binomial(x, y=None):
    """Counts with more scatter than a Poisson distribution has."""
    a = numpyro.sample("a", Normal(1, 0.5))
    b = numpyro.sample("b", Normal(0, 0.5))
    phi = numpyro.sample("phi", Exponential(0.3))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", NegativeBinomial2(jnp.exp(a + b * x), phi), obs=y)


def logistic(x, y=None):
    """Events whose log odds depend on x."""
    a = numpyro.sample("a", Normal(0, 1))
    b = numpyro.sample("b", Normal(0, 1))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", Bernoulli(logits=a + b * x), obs=y)


def wide_logistic(x, y=None):
    """Events whose log odds depend on x, with wide priors."""
    a = numpyro.sample("a", Normal(0, 10))
    b = numpyro.sample("b", Normal(0, 10))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", Bernoulli(logits=a + b * x), obs=y)


def narrow_logistic(x, y=None):
    """Events on which x is believed to have little influence."""
    a = numpyro.sample("a", Normal(0, 2))
    b = numpyro.sample("b", Normal(0, 0.2))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", Bernoulli(logits=a + b * x), obs=y)


def binomial(x, total, successes=None):
    """Successes of a number of trials."""
    a = numpyro.sample("a", Normal(0, 1))
    b = numpyro.sample("b", Normal(0, 1))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", Binomial(total, logits=a + b * x), obs=successes)


def coin(y=None):
    """Tosses of a coin."""
    p = numpyro.sample("p", Beta(2, 2))
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", Bernoulli(p), obs=y)
