"""The colour of black bodies through two filters, and its gradient."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

KELVIN = 14387.768775039337  # h c / k in µm K (SI, exact by definition): T = KELVIN * beta
BLOCK = 1024  # betas per block; their intermediate results fit into the cache of the processor

LN2_HEAD = 0.693147180369123816490  # ln 2 in two parts; k * LN2_HEAD is exact
LN2_TAIL = 1.90821492927058770002e-10
ROUND = 1.5 * 2.0**52  # x + ROUND has the integer nearest to x in its last bits
# Coefficients of the series of exp(r) - 1. Higher orders do not matter for |r| < ln 2 / 2.
SERIES = [1 / math.factorial(n) for n in range(1, 14)]


@jax.custom_jvp
def occupation(x):
    """
    Return 1 / (exp(x) - 1), the mean number of photons of energy x (in k T), in float64.

    The result has full precision for all x > 0.

    exp(x) - 1 loses digits if x is small, and XLA's expm1 makes colours 50 % slower. With x = k ln
    2 + r, exp(x) - 1 is 2^k (exp(r) - 1) + (2^k - 1). Beyond x = 709, where exp(x) overflows, the
    result is 0.
    """
    shifted = x * (1 / math.log(2)) + ROUND
    k = shifted - ROUND
    r = (x - k * LN2_HEAD) - k * LN2_TAIL
    series = jnp.full_like(x, SERIES[-1])
    for term in SERIES[-2::-1]:
        series = series * r + term
    power = jax.lax.bitcast_convert_type(
        (jax.lax.bitcast_convert_type(shifted, jnp.int64) + 1023) << 52, jnp.float64
    )
    return jnp.where(x < 709, 1 / (power * (series * r) + (power - 1)), 0)


@occupation.defjvp
def _slope_of_occupation(primals, tangents):
    number = occupation(*primals)
    return number, -number * (1 + number) * tangents[0]


def colour(beta, wavelength, above, below):
    """
    Return log10 of the ratio of the fluxes through the filters `above` and `below`, for one beta.

    The wavelengths are evenly spaced.

    The spectrum is lambda^-2 / (exp(1 / (lambda beta)) - 1), up to a factor.
    """
    inverse = 1 / wavelength
    fluxes = (jnp.stack([above, below]) * (inverse**2)[None, :]) @ occupation(inverse * (1 / beta))
    # The gradient of a ratio has a square, which may underflow in float64.
    return jnp.log10(fluxes[0]) - jnp.log10(fluxes[1])


def colours(betas, wavelength, above, below):
    """Return the colours of many betas, computed in blocks."""
    return _mapped(False, betas, *_seen(wavelength, above, below))


def colours_and_slopes(betas, wavelength, above, below):
    """Return the colours of many betas and their derivatives (automatic differentiation)."""
    return _mapped(True, betas, *_seen(wavelength, above, below))


@partial(jax.jit, static_argnums=0)
def _mapped(slopes, betas, *bands):
    def one(beta):
        if slopes:
            return jax.jvp(lambda beta: colour(beta, *bands), (beta,), (jnp.ones_like(beta),))
        return colour(beta, *bands)

    return jax.lax.map(one, betas, batch_size=BLOCK)


def _seen(wavelength, above, below):
    """Return wavelengths and filters without wavelengths that neither filter transmits."""
    seen = (np.asarray(above) != 0) | (np.asarray(below) != 0)
    return [np.asarray(one)[seen] for one in (wavelength, above, below)]
