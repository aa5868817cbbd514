"""
Four islands of probability with nothing between them: a density without data.

The islands are Gaussians of equal width, far apart. One has half the mass of each of the others.
"""

import jax.numpy as jnp
import numpyro
from jax.scipy.special import logsumexp
from numpyro.distributions import Normal, Uniform

LABELS = {"x": "x"}

SD = 0.25
WEIGHTS = (2.0, 2.0, 2.0, 1.0)
# To be multiplied by the square root of two; then neighbours are 3 apart.
CENTRES = ((-1.5, 0.0), (0.0, 1.5), (0.0, -1.5), (1.5, 0.0))
HALF = 10.0  # half the side of the square that the prior fills


def model():
    """x has the density of four Gaussians with masses 2, 2, 2 and 1, in a square."""
    x = numpyro.sample("x", Uniform(-HALF * jnp.ones(2), HALF).to_event(1))
    centres = jnp.sqrt(2.0) * jnp.array(CENTRES)
    each = Normal(centres, SD).to_event(1).log_prob(x)
    numpyro.factor("islands", logsumexp(jnp.log(jnp.array(WEIGHTS)) + each))
