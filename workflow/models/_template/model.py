"""
An exponential decay with known Gaussian errors: a model to copy and change.

Describe the model here, with its source (paper, equation).
"""

import jax.numpy as jnp
import numpyro
from numpyro.distributions import HalfNormal, Normal

# Names and units for figures and tables, by site.
LABELS = {"a": "amplitude a", "tau": "decay time tau"}
UNITS = {"a": "mV", "tau": "s"}
# The sites whose priors are choices, if not those at the top level: PRIORS = ["a", "tau"].


def model(x, e, y=None):
    """
    Exponential decay of y with x.

    Each argument is the variable of the same name in the data. Arguments that default to None are
    observations.

    x: time (s), shape (point,); e: standard deviation of y (mV); y: voltage (mV), shape (point,).
    """
    # ASSUME: amplitude and decay time are of the order of ten.
    a = numpyro.sample("a", HalfNormal(10))
    tau = numpyro.sample("tau", HalfNormal(10))
    with numpyro.plate("point", len(x)):
        numpyro.sample("y", Normal(a * jnp.exp(-x / tau), e), obs=y)
