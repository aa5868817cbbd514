"""
Fit a model to the data by one method.

Reads data.nc and the model. Writes posterior.nc with the groups `posterior` and `sample_stats` (dimensions chain, draw), or `point`
for a point estimate, `optimisation` for a method that optimises, `guide` for a guide of the user's own, `observed_data` and
`constant_data`, in ArviZ's schema; and, where the fit's `store` wants it, `posterior_thinned_<k>` and `posterior_summary`. Which
method, and its settings, come from the study's `fits`; a method is a module of posterity.methods.
"""

import importlib
import time

from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.artefact.provenance import collect_provenance, hash_files, hash_values
from posterity.artefact.streamed import StreamedArray
from posterity.runtime.device import configure_jax, describe_device
from posterity.runtime.rng import Stream
from posterity.workflow.job import make_progress_callback, run_job


def fit(
    data: str, output: str, study: str, model: str, model_spec: dict, fit: str, settings: dict, seed: int, float_type: str, model_files: list[str],
    code_files: list[str] = (), threads: int = 1, checkpoint: str | None = None, tell=lambda text: None,
) -> None:  # fmt: skip
    """
    Write the posterior of the model `model` (its entry in the study: `model_spec`) under the fit `fit` to `output`.

    `settings` are the fit's entry in the study, `files` those that make the model, `code` those of the stage. In the folder
    `checkpoint` the fit keeps what it needs to go on after it was killed, until it is done; `tell` hears how far it is. Raises
    UserError for faults of model and data.
    """
    started = time.perf_counter()
    configure_jax(threads, float_type, settings.get("chains", 1))
    from posterity.inference.checkpoint import Checkpoint
    from posterity.inference.run import RunOptions
    from posterity.inference.storage import SUMMARY_STATISTICS, compute_thinning_steps, select_draws
    from posterity.model.bind import bind_model
    from posterity.model.datasets import make_data_groups, make_sample_stats
    from posterity.model.preflight import check_model

    method = importlib.import_module(f"posterity.inference.methods.{settings['method']}")
    tree = read_artefact(data, study=study)
    table = get_group(tree, "data")
    bound = bind_model(model, model_spec, table)
    check_model(bound, table, tree.attrs["source"], (settings["method"],))
    attributes = collect_provenance(
        "fit", study, settings, seed, ("jax", "jaxlib", "numpyro", "numpy"), model=model, fit=fit
    )
    attributes |= {
        "model_hash": hash_files(model_files),
        "data_hash": tree.attrs["data_hash"],
        "float_type": float_type,
    }
    inputs = {
        part: attributes[part]
        for part in ("model_hash", "data_hash", "settings", "seed", "versions", "float_type")
    }
    inputs |= {
        "names": f"{study} {model} {fit}",
        "spec": hash_values(model_spec),
        "code": hash_files(code_files),
    }
    kept = Checkpoint(checkpoint, inputs, output) if checkpoint else None
    store = settings.get("store", {})
    draws = (
        None if settings.get("stop_when") else settings.get("chains", 1) * settings.get("draws", 1)
    )
    every = compute_thinning_steps(store, bound, draws)
    chosen = {name: value for name, value in settings.items() if name != "store"}
    result = method.fit(
        bound, chosen, Stream(seed, (study, model, fit)), RunOptions(kept, tell, thin=every)
    )
    stored = select_draws(
        result.posterior, result.recorded, every, store, bound.site_names("latent")
    )
    dropped = {site for site, chosen in store.items() if chosen in ("summary", "none")} - set(
        bound.site_names("latent")
    )
    weighted = {site: values for site, values in result.weighted.items() if site not in dropped}
    groups, streams = {}, {}
    for group, (step, sites) in stored.groups.items():
        streams[group] = {
            site: values for site, values in sites.items() if isinstance(values, StreamedArray)
        }
        groups[group] = bound.to_dataset(
            sites | {site: one.stub() for site, one in streams[group].items()},
            ("chain", "draw"),
            table,
        )
        groups[group] = groups[group].assign_coords(draw=step * groups[group]["draw"])
    groups |= {
        "posterior_summary": bound.to_dataset(stored.summaries, ("statistic",), table),
        "sample_stats": make_sample_stats(result.statistics),
        "point": bound.to_dataset(result.point, (), table),
        "weighted_posterior": bound.to_dataset(weighted, ("chain", "draw"), table),
        "evidence": result.evidence,
        "optimisation": result.optimisation,
        "guide": result.guide,
    }
    if result.log_weights is not None:
        groups["weighted_posterior"]["log_weight"] = (
            ("chain", "draw"),
            result.log_weights,
            {"long_name": "log weight", "units": ""},
        )
    if stored.summaries:
        groups["posterior_summary"]["statistic"] = list(SUMMARY_STATISTICS)
    groups = {
        name: values for name, values in groups.items() if values.data_vars
    } | make_data_groups(bound, table)
    attributes |= {
        "device": describe_device(),
        "inference_library": "numpyro",
        "draw_kind": result.sampling,
        "gradient_evaluations": result.gradient_evaluations,
        "wall_time": time.perf_counter() - started,
        "compile_seconds": result.compile_seconds,
        "run_seconds": result.run_seconds,
        "stopped": result.stopped,
        "warmup": result.warmup,
    }
    write_artefact(output, groups, attributes, streams)
    if kept:
        kept.clear()


if __name__ == "__main__":
    with run_job(snakemake):
        fit(
            snakemake.input.data,
            snakemake.output[0],
            **snakemake.params,
            model_files=list(snakemake.input.model),
            code_files=list(snakemake.input.code),
            threads=snakemake.threads,
            checkpoint="/".join(["results/checkpoints", *snakemake.wildcards]),
            tell=make_progress_callback(f"fit {'/'.join(snakemake.wildcards)}"),
        )
