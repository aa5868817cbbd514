"""
An exponential decay with known Gaussian errors: a model to copy and change.

Describe the model here, and give its source (paper, equation).
"""

import jax.numpy as jnp
import numpyro
from numpyro.distributions import HalfNormal, Normal

# Names and units for figures and tables, by site.
LABELS = {"a": "amplitude a", "tau": "decay time tau"}
UNITS = {"a": "mV", "tau": "s"}


def model(x, e, y=None):
    """
    Model the voltage as an exponential decay.

    Each argument receives the variable of the same name in the data. Arguments that default to None
    are observations.

    Parameters
    ----------
    x : array, shape (point,)
        Time (s).
    e : float or array, shape (point,)
        Standard deviation of y (mV).
    y : array, shape (point,)
        Voltage (mV).
    """
    # ASSUME: amplitude and decay time are of the order of ten.
    a = numpyro.sample("a", HalfNormal(10))
    tau = numpyro.sample("tau", HalfNormal(10))
    with numpyro.plate("point", len(x)):
        numpyro.sample("y", Normal(a * jnp.exp(-x / tau), e), obs=y)
