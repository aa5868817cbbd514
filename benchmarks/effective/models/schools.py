"""
The eight schools, non-centred: 10 latent values.

Source: Rubin (1981, Journal of Educational Statistics 6, 377).
"""

import numpy as np
import numpyro
import numpyro.distributions as dist


def data():
    """Return the effects and their standard errors."""
    return {
        "y": np.array([28.0, 8, -3, 7, -1, 1, 18, 12]),
        "e": np.array([15.0, 10, 16, 11, 9, 11, 10, 18]),
    }


def model(e, y=None):
    """Model the effects."""
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", len(e)):
        z = numpyro.sample("z", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(mu + tau * z, e), obs=y)


def in_pymc(pm, e, y):
    """Define the same model in PyMC."""
    mu = pm.Normal("mu", 0, 5)
    tau = pm.HalfCauchy("tau", 5)
    z = pm.Normal("z", 0, 1, shape=len(e))
    pm.Normal("y", mu + tau * z, e, observed=y)
