"""
Four islands of probability with nothing between them: a density, without data.

Four Gaussians of one width, far apart. One of them has half the mass of each of the others.
"""

import jax.numpy as jnp
import numpyro
from jax.scipy.special import logsumexp
from numpyro.distributions import Normal, Uniform

LABELS = {"x": "x"}

SD = 0.25
WEIGHTS = (2.0, 2.0, 2.0, 1.0)
CENTRES = (
    (-1.5, 0.0),
    (0.0, 1.5),
    (0.0, -1.5),
    (1.5, 0.0),
)  # times the root of two: neighbours are 3 apart
HALF = 10.0  # half the side of the square that the prior fills


def model():
    """x is uniform in a square; its density is that of four Gaussians with the masses 2, 2, 2 and 1."""
    x = numpyro.sample("x", Uniform(-HALF * jnp.ones(2), HALF).to_event(1))
    centres = jnp.sqrt(2.0) * jnp.array(CENTRES)
    each = Normal(centres, SD).to_event(1).log_prob(x)
    numpyro.factor("islands", logsumexp(jnp.log(jnp.array(WEIGHTS)) + each))
