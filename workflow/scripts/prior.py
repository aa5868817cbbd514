"""
Draw from a model's prior, before any data are looked at.

Reads data.nc and the model. Writes prior.nc with the groups `prior` and `prior_predictive` (dimensions chain, draw),
`observed_data` and `constant_data`. The model's graph, in the DOT language, is the attribute `graph`. An improper prior has no
draws: then the first two groups are empty, and the attribute `improper` names its sites.
"""

from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.artefact.provenance import collect_provenance, hash_files
from posterity.runtime.device import configure_jax, describe_device
from posterity.runtime.rng import Stream
from posterity.workflow.job import run_job


def prior(
    data: str,
    output: str,
    study: str,
    model: str,
    model_spec: dict,
    draws: int,
    seed: int,
    float_type: str,
    model_files: list[str],
    threads: int = 1,
) -> None:
    """
    Write `draws` prior and prior predictive draws of the model `model` (its entry in the study: `model_spec`, its `model_files`) to `output`.

    Raises UserError for faults of the model, and of the data as the model sees them.
    """
    configure_jax(threads, float_type)
    from posterity.model.bind import bind_model
    from posterity.model.datasets import make_data_groups
    from posterity.model.dependencies import render_graph
    from posterity.model.preflight import check_model
    from posterity.prediction.predict import make_draws_dataset, sample_prior

    tree = read_artefact(data, study=study)
    table = get_group(tree, "data")
    bound = bind_model(model, model_spec, table)
    check_model(bound, table, tree.attrs["source"])
    values = (
        {}
        if bound.improper_sites
        else sample_prior(bound, draws, Stream(seed, (study, model, "prior")))
    )
    observed = {name: values.pop(name) for name in bound.site_names("observed") if name in values}
    groups = {
        "prior": make_draws_dataset(bound, values, 1, table),
        "prior_predictive": make_draws_dataset(bound, observed, 1, table),
        **make_data_groups(bound, table),
    }
    attributes = collect_provenance(
        "prior", study, {"draws": draws}, seed, ("jax", "numpyro"), model=model
    )
    attributes |= {
        "model_hash": hash_files(model_files),
        "improper": ", ".join(bound.improper_sites),
    }
    attributes |= {
        "graph": render_graph(bound),
        "data_hash": tree.attrs["data_hash"],
        "device": describe_device(),
    }
    write_artefact(output, groups, attributes)


if __name__ == "__main__":
    with run_job(snakemake):
        prior(
            snakemake.input.data,
            snakemake.output[0],
            **snakemake.params,
            model_files=list(snakemake.input.model),
            threads=snakemake.threads,
        )
