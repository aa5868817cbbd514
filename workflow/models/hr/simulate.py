"""Simulated photon counts and parallaxes of clusters of stars with one main sequence."""

import numpy as np
import xarray as xr
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


def simulate(rng: np.random.Generator, truth: dict, design: dict) -> tuple[xr.Dataset, xr.Dataset]:
    """
    Simulate clusters of stars; return the data, and the true distances and magnitudes.

    There are `design["clusters"]` clusters of `fewest` + Poisson(`more`) stars, with log T ~
    N(`logtemp`, `logtemp_sd`).

    The cube root of a distance is uniform, as in the published prior. A measured parallax of 0.05
    arcsec or less is recorded as 0, the others in multiples of 0.025 arcsec.
    """
    n = design["clusters"]
    distance = rng.uniform(min_dist ** (1 / 3), max_dist ** (1 / 3), n) ** 3
    cluster_index = np.repeat(np.arange(n), design["fewest"] + rng.poisson(design["more"], n))
    logtemps = rng.normal(design["logtemp"], design["logtemp_sd"], cluster_index.size)
    absolute = rng.normal((logtemps - logtemp0) * truth["slope"] + truth["offset"], truth["spread"])
    apparent = absolute + 5 * np.log10(distance / 10)[cluster_index]
    fluxcounts = rng.poisson(gain * 10 ** (-(apparent - mag0) / 2.5))
    measured = rng.normal(1 / distance, E_parallax)
    parallax = np.where(
        measured > parallax_limit, np.round(measured / parallax_step) * parallax_step, 0.0
    )
    data = {"cluster_index": ("star", cluster_index), "logtemps": ("star", logtemps)}
    data |= {"parallax": ("cluster", parallax), "fluxcounts": ("star", fluxcounts)}
    drawn = {"distance": ("cluster", distance), "absolute_magnitude": ("star", absolute)}
    return xr.Dataset(data), xr.Dataset(drawn)
