"""Straight lines."""

import jax.numpy as jnp
import numpyro
from numpyro.distributions import Exponential, Gamma, HalfNormal, Normal, StudentT, Uniform


def line(x, y=None):
    """A line with informative priors."""
    a = numpyro.sample("a", Normal(0, 1))
    b = numpyro.sample("b", Normal(0, 1))
    sigma = numpyro.sample("sigma", HalfNormal(1))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", Normal(a + b * x, sigma), obs=y)


def wide(x, y=None):
    """A line with wide priors."""
    a = numpyro.sample("a", Normal(0, 10))
    b = numpyro.sample("b", Normal(0, 10))
    sigma = numpyro.sample("sigma", HalfNormal(10))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", Normal(a + b * x, sigma), obs=y)


def very_wide(x, y=None):
    """A line with absurdly wide priors."""
    a = numpyro.sample("a", Normal(0, 1e5))
    b = numpyro.sample("b", Normal(0, 1e5))
    sigma = numpyro.sample("sigma", HalfNormal(1e5))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", Normal(a + b * x, sigma), obs=y)


def narrow_slope(x, y=None):
    """A line whose slope is believed to be small."""
    a = numpyro.sample("a", Normal(0, 10))
    b = numpyro.sample("b", Normal(0, 0.2))
    sigma = numpyro.sample("sigma", HalfNormal(10))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", Normal(a + b * x, sigma), obs=y)


def narrow_errors(x, y=None):
    """A line whose errors are believed to be small."""
    a = numpyro.sample("a", Normal(0, 10))
    b = numpyro.sample("b", Normal(0, 10))
    sigma = numpyro.sample("sigma", HalfNormal(0.1))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", Normal(a + b * x, sigma), obs=y)


def bounded(x, y=None):
    """A line whose slope has a flat prior between bounds."""
    a = numpyro.sample("a", Normal(0, 10))
    b = numpyro.sample("b", Uniform(-1, 1))
    sigma = numpyro.sample("sigma", HalfNormal(10))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", Normal(a + b * x, sigma), obs=y)


def known_errors(x, sy, y=None):
    """A line through points with known errors."""
    a = numpyro.sample("a", Normal(0, 3))
    b = numpyro.sample("b", Normal(0, 3))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", Normal(a + b * x, sy), obs=y)


def robust(x, y=None):
    """A line with heavy-tailed errors."""
    a = numpyro.sample("a", Normal(0, 3))
    b = numpyro.sample("b", Normal(0, 3))
    sigma = numpyro.sample("sigma", HalfNormal(2))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", StudentT(4.0, a + b * x, sigma), obs=y)


def unknown_tails(x, y=None):
    """As `robust`, with unknown degrees of freedom, of which few points say nothing."""
    a = numpyro.sample("a", Normal(0, 3))
    b = numpyro.sample("b", Normal(0, 3))
    sigma = numpyro.sample("sigma", HalfNormal(2))
    nu = numpyro.sample("nu", Gamma(2, 0.1))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", StudentT(nu, a + b * x, sigma), obs=y)


def autoregressive(y):
    """A series in which each value depends on the one before."""
    c = numpyro.sample("c", Normal(0, 1))
    phi = numpyro.sample("phi", Uniform(-1, 1))
    sigma = numpyro.sample("sigma", HalfNormal(1))
    with numpyro.plate("step", len(y) - 1):
        numpyro.sample("next", Normal(c + phi * y[:-1], sigma), obs=y[1:])


def with_factor(x, y=None):
    """A line with a further term of the density."""
    a = numpyro.sample("a", Normal(0, 10))
    b = numpyro.sample("b", Normal(0, 10))
    sigma = numpyro.sample("sigma", HalfNormal(10))
    numpyro.factor("flat_angle", -1.5 * jnp.log1p(b**2))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", Normal(a + b * x, sigma), obs=y)


def ratio(x, y=None):
    """A line, and the x at which it is zero."""
    a = numpyro.sample("a", Normal(0, 10))
    b = numpyro.sample("b", Normal(0, 10))
    sigma = numpyro.sample("sigma", HalfNormal(10))
    numpyro.deterministic("zero", -a / b)
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", Normal(a + b * x, sigma), obs=y)


def sum_of_two(y=None):
    """Two numbers of which only the sum is measured."""
    a = numpyro.sample("a", Normal(0, 300))
    b = numpyro.sample("b", Normal(0, 300))
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", Normal(a + b, 1), obs=y)


def waiting(y=None):
    """Waiting times without memory."""
    rate = numpyro.sample("rate", Gamma(2, 2))
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", Exponential(rate), obs=y)


def two_covariates(u, v, y=None):
    """A plane."""
    a = numpyro.sample("a", Normal(0, 10))
    b = numpyro.sample("b", Normal(0, 10))
    c = numpyro.sample("c", Normal(0, 10))
    sigma = numpyro.sample("sigma", HalfNormal(10))
    with numpyro.plate("row", len(u)):
        numpyro.sample("y", Normal(a + b * u + c * v, sigma), obs=y)
