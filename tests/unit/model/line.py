"""A straight line and a table, which the tests of models share."""

import xarray as xr

LINE = """
def model(X, Y, E):
    m = numpyro.sample("m", dist.Uniform(-5, 5))
    c = numpyro.sample("c", dist.Uniform(-10, 10))
    with numpyro.plate("data", len(X)):
        numpyro.sample("y", dist.Normal(m * X + c, E), obs=Y)
"""
TABLE = xr.Dataset(
    {
        "X": ("point", [0.0, 1.0, 2.0]),
        "Y": ("point", [1.0, 3.0, 5.0], {"units": "m"}),
        "E": ("point", [0.5, 0.5, 1.0]),
    },
    {"point": [0, 1, 2], "row": ("point", [4, 5, 7])},
)
