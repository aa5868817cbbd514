"""Measurements in groups."""

import jax.numpy as jnp
import numpy as np
import numpyro
from numpyro.distributions import HalfNormal, LogNormal, Normal


def noncentred(group, y=None):
    """Eight groups, whose means are written as standardised values."""
    mu = numpyro.sample("mu", Normal(0, 3))
    tau = numpyro.sample("tau", HalfNormal(1))
    sigma = numpyro.sample("sigma", HalfNormal(1))
    with numpyro.plate("groups", 8):
        z = numpyro.sample("z", Normal(0, 1))
    theta = numpyro.deterministic("theta", mu + tau * z)
    with numpyro.plate("row", len(group)):
        numpyro.sample("y", Normal(theta[group], sigma), obs=y)


def centred(group, y=None):
    """Groups, whose means are sampled as such."""
    mu = numpyro.sample("mu", Normal(0, 3))
    tau = numpyro.sample("tau", LogNormal(0, 0.5))
    sigma = numpyro.sample("sigma", LogNormal(0, 0.5))
    with numpyro.plate("groups", np.unique(group).size):
        theta = numpyro.sample("theta", Normal(mu, tau))
    with numpyro.plate("row", len(group)):
        numpyro.sample("y", Normal(theta[group], sigma), obs=y)


def many_noncentred(group, y=None):
    """Many groups, whose means are written as standardised values."""
    mu = numpyro.sample("mu", Normal(0, 3))
    tau = numpyro.sample("tau", HalfNormal(1))
    sigma = numpyro.sample("sigma", LogNormal(0, 0.3))
    with numpyro.plate("groups", np.unique(group).size):
        z = numpyro.sample("z", Normal(0, 1))
    with numpyro.plate("row", len(group)):
        numpyro.sample("y", Normal(mu + tau * z[group], sigma), obs=y)


def eight_schools(sigma, y=None):
    """Eight schools, centred."""
    mu = numpyro.sample("mu", Normal(0, 5))
    tau = numpyro.sample("tau", HalfNormal(5))
    with numpyro.plate("school", len(sigma)):
        theta = numpyro.sample("theta", Normal(mu, tau))
        numpyro.sample("y", Normal(theta, sigma), obs=y)


def funnel(y=None):
    """Neal's funnel with vague measurements."""
    v = numpyro.sample("v", Normal(0, 3))
    with numpyro.plate("row", len(y)):
        x = numpyro.sample("x", Normal(0, jnp.exp(v / 2)))
        numpyro.sample("y", Normal(x, 30), obs=y)


def slopes(x, group, y=None):
    """Groups with means of their own and one slope."""
    b = numpyro.sample("b", Normal(0, 3))
    sigma = numpyro.sample("sigma", HalfNormal(3))
    with numpyro.plate("groups", np.unique(group).size):
        a = numpyro.sample("a", Normal(0, 3))
    with numpyro.plate("row", len(group)):
        numpyro.sample("y", Normal(a[group] + b * x, sigma), obs=y)
