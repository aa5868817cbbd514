"""Simulated colours of stars, and the colour of black bodies with its gradient."""

import jax
import numpy as np
import pandas as pd
import xarray as xr
from blackbody import KELVIN, colours, colours_and_slopes


def simulate(rng: np.random.Generator, truth: dict, design: dict) -> xr.Dataset:
    """
    Simulate the measured colours of stars, which are black bodies.

    There is one star for each temperature (K) in `truth`. The error of a colour is
    `design["error"]` (dex).

    `design["filters"]` is a table with the columns wavelength, g, r and i. `design["beta"]` holds
    the decimal exponents of the first and last beta of the curve of colours, and their number.
    """
    jax.config.update("jax_enable_x64", True)
    filters = pd.read_csv(design["filters"])
    bands = [filters[name].to_numpy() for name in ("wavelength", "g", "r")]
    exact = np.asarray(colours(np.array(truth["temperature"], float) / KELVIN, *bands))
    error = np.full(exact.size, float(design["error"]))
    beta = np.logspace(*design["beta"])
    curve, slope = (np.asarray(values) for values in colours_and_slopes(beta, *bands))
    return xr.Dataset(
        {name: ("sample", filters[name].to_numpy()) for name in ("wavelength", "g", "r", "i")}
        | {"g_r": ("star", exact + error * rng.normal(size=exact.size)), "error": ("star", error)}
        | {"beta": ("curve", beta), "colour": ("curve", curve), "slope": ("curve", slope)}
    )
