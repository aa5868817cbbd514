"""Scaled residuals of observations under the distribution of their site."""

from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import ndtri

from posterity.model.handlers import unwrap_distribution

# Their moments may not exist. A residual is then the normal score of the value's probability.
HEAVY_TAILED = (
    dist.Cauchy,
    dist.HalfCauchy,
    dist.InverseGamma,
    dist.Levy,
    dist.Pareto,
    dist.StudentT,
)
CATEGORICAL = (dist.CategoricalLogits, dist.CategoricalProbs)
BINARY = (dist.BernoulliLogits, dist.BernoulliProbs)
MIN_PROBABILITY = 1e-12  # of a tail: a normal score is at most 7


def compute_residuals(site: dict) -> jax.Array:
    """
    Return the scaled residuals r = (y - E[y]) / sd[y] of an observed site, given its message.

    E and sd are those of the site's distribution at the same draw of the parameters (Gelman et al.
    2020, arXiv:2011.01808, section 6.1). A multivariate Gaussian is whitened, so that its residuals
    are independent. Without moments a residual is the normal score of the cumulative probability,
    and without that, minus the log density. The result has the shape of the distribution, to which
    the values are broadcast, except in the last case: that of the log densities.
    """
    distribution = site["fn"]
    value = jnp.asarray(site["value"], float)
    value = jnp.broadcast_to(value, jnp.broadcast_shapes(value.shape, distribution.shape()))
    base = unwrap_distribution(distribution)
    if hasattr(base, "scale_tril") and base.event_dim == 1:
        difference = value - jnp.broadcast_to(base.loc, value.shape)
        lower = jnp.broadcast_to(base.scale_tril, (*difference.shape, difference.shape[-1]))
        return solve_triangular(lower, difference[..., None], lower=True)[..., 0]
    if not isinstance(base, HEAVY_TAILED):
        moments = _compute_moments(distribution)
        if moments is not None:
            mean, variance = (jnp.broadcast_to(moment, value.shape) for moment in moments)
            return (value - mean) / jnp.sqrt(jnp.maximum(variance, jnp.finfo(value.dtype).tiny))
    try:
        probability = base.cdf(value)
    except NotImplementedError:
        return -distribution.log_prob(site["value"])
    return ndtri(jnp.clip(probability, MIN_PROBABILITY, 1 - MIN_PROBABILITY))


def compute_expectation(site: dict) -> Any:
    """Return the mean of the distribution of an observed site, an array; None if it has none."""
    base = unwrap_distribution(site["fn"])
    if isinstance(base, HEAVY_TAILED):
        return getattr(base, "loc", None)
    moments = _compute_moments(site["fn"])
    return None if moments is None else moments[0]


def find_mask(site: dict, shape: tuple[int, ...]) -> jax.Array:
    """Return which residuals of a site, of a shape, count: all but those that `mask` excludes."""
    distribution = site["fn"]
    while isinstance(distribution, dist.Independent | dist.ExpandedDistribution):
        distribution = distribution.base_dist
    mask = jnp.asarray(getattr(distribution, "_mask", True))
    event_dims = len(shape) - len(site["fn"].batch_shape)
    return jnp.broadcast_to(mask.reshape(mask.shape + (1,) * event_dims), shape)


def _compute_moments(distribution: dist.Distribution) -> tuple[jax.Array, jax.Array] | None:
    """Return mean and variance, shape (*batch, *event); None if they are not implemented."""
    base = unwrap_distribution(distribution)
    if isinstance(base, CATEGORICAL):
        levels = jnp.broadcast_to(jnp.arange(base.probs.shape[-1]), base.probs.shape)
        mean = (base.probs * levels).sum(-1)
        return mean, (base.probs * levels**2).sum(-1) - mean**2
    try:
        mean = distribution.mean
        variance = distribution.variance
    except (NotImplementedError, AttributeError, TypeError):
        return None
    # Not every distribution adds the dimensions of its event.
    shape = distribution.batch_shape + distribution.event_shape
    if jnp.shape(mean) != shape or jnp.shape(variance) != shape:
        return None
    return mean, variance
