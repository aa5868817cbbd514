"""
Is a coin fair? A beta prior and Bernoulli tosses: the posterior is known exactly.

From the example "Variational Inference" of J. E. Johnson's notes on NumPyro (CC-BY-4.0). The model
is the one in NumPyro's documentation of SVI. After h heads and t tails the posterior of the
fairness is Beta(10 + h, 10 + t).
"""

import numpyro
from numpyro.distributions import Bernoulli, Beta

LABELS = {"latent_fairness": "probability of heads", "obs": "heads"}
UNITS = {"latent_fairness": "", "obs": ""}


def model(data):
    """Tosses of a coin: 1 for heads, 0 for tails, shape (toss,). None simulates ten tosses."""
    f = numpyro.sample("latent_fairness", Beta(10, 10))
    with numpyro.plate("toss", data.shape[0] if data is not None else 10):
        numpyro.sample("obs", Bernoulli(f), obs=data)
