"""
A straight line through points with known, independent Gaussian errors in y.

From "Getting Started" of H. McDougall's NumPyro guide (2023); the angle form after J. VanderPlas (2014), arXiv:1411.5018.
"""

import jax.numpy as jnp
import numpyro
from numpyro.distributions import Normal, Uniform

LABELS = {"m": "slope m", "c": "intercept c", "angle": "angle of the line", "b_perp": "distance from the origin"}
UNITS = {"angle": "rad"}


def model(x, e, y=None):
    """Flat in slope and intercept."""
    m = numpyro.sample("m", Uniform(-5, 5))
    c = numpyro.sample("c", Uniform(-10, 10))
    with numpyro.plate("point", len(x)):
        numpyro.sample("y", Normal(m * x + c, e), obs=y)


def line_angle(x, e, y=None):
    """Flat in the line's angle and in its distance from the origin, so that no direction is preferred."""
    angle = numpyro.sample("angle", Uniform(-jnp.pi / 2, jnp.pi / 2))
    b_perp = numpyro.sample("b_perp", Uniform(-5, 5))
    m = numpyro.deterministic("m", jnp.tan(angle))
    c = numpyro.deterministic("c", b_perp / jnp.cos(angle))
    with numpyro.plate("point", len(x)):
        numpyro.sample("y", Normal(m * x + c, e), obs=y)
