"""
Draw from the prior of a model, before it is fitted to the data.

Reads data.nc and the model. Writes prior.nc with the groups `prior` and `prior_predictive`
(dimensions chain, draw), `observed_data`, `constant_data`, `data_checks` (what the checks of the
table find) and `precision` (the rounding error of float32). The attribute `graph` is the graph of
the model in the DOT language. An improper prior has no draws: then the first two groups are empty,
and the attribute `improper` names its sites.
"""

from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.artefact.provenance import collect_provenance, hash_files
from posterity.config.stage import ComputeSettings, ModelSource, StageIds
from posterity.runtime.device import configure_jax, describe_device
from posterity.workflow.job import run_job


def prior(
    data: str, output: str, ids: StageIds, model: ModelSource, draws: int, compute: ComputeSettings
) -> None:
    """
    Write prior and prior predictive draws of a model.

    Parameters
    ----------
    data, output : str
        Paths of data.nc and prior.nc.
    ids : StageIds
        Ids of study and model.
    model : ModelSource
        The model.
    draws : int
        Number of draws.
    compute : ComputeSettings
        Seed, float type and threads.

    Raises
    ------
    UserError
        If the model has an error, or does not fit the data.
    """
    configure_jax(compute.threads, compute.float_type)
    from posterity.model.bind import bind_model
    from posterity.model.dependencies import render_graph
    from posterity.model.preflight import check_model
    from posterity.prediction.predict import make_prior_groups
    from posterity.prediction.prior_checks import make_check_groups

    tree = read_artefact(data, study=ids.study)
    table = get_group(tree, "data")
    bound = bind_model(ids.model, model.spec, table)
    check_model(bound, table, tree.attrs["source"])
    groups = make_prior_groups(bound, draws, ids.stream(compute.seed).child("prior"), table)
    groups |= make_check_groups(bound, table, tree.attrs["source"])
    packages = ("jax", "numpyro")
    attributes = collect_provenance(
        "prior", settings={"draws": draws}, seed=compute.seed, packages=packages, **ids.attributes
    )
    attributes |= {
        "model_hash": hash_files(model.files),
        "improper": ", ".join(bound.improper_sites),
        "graph": render_graph(bound),
        "data_hash": tree.attrs["data_hash"],
        "device": describe_device(),
    }
    write_artefact(output, groups, attributes)


if __name__ == "__main__":
    with run_job(snakemake):
        params = snakemake.params
        prior(
            snakemake.input.data,
            snakemake.output[0],
            StageIds(params.study, params.model),
            ModelSource(params.model_spec, list(snakemake.input.model)),
            params.draws,
            ComputeSettings(params.seed, params.float_type, snakemake.threads),
        )
