"""
Fit a straight line by PyMC and nutpie; save the draws by ArviZ.

    python pymc_line.py <data.nc of the study line> <output.nc>
"""

import sys

import nutpie
import pymc as pm
import xarray as xr

data = xr.open_dataset(sys.argv[1], group="data", engine="netcdf4")
with pm.Model() as model:
    m = pm.Uniform("m", -5, 5)
    c = pm.Uniform("c", -10, 10)
    pm.Normal("y", m * data["x"].values + c, data["e"].values, observed=data["y"].values)
compiled = nutpie.compile_pymc_model(model)
trace = nutpie.sample(compiled, draws=5000, tune=500, chains=4, seed=1, progress_bar=False)
trace.to_netcdf(sys.argv[2])
