"""
A rating curve: the discharge Q of a river as a power of its stage (water level) H.

Q = a H^b, fitted in log space: log Q = log a + b log H. With an offset, Q = a (H - h0)^b, where h0
is the stage of zero flow, which need not be the zero of the gauge. The exponent of Manning's
equation for a wide channel is 5/3.
"""

import jax.numpy as jnp
import numpyro
from numpyro.distributions import HalfNormal, LogNormal, Normal, TruncatedNormal

LABELS = {
    "log_a": "log a, of a in m³/s",
    "a": "factor a",
    "b": "exponent b",
    "h0": "zero flow h0",
    "sigma": "scatter sigma",
    "discharge": "discharge Q of the curve",
    "q": "discharge Q",
}
UNITS = {"a": "m³/s", "h0": "m", "discharge": "m³/s"}

# ASSUME: the river flows at the lowest stage of the gaugings (m), so h0 lies below it.
LOWEST = 0.79


def _gaugings(depth, e, q):
    # ASSUME: 5 to 2,000 m³/s at a stage of 1 m, in a channel (b = 5/3) of unknown shape.
    log_a = numpyro.sample("log_a", Normal(jnp.log(100.0), 1.5))
    b = numpyro.sample("b", Normal(5 / 3, 0.5))
    # ASSUME: gaugings scatter about the curve by up to tens of per cent beyond their errors.
    sigma = numpyro.sample("sigma", HalfNormal(0.2))
    numpyro.deterministic("a", jnp.exp(log_a))
    with numpyro.plate("gauging", len(depth)):
        log_q = log_a + b * jnp.log(depth)
        numpyro.deterministic("discharge", jnp.exp(log_q))
        numpyro.sample("q", LogNormal(log_q, jnp.sqrt(sigma**2 + e**2)), obs=q)


def model(h, e, q=None):
    """
    Q = a H^b: zero flow at stage zero.

    h: stage (m); e: relative error of the discharge, which is the error of log Q; q: discharge
    (m³/s). All have the shape (gauging,).
    """
    _gaugings(h, e, q)


def offset(h, e, q=None):
    """Q = a (H - h0)^b: zero flow at a stage h0 below all gaugings."""
    # ASSUME: the zero of the gauge is within a metre or two of the stage of zero flow.
    h0 = numpyro.sample("h0", TruncatedNormal(0, 1, high=LOWEST))
    _gaugings(h - h0, e, q)
