"""
Draw from a model's prior, before any data are looked at.

Reads data.nc and the model. Writes prior.nc with the groups `prior` and `prior_predictive` (dimensions chain, draw),
`observed_data` and `constant_data`. The model's graph, in the DOT language, is the attribute `graph`. An improper prior has no
draws: then the first two groups are empty, and the attribute `improper` names its sites.
"""

from posterity.artefact import groups as artefact_groups
from posterity.artefact import netcdf, provenance
from posterity.runtime import device
from posterity.workflow.job import job


def prior(
    data: str,
    output: str,
    study: str,
    id: str,
    spec: dict,
    draws: int,
    seed: int,
    precision: str,
    files: list[str],
    threads: int = 1,
) -> None:
    """
    Write `draws` prior and prior predictive draws of the model `id` (its entry in the study: `spec`, its `files`) to `output`.

    Raises UserError for faults of the model, and of the data as the model sees them.
    """
    device.prepare(threads, precision)
    from posterity.model import bind, datasets, dependencies, preflight
    from posterity.prediction import predict

    tree = netcdf.read(data, study=study)
    table = artefact_groups.group(tree, "data")
    bound = bind.bind(id, spec, table)
    preflight.check(bound, table, tree.attrs["source"])
    values = {} if bound.improper else predict.prior(bound, draws, seed, study, id, "prior")
    observed = {name: values.pop(name) for name in bound.names("observed") if name in values}
    groups = {
        "prior": predict.posterior_dataset(bound, values, 1, table),
        "prior_predictive": predict.posterior_dataset(bound, observed, 1, table),
        **datasets.data_groups(bound, table),
    }
    attributes = provenance.provenance("prior", study, {"draws": draws}, seed, ("jax", "numpyro"), model=id)
    attributes |= {"model_hash": provenance.hash_files(files), "improper": ", ".join(bound.improper)}
    attributes |= {"graph": dependencies.graph(bound), "data_hash": tree.attrs["data_hash"], "device": device.description()}
    netcdf.write(output, groups, attributes)


if __name__ == "__main__":
    with job(snakemake):
        prior(
            snakemake.input.data,
            snakemake.output[0],
            **snakemake.params,
            files=list(snakemake.input.model),
            threads=snakemake.threads,
        )
