"""
Bayesian linear regression with unknown noise.

From the example "Bayesian Regression" in J. E. Johnson's notes on NumPyro (CC-BY-4.0), with its
priors. The mean of each point is a deterministic site, so its posterior and its predictions are
stored.
"""

import numpyro
from numpyro.distributions import Exponential, Normal

LABELS = {"b": "bias b", "w": "weight w", "sigma": "sd of the noise", "mu": "mean of y"}
UNITS = {"b": "", "w": "", "sigma": "", "mu": ""}


def model(u, y=None):
    """y is w u + b with Gaussian noise. All quantities are dimensionless."""
    # ASSUME: u and y are standardised, so w and b are below one.
    b = numpyro.sample("b", Normal(0.0, 0.2))
    w = numpyro.sample("w", Normal(0.0, 0.5))
    sigma = numpyro.sample("sigma", Exponential(1.0))
    with numpyro.plate("point", len(u)):
        mu = numpyro.deterministic("mu", w * u + b)
        numpyro.sample("y", Normal(mu, sigma), obs=y)
