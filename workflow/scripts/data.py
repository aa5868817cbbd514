"""
Make a study's data: read a table, or simulate.

Reads the table that the study names, or the model that it simulates. Writes data.nc with the groups `data` (one variable per
quantity, with units) and `truth` (the true values of a simulation, by site; empty for real data).
"""

from posterity.artefact import netcdf, provenance
from posterity.data.load import read_or_simulate
from posterity.workflow.job import job


def data(output: str, study: str, spec: dict | str, model: dict | None, precision: str, threads: int = 1) -> None:
    """
    Write the data of a study to `output`.

    `spec` is `data` of the study file: "none", a file or a simulation; `model` is the model entry that a simulation runs.
    Raises UserError for a table or a simulation that cannot be made.
    """
    values, truth, source = read_or_simulate(study, spec, model, precision, threads)
    seed = spec["simulate"]["seed"] if "simulate" in spec else 0
    attributes = provenance.provenance(
        "data", study, {"data": spec}, seed, ("numpy", "pandas", "xarray", "netCDF4", "astropy", "pyarrow")
    )
    attributes |= {"data_hash": provenance.hash_dataset(values), "source": source}
    netcdf.write(output, {"data": values, "truth": truth}, attributes)


if __name__ == "__main__":
    with job(snakemake):
        data(snakemake.output[0], snakemake.wildcards.study, **snakemake.params, threads=snakemake.threads)
