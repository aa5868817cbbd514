"""
A rising line with noise of unknown size: point estimates and posteriors differ.

It fills the empty heading "MLE vs MAP vs MCMC" of J. E. Johnson's notes on NumPyro. Two of its
three parameters have a boundary at zero. The true slope w lies near it, and the posterior of the
noise sigma is skewed if there are few points.
"""

import numpyro
from numpyro.distributions import HalfNormal, Normal

LABELS = {"b": "offset b", "w": "slope w", "sigma": "sd of the noise"}
UNITS = {"b": "", "w": "", "sigma": ""}


def model(u, y=None):
    """y is b + w u with Gaussian noise, w >= 0. u, in (-1, 1), and y are dimensionless."""
    # ASSUME: y is of the order of one, and so is the contribution of u.
    b = numpyro.sample("b", Normal(0.0, 2.0))
    w = numpyro.sample("w", HalfNormal(1.0))
    sigma = numpyro.sample("sigma", HalfNormal(2.0))
    with numpyro.plate("point", len(u)):
        numpyro.sample("y", Normal(b + w * u, sigma), obs=y)
