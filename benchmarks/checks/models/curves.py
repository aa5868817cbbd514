"""Models that are not linear."""

import jax.numpy as jnp
import numpyro
from numpyro.distributions import (
    Categorical,
    HalfNormal,
    LogNormal,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    Uniform,
)


def gaussian_process(x, y=None):
    """A smooth curve."""
    length = numpyro.sample("length", LogNormal(0, 0.5))
    amplitude = numpyro.sample("amplitude", HalfNormal(2))
    noise = numpyro.sample("noise", LogNormal(-1, 0.5))
    distance = (x[:, None] - x[None, :]) / length
    covariance = amplitude**2 * jnp.exp(-0.5 * distance**2) + noise**2 * jnp.eye(len(x))
    numpyro.sample("y", MultivariateNormal(jnp.zeros(len(x)), covariance), obs=y)


def square(y=None):
    """A number of which the square is measured."""
    m = numpyro.sample("m", Normal(0, 5))
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", Normal(m**2, 1), obs=y)


def wave(t, y=None):
    """A sine with an unknown frequency."""
    omega = numpyro.sample("omega", Uniform(0, 30))
    with numpyro.plate("row", len(t)):
        numpyro.sample("y", Normal(jnp.sin(omega * t), 0.2), obs=y)


def mixture(y=None):
    """Two populations without an order."""
    with numpyro.plate("component", 2):
        mu = numpyro.sample("mu", Normal(0, 5))
    with numpyro.plate("row", len(y)):
        components = MixtureSameFamily(Categorical(jnp.full(2, 0.5)), Normal(mu, 1))
        numpyro.sample("y", components, obs=y)
