"""
Make a study's data: read a table, or simulate.

Reads the table that the study names, or the model that it simulates. Writes data.nc with the groups `data` (one variable per
quantity, with units) and `truth` (the true values of a simulation, by site; empty for real data).
"""

from posterity.artefact.netcdf import write_artefact
from posterity.artefact.provenance import collect_provenance, hash_dataset
from posterity.data.load import load_data
from posterity.workflow.job import run_job


def data(
    output: str, study: str, spec: dict | str, model: dict | None, float_type: str, threads: int = 1
) -> None:
    """
    Write the data of a study to `output`.

    `spec` is `data` of the study file: "none", a file or a simulation; `model` is the model entry that a simulation runs.
    Raises UserError for a table or a simulation that cannot be made.
    """
    values, truth, source = load_data(study, spec, model, float_type, threads)
    seed = spec["simulate"]["seed"] if "simulate" in spec else 0
    attributes = collect_provenance(
        "data",
        study,
        {"data": spec},
        seed,
        ("numpy", "pandas", "xarray", "netCDF4", "astropy", "pyarrow"),
    )
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
