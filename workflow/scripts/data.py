"""
Make the data of a study: read a table, or simulate.

Reads the table that the study names, or the model that simulates. Writes data.nc with the groups
`data` (one variable per quantity, with units) and `truth` (the true values of a simulation, by
site; empty for real data).
"""

from typing import Any

from posterity.artefact.netcdf import write_artefact
from posterity.artefact.provenance import collect_provenance, hash_dataset
from posterity.data.load import load_data
from posterity.workflow.job import run_job

PACKAGES = ("numpy", "pandas", "xarray", "netCDF4", "astropy", "pyarrow")


def data(
    output: str,
    study: str,
    spec: dict[str, Any] | str,
    model: dict[str, Any] | None,
    float_type: str,
    threads: int = 1,
) -> None:
    """
    Write the data of a study.

    Parameters
    ----------
    output : str
        Path of data.nc.
    study : str
        Id of the study.
    spec : dict or "none"
        `data` of the study: a file, a simulation, or "none".
    model : dict or None
        The entry of the model that simulates. None if no model does.
    float_type : str
        `float64` or `float32`.
    threads : int
        Number of threads of a simulation.

    Raises
    ------
    UserError
        If the table or the simulation has an error.
    """
    values, truth, source = load_data(study, spec, model, float_type, threads)
    seed = 0
    if isinstance(spec, dict) and "simulate" in spec:
        seed = spec["simulate"]["seed"]
    attributes = collect_provenance("data", study, {"data": spec}, seed, PACKAGES)
    attributes |= {"data_hash": hash_dataset(values), "source": source}
    write_artefact(output, {"data": values, "truth": truth}, attributes)


if __name__ == "__main__":
    with run_job(snakemake):
        data(
            snakemake.output[0],
            snakemake.wildcards.study,
            **snakemake.params,
            threads=snakemake.threads,
        )
