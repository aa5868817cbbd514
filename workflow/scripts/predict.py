"""
Predict from the posterior draws of a fit.

Reads data.nc, posterior.nc and the model. Writes predictive.nc, for an evenly thinned part of the
draws: `posterior_predictive`, `log_likelihood` (one value per observation), `log_prior` (of the
hyperparameters), `test_statistics` (of the residuals), `prior_conflict` (how far the posterior lies
in the tails of the prior), `loo` (leave-one-out cross-validation), and, for ArviZ, `observed_data`,
`constant_data`, `sample_stats` and the small sites of `posterior`. If the study sets new
covariates, `predictions` has the observed and deterministic sites there, and
`predictions_constant_data` the covariates. The attribute `resampled_sites` of `predictions` names
latent sites that belong to new rows.
"""

from typing import Any

from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.artefact.provenance import collect_provenance, hash_files
from posterity.config.stage import ComputeSettings, ModelSource, StageIds
from posterity.runtime.device import configure_jax, describe_device
from posterity.workflow.job import run_job


def predict(
    data: str, posterior: str, output: str, ids: StageIds, model: ModelSource,
    settings: dict[str, Any], compute: ComputeSettings,
) -> None:  # fmt: skip
    """
    Write predictions of a fit.

    Parameters
    ----------
    data, posterior, output : str
        Paths of data.nc, posterior.nc and predictive.nc.
    ids : StageIds
        Ids of study, model and fit.
    model : ModelSource
        The model.
    settings : dict
        `predict` of the study: `draws` (the largest number used) and `at` (new covariates).
    compute : ComputeSettings
        Seed, float type and threads.

    Raises
    ------
    UserError
        If the artefacts do not belong together, or the model lacks a covariate.
    """
    configure_jax(compute.threads, compute.float_type)
    from posterity.prediction.groups import predict_groups

    source = read_artefact(data, study=ids.study)
    hashes = {"data_hash": source.attrs["data_hash"], "model_hash": hash_files(model.files)}
    expected = ids.attributes | hashes
    fit = read_artefact(posterior, attributes_only=False, **expected)
    where = f"config/studies/{ids.study}.yaml: predict: at"
    stream = ids.stream(compute.seed).child("predict")
    table = get_group(source, "data")
    groups, notes = predict_groups(ids.model, model.spec, table, fit, settings, stream, where)
    packages = ("jax", "numpyro", "arviz")
    attributes = collect_provenance(
        "predict", settings=settings, seed=compute.seed, packages=packages, **ids.attributes
    )
    write_artefact(output, groups, attributes | hashes | notes | {"device": describe_device()})


if __name__ == "__main__":
    with run_job(snakemake):
        params = snakemake.params
        predict(
            snakemake.input.data,
            snakemake.input.posterior,
            snakemake.output[0],
            StageIds(params.study, params.model, params.fit),
            ModelSource(params.model_spec, list(snakemake.input.model)),
            params.settings,
            ComputeSettings(params.seed, params.float_type, snakemake.threads),
        )
