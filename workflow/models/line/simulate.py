"""Points on a straight line, with error bars whose sizes are Poisson numbers."""

import numpy as np
import xarray as xr


def simulate(rng: np.random.Generator, truth: dict, design: dict) -> xr.Dataset:
    """
    Simulate `design["n"]` points at x from 0 to 10, with errors of mean size `design["error"]`.

    The sizes are Poisson(`scatter`) / `scatter` * `error`. With `legacy_seed` NumPy's legacy generator is used, in the order of
    the published page, which gives its 32 points to the digit (McDougall 2023; seed 123).
    """
    if "legacy_seed" in design:
        rng = np.random.RandomState(design["legacy_seed"])
    x = np.linspace(0, 10, design["n"])
    e = rng.poisson(design["scatter"], size=x.size) / design["scatter"] * design["error"]
    y = truth["m"] * x + truth["c"] + e * rng.normal(size=x.size)
    return xr.Dataset({"x": ("point", x), "y": ("point", y), "e": ("point", e)})
