"""Tables and sources that the tests of the data checks share."""

import numpy as np
import xarray as xr

ROWS = 24
REGRESSION = """
def model({arguments}, y=None):
    a = numpyro.sample("a", dist.Normal(0, 1))
    b = numpyro.sample("b", dist.Normal(0, 1))
    s = numpyro.sample("s", dist.HalfNormal(1))
    {statement}
    numpyro.sample("y", {distribution}, obs=y)
"""


def make_table(**columns) -> xr.Dataset:
    """A table whose rows are counted from 1."""
    rows = len(next(iter(columns.values())))
    variables = {name: ("case", np.asarray(values)) for name, values in columns.items()}
    return xr.Dataset(variables, {"row": ("case", np.arange(1, rows + 1))})


def make_regression(distribution: str, arguments: str = "x", statement: str = "pass") -> str:
    """The source of a model with latent a, b and s."""
    return REGRESSION.format(distribution=distribution, arguments=arguments, statement=statement)
