"""
Stochastic volatility of 500 returns, a random walk given by its steps: 502 latent values.

Source: Hoffman & Gelman (2014, JMLR 15, 1593).
"""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist


def data():
    """Simulate the data."""
    rng = np.random.default_rng(3)
    return {"y": np.exp(np.cumsum(0.1 * rng.normal(size=500)) - 4) * rng.standard_t(10, size=500)}


def model(y):
    """Model the returns."""
    step = numpyro.sample("step", dist.Exponential(10))
    nu = numpyro.sample("nu", dist.Exponential(0.1))
    z = numpyro.sample("z", dist.Normal(0, 1).expand([500]).to_event(1))
    with numpyro.plate("day", 500):
        numpyro.sample("y", dist.StudentT(nu, 0.0, jnp.exp(step * jnp.cumsum(z) - 4)), obs=y)


def in_pymc(pm, y):
    """Define the same model in PyMC."""
    step = pm.Exponential("step", 10)
    nu = pm.Exponential("nu", 0.1)
    z = pm.Normal("z", 0, 1, shape=500)
    pm.StudentT("y", nu=nu, mu=0, sigma=pm.math.exp(step * pm.math.cumsum(z) - 4), observed=y)
