"""
Predict: what data would the fitted model make, and how likely does it hold those that were made?

Reads data.nc, posterior.nc and the model. Writes predictive.nc with the groups `posterior_predictive`, `log_likelihood` (one value
per observation), `log_prior` (top-level latent sites), `test_statistics` (of the data and of the predictions, draw by draw),
and, for ArviZ, `observed_data`, `sample_stats` and the small sites of `posterior`: all for an evenly thinned part of the draws.
Where the study asks for predictions at new covariates, `predictions` has the observed and deterministic sites there, and
`predictions_constant_data` the covariates; the attribute `drawn_anew` of the first names latent sites that belong to new rows.
"""

import numpy as np
import xarray as xr

from posterity.artefact import groups as artefact_groups
from posterity.artefact import netcdf, provenance
from posterity.artefact.groups import thin
from posterity.runtime import device
from posterity.workflow.job import job

SMALL = 100  # sites of the posterior with at most this many scalars are repeated in predictive.nc


def predict(
    data: str, posterior: str, output: str, study: str, id: str, spec: dict, name: str, settings: dict, seed: int,
    precision: str, files: list[str], threads: int = 1,
) -> None:  # fmt: skip
    """
    Write predictions of the fit `name` of the model `id` to `output`.

    `settings` is `predict` of the study: `draws` (at most so many are used) and `at` (new covariates). Raises UserError for
    artefacts that do not belong together, and for covariates that the model does not have.
    """
    device.prepare(threads, precision)
    from posterity.model import bind, datasets
    from posterity.prediction import new_data, statistics
    from posterity.prediction import predict as prediction_predict

    source = netcdf.read(data, study=study)
    model_hash = provenance.hash_files(files)
    fit = netcdf.read(posterior, study=study, model=id, fit=name, data_hash=source.attrs["data_hash"], model_hash=model_hash)
    table = artefact_groups.group(source, "data")
    bound = bind.bind(id, spec, table)
    sample = artefact_groups.joint(fit, bound.names("latent"))
    step = max(1, -(-sample.sizes["chain"] * sample.sizes["draw"] // settings["draws"]))
    chosen = sample["draw"].values[::step]
    thinned = thin(sample, chosen)
    chains = thinned.sizes["chain"]
    latent = {
        site: thinned[site].transpose("chain", "draw", ...).values.reshape(-1, *bound.sites[site].shape)
        for site in bound.names("latent")
    }
    values = prediction_predict.posterior(bound, latent, seed, study, id, name, "predict")

    observed = datasets.observed_values(bound)
    replicated = {
        site: statistics.statistics(y, values["log_likelihood_predicted"][site]) for site, y in values["predicted"].items()
    }
    realised = {site: statistics.statistics(observed[site][None], values["log_likelihood"][site]) for site in replicated}

    groups = {
        group: prediction_predict.posterior_dataset(bound, values[group], chains, table)
        for group in ("log_likelihood", "log_prior")
    }
    for name_of, dataset in (("log likelihood", groups["log_likelihood"]), ("log prior density", groups["log_prior"])):
        for site, density in dataset.items():
            density.attrs = {"long_name": f"{name_of} of {site}", "units": ""}
    groups["posterior_predictive"] = prediction_predict.posterior_dataset(bound, values["predicted"], chains, table)
    groups["test_statistics"] = xr.Dataset(
        {
            f"{site}_{kind}": (("chain", "draw", "statistic"), both[site].reshape(chains, -1, len(statistics.STATISTICS)))
            for site in replicated
            for kind, both in (("replicated", replicated), ("observed", realised))
        },
        {"statistic": np.array(statistics.STATISTICS, dtype=object)},
    )
    if "at" in settings:
        where = f"config/studies/{study}.yaml: predict: at"
        there = new_data.place(id, spec, settings["at"], table, seed, where)
        values = new_data.elsewhere(there, latent, seed, study, id, name, "predict", "at")
        groups["predictions"] = prediction_predict.posterior_dataset(there.model, values, chains, there.covariates)
        groups["predictions"].attrs["drawn_anew"] = ", ".join(there.drawn)
        groups["predictions_constant_data"] = there.covariates
    groups |= datasets.data_groups(bound, table)
    having = [part for part in artefact_groups.posteriors(fit) if set(chosen) <= set(part["draw"].values)]
    small = [part[[site for site in part if part[site][0, 0].size <= SMALL]] for part in having]
    small = [thin(part, chosen) for part in small if part.data_vars]
    groups["posterior"] = xr.merge(small, join="exact", combine_attrs="drop_conflicts")
    if "sample_stats" in fit.children:
        groups["sample_stats"] = thin(artefact_groups.group(fit, "sample_stats"), chosen)
    attributes = provenance.provenance("predict", study, settings, seed, ("jax", "numpyro"), model=id, fit=name)
    attributes |= {
        "data_hash": fit.attrs["data_hash"],
        "model_hash": model_hash,
        "thinned_by": step,
        "device": device.description(),
    }
    netcdf.write(output, groups, attributes)


if __name__ == "__main__":
    with job(snakemake):
        predict(
            snakemake.input.data,
            snakemake.input.posterior,
            snakemake.output[0],
            **snakemake.params,
            files=list(snakemake.input.model),
            threads=snakemake.threads,
        )
