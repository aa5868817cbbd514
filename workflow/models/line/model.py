"""
A straight line through points with known, independent Gaussian errors in y, or in x and y.

From "Getting Started" in H. McDougall's NumPyro guide (2023) and his "A Brief Introduction to
NumPyro" (2024). The form with an angle follows J. VanderPlas (2014), arXiv:1411.5018.
"""

import jax.numpy as jnp
import numpyro
from numpyro.distributions import Normal, Uniform

LABELS = {
    "m": "slope m",
    "c": "intercept c",
    "angle": "angle of the line",
    "b_perp": "distance from the origin",
    "x_true": "true x",
}
UNITS = {"angle": "rad"}
# The priors of x_true are measurements, and not choices.
PRIORS = {"line_xy": ["angle", "b_perp"]}


def _any_direction():
    angle = numpyro.sample("angle", Uniform(-jnp.pi / 2, jnp.pi / 2))
    b_perp = numpyro.sample("b_perp", Uniform(-5, 5))
    m = numpyro.deterministic("m", jnp.tan(angle))
    c = numpyro.deterministic("c", b_perp / jnp.cos(angle))
    return m, c


def model(x, e, y=None):
    """A line with flat priors on slope and intercept."""
    m = numpyro.sample("m", Uniform(-5, 5))
    c = numpyro.sample("c", Uniform(-10, 10))
    with numpyro.plate("point", len(x)):
        numpyro.sample("y", Normal(m * x + c, e), obs=y)


def line_angle(x, e, y=None):
    """
    A line with flat priors on its angle and its distance from the origin: no preferred direction.
    """
    m, c = _any_direction()
    with numpyro.plate("point", len(x)):
        numpyro.sample("y", Normal(m * x + c, e), obs=y)


def line_xy(x, e_x, e, y=None):
    """As `line_angle`, with errors e_x in x: each point has a latent true x."""
    m, c = _any_direction()
    with numpyro.plate("point", len(x)):
        # ASSUME: the true x has a flat prior, so only the measurement constrains it.
        x_true = numpyro.sample("x_true", Normal(x, e_x))
        numpyro.sample("y", Normal(m * x_true + c, e), obs=y)


def line_xy_integrated(x, e_x, e, y=None):
    """As `line_xy`, with the true x marginalised by hand: the same posterior of the line."""
    m, c = _any_direction()
    with numpyro.plate("point", len(x)):
        numpyro.sample("y", Normal(m * x + c, jnp.sqrt(e**2 + (m * e_x) ** 2)), obs=y)
