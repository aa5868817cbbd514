"""
The colour of a black body through two filters, its gradient, and the temperature of stars from it.

From "A Brief Introduction to NumPyro" by H. McDougall (2024), which uses it to show the gain from
compilation. Wavelengths are in micrometres, and beta = k T / (h c) in 1/micrometre: 0.4 for the
Sun.
"""

import jax
import numpyro
from blackbody import KELVIN, colour
from numpyro.distributions import LogUniform, Normal

LABELS = {"temperature": "temperature T", "beta": "beta = kT/hc", "g_r": "colour log10(g/r)"}
UNITS = {"temperature": "K", "beta": "1/µm", "g_r": "dex"}


def model(wavelength, g, r, error, g_r=None):
    """
    Temperatures of stars from their colours.

    wavelength (µm) and the responses g and r of two filters: shape (sample,); g_r, the measured
    colour (dex), and its error (dex): shape (star,).
    """
    # ASSUME: only the range of temperatures is known; each factor of two is equally likely.
    with numpyro.plate("star", len(error)):
        temperature = numpyro.sample("temperature", LogUniform(1500, 50000))
        beta = numpyro.deterministic("beta", temperature / KELVIN)
        numpyro.sample(
            "g_r", Normal(jax.vmap(lambda one: colour(one, wavelength, g, r))(beta), error), obs=g_r
        )
