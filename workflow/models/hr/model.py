"""
Stars of clusters in the Hertzsprung-Russell diagram, from photon counts and parallaxes.

From "A Brief Introduction to NumPyro" by H. McDougall (2023). All stars of a cluster have the same
distance, and all stars have the same main sequence: a line in absolute magnitude against log
temperature, with a spread.
"""

import jax.numpy as jnp
import numpy as np
import numpyro
from hr_constants import (
    E_parallax,
    gain,
    logtemp0,
    mag0,
    max_dist,
    min_dist,
    parallax_limit,
    parallax_step,
)
from jax.scipy.special import log_ndtr
from numpyro import distributions as dist
from numpyro.distributions import Distribution, HalfNormal, Normal, Poisson, Uniform, constraints

LABELS = {
    "slope": "slope",
    "offset": "offset",
    "spread": "spread",
    "root_dist": "cube root of the distance",
    "volume": "cube of the distance",
    "distance": "distance",
    "absolute_magnitude": "absolute magnitude",
    "apparent_magnitude": "apparent magnitude",
    "z": "standardised magnitude",
}
UNITS = {
    "slope": "mag/dex",
    "offset": "mag",
    "spread": "mag",
    "root_dist": "pc^(1/3)",
    "volume": "pc^3",
    "distance": "pc",
    "absolute_magnitude": "mag",
    "apparent_magnitude": "mag",
}


def as_written(cluster_index, logtemps, parallax=None, fluxcounts=None):
    """The published code."""
    slope = numpyro.sample("slope", dist.Uniform(-10, 0))
    offset = numpyro.sample("offset", dist.Uniform(-10, 10))
    spread = numpyro.sample("spread", dist.HalfNormal(2.5))

    n_clusters = np.unique(cluster_index).size
    n_stars = cluster_index.size

    with numpyro.plate("clusters", n_clusters):
        root_dist = numpyro.sample(
            "root_dist", dist.Uniform(min_dist ** (1 / 3), max_dist ** (1 / 3))
        )
        distance = numpyro.deterministic("distance", jnp.power(root_dist, 3))
        dist_mod = jnp.log10(distance / 10) * 5.0

        numpyro.sample("parallax", dist.Normal(jnp.power(distance, -1), E_parallax), obs=parallax)

    with numpyro.plate("stars", n_stars):
        absolute_magnitude = numpyro.sample(
            "absolute_magnitude", dist.Normal((logtemps - logtemp0) * slope + offset, spread)
        )
        apparent_magnitude = numpyro.deterministic(
            "apparent_magnitude", absolute_magnitude + dist_mod[cluster_index]
        )

        flux = jnp.power(10, -(apparent_magnitude - mag0) / 2.5) * gain

        numpyro.sample("fluxcounts", dist.Poisson(flux), obs=fluxcounts)


def model(cluster_index, logtemps, parallax=None, fluxcounts=None):
    """The posterior of `as_written` in coordinates that NUTS samples well, see `_stars`."""
    main_sequence = _main_sequence()
    with numpyro.plate("clusters", np.unique(cluster_index).size):
        # ASSUME: flat in the cube root of the distance, p(d) ~ d^(-2/3) (published).
        root_dist = numpyro.sample("root_dist", Uniform(min_dist ** (1 / 3), max_dist ** (1 / 3)))
        distance = numpyro.deterministic("distance", root_dist**3)
        numpyro.sample("parallax", Normal(1 / distance, E_parallax), obs=parallax)
    _stars(main_sequence, distance[cluster_index], logtemps, fluxcounts)


def volume(cluster_index, logtemps, parallax=None, fluxcounts=None):
    """Clusters uniform in volume: flat in the cube of the distance, p(d) ~ d^2.

    The published text describes this prior; the published code has another.
    """
    main_sequence = _main_sequence()
    with numpyro.plate("clusters", np.unique(cluster_index).size):
        # ASSUME: clusters fill space evenly out to the largest distance, so most are far away.
        cube = numpyro.sample("volume", Uniform(min_dist**3, max_dist**3))
        distance = numpyro.deterministic("distance", jnp.cbrt(cube))
        numpyro.sample("parallax", Normal(1 / distance, E_parallax), obs=parallax)
    _stars(main_sequence, distance[cluster_index], logtemps, fluxcounts)


def recorded(cluster_index, logtemps, parallax=None, fluxcounts=None):
    """The model that simulated the data: small parallaxes are recorded as 0, others are rounded."""
    main_sequence = _main_sequence()
    with numpyro.plate("clusters", np.unique(cluster_index).size):
        root_dist = numpyro.sample("root_dist", Uniform(min_dist ** (1 / 3), max_dist ** (1 / 3)))
        distance = numpyro.deterministic("distance", root_dist**3)
        numpyro.sample("parallax", RecordedParallax(1 / distance), obs=parallax)
    _stars(main_sequence, distance[cluster_index], logtemps, fluxcounts)


def _main_sequence():
    # ASSUME: fainter when cooler; spread and offset are of the order of magnitudes.
    slope = numpyro.sample("slope", Uniform(-10, 0))
    offset = numpyro.sample("offset", Uniform(-10, 10))
    spread = numpyro.sample("spread", HalfNormal(2.5))
    return slope, offset, spread


def _stars(main_sequence, distance, logtemps, fluxcounts):
    """
    Observe the counts of the stars.

    n counts constrain the apparent magnitude to -2.5 log10(n / gain) + mag0, with a standard error
    of 1.09 / sqrt(n). For a bright star that is a hundred times smaller than the sd of the prior,
    and a sampler would need steps as small. So the latent site is z: the magnitude minus its mean
    given prior and counts, in units of its standard deviation, with both taken as Gaussians. This
    changes the coordinates and approximates nothing: z has the prior that follows from that of the
    magnitude, and the likelihood is the Poisson distribution. For a star without a count (share 0),
    z is the standardised magnitude of the prior.
    """
    slope, offset, spread = main_sequence
    distance_modulus = 5 * jnp.log10(distance / 10)
    expected = (logtemps - logtemp0) * slope + offset + distance_modulus
    counts = 0.0 if fluxcounts is None else fluxcounts
    counted = mag0 - 2.5 * jnp.log10(jnp.maximum(counts, 1) / gain)
    # The weight of the counts, relative to the prior, in the mean of the magnitude.
    share = counts / (counts + (2.5 / jnp.log(10) / spread) ** 2)
    centre = expected + share * (counted - expected)
    scale = spread * jnp.sqrt(1 - share)

    with numpyro.plate("stars", logtemps.size):
        z = numpyro.sample("z", Normal((expected - centre) / scale, spread / scale))
        apparent_magnitude = numpyro.deterministic("apparent_magnitude", centre + scale * z)
        numpyro.deterministic("absolute_magnitude", apparent_magnitude - distance_modulus)
        flux = gain * 10 ** (-(apparent_magnitude - mag0) / 2.5)
        numpyro.sample("fluxcounts", Poisson(flux), obs=fluxcounts)


class RecordedParallax(Distribution):
    """A parallax with a Gaussian error that is then rounded; 0 stands for any below the limit."""

    arg_constraints = {"true": constraints.real}  # noqa: RUF012 (so are NumPyro's)
    support = constraints.real

    def __init__(self, true, *, validate_args=None):
        self.true = true
        super().__init__(jnp.shape(true), validate_args=validate_args)

    def sample(self, key, sample_shape=()):
        """Return recorded parallaxes."""
        measured = Normal(self.true, E_parallax).sample(key, sample_shape)
        return jnp.where(
            measured > parallax_limit, jnp.round(measured / parallax_step) * parallax_step, 0.0
        )

    def log_prob(self, value):
        """Return the log probability that a measurement is recorded as `value`."""
        lowest = jnp.maximum(value - parallax_step / 2, parallax_limit)
        low = jnp.where(value > 0, lowest, -1.0)  # no measurement is below -1
        high = jnp.where(value > 0, value + parallax_step / 2, parallax_limit)
        low = (low - self.true) / E_parallax
        high = (high - self.true) / E_parallax
        # Use the lower tail, in which the difference does not cancel.
        is_upper = low > 0
        lower = jnp.where(is_upper, -high, low)
        upper = jnp.where(is_upper, -low, high)
        return log_ndtr(upper) + jnp.log1p(-jnp.exp(log_ndtr(lower) - log_ndtr(upper)))
