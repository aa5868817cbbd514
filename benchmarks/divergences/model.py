"""Groups of points with a mean each, in non-centred form: 3 + 8 latent values."""

import jax.numpy as jnp
import numpyro
from numpyro.distributions import HalfNormal, Normal

GROUPS = 8


def model(group, y=None):
    """
    Model points that scatter around the mean of their group.

    Parameters
    ----------
    group : array, shape (point,)
        Index of the group of each point.
    y : array, shape (point,)
        Values.
    """
    mu = numpyro.sample("mu", Normal(0, 5))
    tau = numpyro.sample("tau", HalfNormal(5))
    sigma = numpyro.sample("sigma", HalfNormal(2))
    with numpyro.plate("set", GROUPS):
        z = numpyro.sample("z", Normal(0, 1))
    with numpyro.plate("point", len(group)):
        numpyro.sample("y", Normal(mu + tau * jnp.take(z, group), sigma), obs=y)
