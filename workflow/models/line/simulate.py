"""Simulated points on a straight line, with error bars whose sizes are Poisson numbers."""

import numpy as np
import xarray as xr


def simulate(
    rng: np.random.Generator, truth: dict, design: dict
) -> xr.Dataset | tuple[xr.Dataset, xr.Dataset]:
    """
    Simulate `design["n"]` points at x from 0 to 10, with errors of mean size `design["error"]`.

    The sizes are Poisson(`scatter`) / `scatter` * `error`. `legacy_seed` selects NumPy's legacy
    generator, in the order of the published code, and so gives the published 32 points to the digit
    (McDougall 2023; seed 123). `x_error` adds errors in x, whose sizes are Rayleigh numbers of that
    scale; their random numbers follow those of y. The true x are then returned as a second dataset.
    """
    if "legacy_seed" in design:
        rng = np.random.RandomState(design["legacy_seed"])
    x = np.linspace(0, 10, design["n"])
    e = rng.poisson(design["scatter"], size=x.size) / design["scatter"] * design["error"]
    y = truth["m"] * x + truth["c"] + e * rng.normal(size=x.size)
    if "x_error" in design:
        e_x = (
            np.sqrt(rng.normal(size=x.size) ** 2 + rng.normal(size=x.size) ** 2) * design["x_error"]
        )
        measured = x + rng.normal(size=x.size) * e_x
        columns = {"x": measured, "y": y, "e": e, "e_x": e_x}
        return xr.Dataset(
            {name: ("point", values) for name, values in columns.items()}
        ), xr.Dataset({"x_true": ("point", x)})
    return xr.Dataset({"x": ("point", x), "y": ("point", y), "e": ("point", e)})
