"""The guide of the published example: a beta distribution, which can equal the exact posterior."""

import numpyro
from jax import random
from numpyro.distributions import Beta, constraints


def guide(data):
    """Beta(alpha_q, beta_q). alpha_q starts at 15, beta_q at a draw of Exponential(1)."""
    alpha_q = numpyro.param("alpha_q", 15.0, constraint=constraints.positive)
    beta_q = numpyro.param(
        "beta_q", lambda key: random.exponential(key), constraint=constraints.positive
    )
    numpyro.sample("latent_fairness", Beta(alpha_q, beta_q))
