"""
Is a coin fair? A beta prior and Bernoulli tosses: the posterior is known exactly.

From the example "Variational Inference" of J. E. Johnson's notes on NumPyro (CC-BY-4.0), whose model is that of NumPyro's own
documentation of SVI. After h heads and t tails the posterior of the fairness is Beta(10 + h, 10 + t).
"""

import numpyro
from numpyro.distributions import Bernoulli, Beta

LABELS = {"latent_fairness": "probability of heads", "obs": "heads"}
UNITS = {"latent_fairness": "", "obs": ""}


def model(data):
    """Tosses, 1 for heads and 0 for tails; without data ten tosses are made."""
    f = numpyro.sample("latent_fairness", Beta(10, 10))
    with numpyro.plate("toss", data.shape[0] if data is not None else 10):
        numpyro.sample("obs", Bernoulli(f), obs=data)
