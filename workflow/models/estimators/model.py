"""
A line that cannot fall, with noise of unknown size: a small model in which point estimates and posteriors part ways.

It fills the empty heading "MLE vs MAP vs MCMC" of J. E. Johnson's notes on NumPyro. Two of its three parameters have a boundary at
zero: the slope w, whose truth lies near it, and the noise sigma, whose posterior is skewed as long as the points are few.
"""

import numpyro
from numpyro.distributions import HalfNormal, Normal

LABELS = {"b": "offset b", "w": "slope w", "sigma": "sd of the noise"}
UNITS = {"b": "", "w": "", "sigma": ""}


def model(u, y=None):
    """y is b + w u and Gaussian noise, w at least zero; u in (-1, 1) and y are pure numbers."""
    # ASSUME: y is of the order of one, and so is what u may add to it.
    b = numpyro.sample("b", Normal(0.0, 2.0))
    w = numpyro.sample("w", HalfNormal(1.0))
    sigma = numpyro.sample("sigma", HalfNormal(2.0))
    with numpyro.plate("point", len(u)):
        numpyro.sample("y", Normal(b + w * u, sigma), obs=y)
