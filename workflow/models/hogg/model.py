"""
A straight line through points some of which may be outliers.

Hogg, Bovy & Lang (2010, arXiv:1008.4686): section 3 and exercise 6. The errors in y are known, those in x are left out.
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
}
UNITS = {"p_outlier": ""}


def _line():
    # ASSUME: x reaches 300 and y 700, so these priors allow any line that passes near such points.
    m = numpyro.sample("m", Normal(0, 3))
    b = numpyro.sample("b", Normal(0, 300))
    return m, b


def line(x, e, y=None):
    """Every point lies on the line, and its error bar is believed."""
    m, b = _line()
    with numpyro.plate("point", len(x)):
        numpyro.sample("y", Normal(m * x + b, e), obs=y)


def outliers(x, e, y=None):
    """Each point lies on the line, or with probability `fraction` comes from one broad Gaussian (eq. 17 of the paper)."""
    m, b = _line()
    fraction = numpyro.sample("fraction", Uniform(0, 1))
    y_outlier = numpyro.sample("y_outlier", Normal(0, 500))
    sigma_outlier = numpyro.sample("sigma_outlier", HalfNormal(500))
    with numpyro.plate("point", len(x)):
        mean = jnp.stack([m * x + b, jnp.broadcast_to(y_outlier, x.shape)], axis=-1)
        sd = jnp.stack([e, jnp.sqrt(sigma_outlier**2 + e**2)], axis=-1)
        weights = jnp.broadcast_to(jnp.stack([1 - fraction, fraction]), mean.shape)
        mixture = MixtureSameFamily(Categorical(probs=weights), Normal(mean, sd))
        observed = numpyro.sample("y", mixture, obs=y)
        log_p = mixture.component_log_probs(observed)
        numpyro.deterministic("p_outlier", jnp.exp(log_p[..., 1] - mixture.log_prob(observed)))
