"""Groups of points with a mean each: as many latent values as groups, as many points as rows."""

import jax.numpy as jnp
import numpyro
from numpyro.distributions import HalfNormal, Normal


def model(group, groups, y=None):
    """group: number of the point's group, shape (point,); groups: their number; y: values, shape (point,)."""
    mu = numpyro.sample("mu", Normal(0, 10))
    tau = numpyro.sample("tau", HalfNormal(5))
    with numpyro.plate("set", len(groups)):
        mean = numpyro.sample("mean", Normal(mu, tau))
    with numpyro.plate("point", len(group)):
        numpyro.sample("y", Normal(jnp.take(mean, group), 1.0), obs=y)
