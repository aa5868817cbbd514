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

from posterity import artefact, device
from posterity.job import job

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
    from posterity import model, prediction

    source = artefact.read(data, study=study)
    model_hash = artefact.hash_files(files)
    fit = artefact.read(posterior, study=study, model=id, fit=name, data_hash=source.attrs["data_hash"], model_hash=model_hash)
    table = artefact.group(source, "data")
    bound = model.bind(id, spec, table)
    sample = artefact.joint(fit, bound.names("latent"))
    step = max(1, -(-sample.sizes["chain"] * sample.sizes["draw"] // settings["draws"]))
    chosen = sample["draw"].values[::step]
    thinned = thin(sample, chosen)
    chains = thinned.sizes["chain"]
    latent = {
        site: thinned[site].transpose("chain", "draw", ...).values.reshape(-1, *bound.sites[site].shape)
        for site in bound.names("latent")
    }
    values = prediction.posterior(bound, latent, seed, study, id, name, "predict")

    observed = model.observed_values(bound)
    replicated = {
        site: prediction.statistics(y, values["log_likelihood_predicted"][site]) for site, y in values["predicted"].items()
    }
    realised = {site: prediction.statistics(observed[site][None], values["log_likelihood"][site]) for site in replicated}

    groups = {group: prediction.posterior_dataset(bound, values[group], chains, table) for group in ("log_likelihood", "log_prior")}
    for name_of, dataset in (("log likelihood", groups["log_likelihood"]), ("log prior density", groups["log_prior"])):
        for site, density in dataset.items():
            density.attrs = {"long_name": f"{name_of} of {site}", "units": ""}
    groups["posterior_predictive"] = prediction.posterior_dataset(bound, values["predicted"], chains, table)
    groups["test_statistics"] = xr.Dataset(
        {
            f"{site}_{kind}": (("chain", "draw", "statistic"), both[site].reshape(chains, -1, len(prediction.STATISTICS)))
            for site in replicated
            for kind, both in (("replicated", replicated), ("observed", realised))
        },
        {"statistic": np.array(prediction.STATISTICS, dtype=object)},
    )
    if "at" in settings:
        where = f"config/studies/{study}.yaml: predict: at"
        there = prediction.place(id, spec, settings["at"], table, seed, where)
        values = prediction.elsewhere(there, latent, seed, study, id, name, "predict", "at")
        groups["predictions"] = prediction.posterior_dataset(there.model, values, chains, there.covariates)
        groups["predictions"].attrs["drawn_anew"] = ", ".join(there.drawn)
        groups["predictions_constant_data"] = there.covariates
    groups |= model.data_groups(bound, table)
    having = [part for part in artefact.posteriors(fit) if set(chosen) <= set(part["draw"].values)]
    small = [part[[site for site in part if part[site][0, 0].size <= SMALL]] for part in having]
    small = [thin(part, chosen) for part in small if part.data_vars]
    groups["posterior"] = xr.merge(small, join="exact", combine_attrs="drop_conflicts")
    if "sample_stats" in fit.children:
        groups["sample_stats"] = thin(artefact.group(fit, "sample_stats"), chosen)
    attributes = artefact.provenance("predict", study, settings, seed, ("jax", "numpyro"), model=id, fit=name)
    attributes |= {
        "data_hash": fit.attrs["data_hash"],
        "model_hash": model_hash,
        "thinned_by": step,
        "device": device.description(),
    }
    artefact.write(output, groups, attributes)


def thin(draws: xr.Dataset, chosen: np.ndarray) -> xr.Dataset:
    """Keep these draws of each chain, counted anew."""
    kept = draws.sel(draw=chosen)
    return kept.assign_coords(draw=np.arange(kept.sizes["draw"]))


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
