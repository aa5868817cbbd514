"""
A straight line through points some of which may be outliers.

Hogg, Bovy & Lang (2010, arXiv:1008.4686): section 3 and exercise 6, with known errors in y and none
in x; section 7, with a Gaussian in two dimensions for each point.
"""

import jax.numpy as jnp
import numpyro
from numpyro.distributions import Categorical, HalfNormal, MixtureSameFamily, Normal, Uniform

LABELS = {
    "m": "slope m",
    "b": "intercept b",
    "fraction": "fraction of outliers",
    "y_outlier": "mean of the outliers",
    "sigma_outlier": "sd of the outliers",
    "p_outlier": "probability of being an outlier",
    "theta": "angle of the line",
    "b_perp": "distance from the origin",
}
UNITS = {"p_outlier": "", "theta": "rad"}


def _line():
    # ASSUME: x is up to 300 and y up to 700; these priors allow any line near such points.
    m = numpyro.sample("m", Normal(0, 3))
    b = numpyro.sample("b", Normal(0, 300))
    return m, b


def _outliers():
    fraction = numpyro.sample("fraction", Uniform(0, 1))
    y_outlier = numpyro.sample("y_outlier", Normal(0, 500))
    sigma_outlier = numpyro.sample("sigma_outlier", HalfNormal(500))
    return fraction, y_outlier, sigma_outlier


def _mixture(fraction, mean, sd, y):
    """Observe y from a mixture of two Gaussians (last axis); the second one is the outliers."""
    weights = jnp.broadcast_to(jnp.stack([1 - fraction, fraction]), mean.shape)
    mixture = MixtureSameFamily(Categorical(probs=weights), Normal(mean, sd))
    observed = numpyro.sample("y", mixture, obs=y)
    log_p = mixture.component_log_probs(observed)
    numpyro.deterministic("p_outlier", jnp.exp(log_p[..., 1] - mixture.log_prob(observed)))


def line(x, e, y=None):
    """All points lie on the line, and their error bars are correct."""
    m, b = _line()
    with numpyro.plate("point", len(x)):
        numpyro.sample("y", Normal(m * x + b, e), obs=y)


def outliers(x, e, y=None):
    """A point is on the line or, with probability `fraction`, from a broad Gaussian (eq. 17)."""
    m, b = _line()
    fraction, y_outlier, sigma_outlier = _outliers()
    with numpyro.plate("point", len(x)):
        mean = jnp.stack([m * x + b, jnp.broadcast_to(y_outlier, x.shape)], axis=-1)
        sd = jnp.stack([e, jnp.sqrt(sigma_outlier**2 + e**2)], axis=-1)
        _mixture(fraction, mean, sd, y)


def _direction():
    theta = numpyro.sample("theta", Uniform(-jnp.pi / 2, jnp.pi / 2))
    # ASSUME: all points are within 700 of the origin, so a line near one of them is within 1000.
    b_perp = numpyro.sample("b_perp", Uniform(-1000, 1000))
    m = numpyro.deterministic("m", jnp.tan(theta))
    b = numpyro.deterministic("b", b_perp / jnp.cos(theta))
    return theta, m, b


def _sd_of_y(theta, x_error, y_error, correlation):
    """
    Return the sd of y around the line: the sd across the line divided by cos(theta).

    Across the line, Sigma^2 = v^T S v with the unit vector v = (-sin theta, cos theta).
    """
    sin, cos = jnp.sin(theta), jnp.cos(theta)
    return (
        jnp.sqrt(
            (sin * x_error) ** 2
            - 2 * correlation * sin * x_error * cos * y_error
            + (cos * y_error) ** 2
        )
        / cos
    )


def line_xy(x, e_x, e, rho, y=None):
    """
    Each point is a Gaussian in two dimensions with its centre on the line (section 7).

    The density of a point is N(Delta; 0, Sigma^2): that of y given x, times that of x.
    """
    theta, m, b = _direction()
    # ASSUME: true points are uniform along the line: a steep line has more of them per unit of x.
    numpyro.factor("density_of_x", -len(x) * jnp.log(jnp.cos(theta)))
    with numpyro.plate("point", len(x)):
        numpyro.sample("y", Normal(m * x + b, _sd_of_y(theta, e_x, e, rho)), obs=y)


def outliers_xy(x, e_x, e, rho, y=None):
    """
    As `line_xy`, but a point is an outlier with probability `fraction`, as in section 3.

    Outliers are uniform in x and have a broad Gaussian in y.

    The density of a point is (1 - fraction) N(Delta; 0, Sigma^2)
    + fraction N(y; y_outlier, sigma_outlier^2 + e^2).
    """
    theta, m, b = _direction()
    fraction, y_outlier, sigma_outlier = _outliers()
    # ASSUME: the density of outliers per unit of x equals that of true points per unit of the line.
    density = (1 - fraction) / jnp.cos(theta) + fraction
    numpyro.factor("density_of_x", len(x) * jnp.log(density))
    with numpyro.plate("point", len(x)):
        mean = jnp.stack([m * x + b, jnp.broadcast_to(y_outlier, x.shape)], axis=-1)
        sd = jnp.stack([_sd_of_y(theta, e_x, e, rho), jnp.sqrt(sigma_outlier**2 + e**2)], axis=-1)
        _mixture(fraction / density, mean, sd, y)
