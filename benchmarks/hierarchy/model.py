"""Groups of points with a mean each: one latent value per group, one point per row."""

import jax.numpy as jnp
import numpyro
from numpyro.distributions import HalfNormal, Normal


def model(group, groups, y=None):
    """
    Model points that scatter around the mean of their group.

    Parameters
    ----------
    group : array, shape (point,)
        Index of the group of each point.
    groups : array, shape (set,)
        Indices of all groups.
    y : array, shape (point,)
        Values.
    """
    mu = numpyro.sample("mu", Normal(0, 10))
    tau = numpyro.sample("tau", HalfNormal(5))
    with numpyro.plate("set", len(groups)):
        mean = numpyro.sample("mean", Normal(mu, tau))
    with numpyro.plate("point", len(group)):
        numpyro.sample("y", Normal(jnp.take(mean, group), 1.0), obs=y)
