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

from posterity.artefact.groups import align_draws, get_group, list_draw_groups, thin_draws
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.artefact.provenance import collect_provenance, hash_files
from posterity.runtime.device import configure_jax, describe_device
from posterity.runtime.rng import Stream
from posterity.workflow.job import run_job

SMALL = 100  # sites of the posterior with at most this many scalars are repeated in predictive.nc


def predict(
    data: str, posterior: str, output: str, study: str, model: str, model_spec: dict, fit: str, settings: dict, seed: int,
    float_type: str, model_files: list[str], threads: int = 1,
) -> None:  # fmt: skip
    """
    Write predictions of the fit `fit` of the model `model` to `output`.

    `settings` is `predict` of the study: `draws` (at most so many are used) and `at` (new covariates). Raises UserError for
    artefacts that do not belong together, and for covariates that the model does not have.
    """
    configure_jax(threads, float_type)
    from posterity.model.bind import bind_model
    from posterity.model.datasets import get_observed_values, make_data_groups
    from posterity.prediction.new_data import bind_new_data, predict_new_data
    from posterity.prediction.predict import make_draws_dataset, predict_posterior
    from posterity.prediction.statistics import TEST_STATISTICS, compute_test_statistics

    source = read_artefact(data, study=study)
    model_hash = hash_files(model_files)
    tree = read_artefact(
        posterior,
        study=study,
        model=model,
        fit=fit,
        data_hash=source.attrs["data_hash"],
        model_hash=model_hash,
    )
    table = get_group(source, "data")
    bound = bind_model(model, model_spec, table)
    sample = align_draws(tree, bound.site_names("latent"))
    step = max(1, -(-sample.sizes["chain"] * sample.sizes["draw"] // settings["draws"]))
    chosen = sample["draw"].values[::step]
    thinned = thin_draws(sample, chosen)
    chains = thinned.sizes["chain"]
    latent = {
        site: thinned[site]
        .transpose("chain", "draw", ...)
        .values.reshape(-1, *bound.sites[site].shape)
        for site in bound.site_names("latent")
    }
    values = predict_posterior(bound, latent, Stream(seed, (study, model, fit, "predict")))

    observed = get_observed_values(bound)
    replicated = {
        site: compute_test_statistics(y, values["log_likelihood_predicted"][site])
        for site, y in values["predicted"].items()
    }
    realised = {
        site: compute_test_statistics(observed[site][None], values["log_likelihood"][site])
        for site in replicated
    }

    groups = {
        group: make_draws_dataset(bound, values[group], chains, table)
        for group in ("log_likelihood", "log_prior")
    }
    for name_of, dataset in (
        ("log likelihood", groups["log_likelihood"]),
        ("log prior density", groups["log_prior"]),
    ):
        for site, density in dataset.items():
            density.attrs = {"long_name": f"{name_of} of {site}", "units": ""}
    groups["posterior_predictive"] = make_draws_dataset(bound, values["predicted"], chains, table)
    groups["test_statistics"] = xr.Dataset(
        {
            f"{site}_{kind}": (
                ("chain", "draw", "statistic"),
                both[site].reshape(chains, -1, len(TEST_STATISTICS)),
            )
            for site in replicated
            for kind, both in (("replicated", replicated), ("observed", realised))
        },
        {"statistic": np.array(TEST_STATISTICS, dtype=object)},
    )
    if "at" in settings:
        where = f"config/studies/{study}.yaml: predict: at"
        there = bind_new_data(model, model_spec, settings["at"], table, seed, where)
        values = predict_new_data(there, latent, Stream(seed, (study, model, fit, "predict", "at")))
        groups["predictions"] = make_draws_dataset(there.model, values, chains, there.covariates)
        groups["predictions"].attrs["resampled_sites"] = ", ".join(there.drawn)
        groups["predictions_constant_data"] = there.covariates
    groups |= make_data_groups(bound, table)
    having = [part for part in list_draw_groups(tree) if set(chosen) <= set(part["draw"].values)]
    small = [part[[site for site in part if part[site][0, 0].size <= SMALL]] for part in having]
    small = [thin_draws(part, chosen) for part in small if part.data_vars]
    groups["posterior"] = xr.merge(small, join="exact", combine_attrs="drop_conflicts")
    if "sample_stats" in tree.children:
        groups["sample_stats"] = thin_draws(get_group(tree, "sample_stats"), chosen)
    attributes = collect_provenance(
        "predict", study, settings, seed, ("jax", "numpyro"), model=model, fit=fit
    )
    attributes |= {
        "data_hash": tree.attrs["data_hash"],
        "model_hash": model_hash,
        "thin": step,
        "device": describe_device(),
    }
    write_artefact(output, groups, attributes)


if __name__ == "__main__":
    with run_job(snakemake):
        predict(
            snakemake.input.data,
            snakemake.input.posterior,
            snakemake.output[0],
            **snakemake.params,
            model_files=list(snakemake.input.model),
            threads=snakemake.threads,
        )
