"""
Fit a model to the data by one method.

Reads data.nc and the model. Writes posterior.nc in ArviZ's schema: `posterior` (or `point`),
`sample_stats`, `optimisation` of an optimiser, `guide` of a custom guide, the groups that `store`
asks for, and the data. `settings` names the method, a module of posterity.inference.methods.
"""

import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.config.stage import ComputeSettings, ModelSource, StageIds
from posterity.runtime.device import configure_jax, describe_device
from posterity.workflow.job import make_progress_callback, run_job


@dataclass(frozen=True)
class FitJob:
    """What a job offers a fit: a folder for its checkpoint, and a receiver of progress messages."""

    checkpoint: str | None = None
    on_progress: Callable[[str], None] = lambda text: None


def fit(
    data: str, output: str, ids: StageIds, model: ModelSource, settings: dict,
    compute: ComputeSettings, code_files: Sequence[str] = (), job: FitJob = FitJob(),
) -> None:  # fmt: skip
    """
    Write the posterior of a model under a fit to `output`.

    `settings` are the fit's entry in the study. `code_files` are the files of the stage: a fit does
    not resume from a checkpoint of other code. Raises UserError for an error in model or data.
    """
    started = time.perf_counter()
    configure_jax(compute.threads, compute.float_type, settings.get("chains", 1))
    from posterity.inference import storage
    from posterity.inference.checkpoint import collect_fit_inputs, open_checkpoint
    from posterity.inference.run import RunOptions
    from posterity.model.bind import bind_model
    from posterity.model.preflight import check_model

    method = importlib.import_module(f"posterity.inference.methods.{settings['method']}")
    tree = read_artefact(data, study=ids.study)
    table = get_group(tree, "data")
    bound = bind_model(ids.model, model.spec, table)
    check_model(bound, table, tree.attrs["source"], (settings["method"],))
    attributes = collect_fit_inputs(ids, model, settings, compute, tree.attrs["data_hash"])
    checkpoint = open_checkpoint(job.checkpoint, output, attributes, model, code_files)
    thin = storage.compute_thinning_steps(settings, bound)
    options = RunOptions(checkpoint, job.on_progress, thin=thin)
    chosen = {name: value for name, value in settings.items() if name != "store"}
    result = method.fit(bound, chosen, ids.stream(compute.seed), options)
    stored = storage.select_draws(result, thin, settings.get("store", {}), bound)
    groups, streams = storage.assemble_groups(result, stored, bound, table)
    attributes |= storage.describe_result(result) | {"device": describe_device()}
    attributes["wall_time"] = time.perf_counter() - started
    write_artefact(output, groups, attributes, streams)
    if checkpoint:
        checkpoint.clear()


if __name__ == "__main__":
    with run_job(snakemake):
        params, name = snakemake.params, "/".join(snakemake.wildcards)
        fit(
            snakemake.input.data,
            snakemake.output[0],
            StageIds(params.study, params.model, params.fit),
            ModelSource(params.model_spec, list(snakemake.input.model)),
            params.settings,
            ComputeSettings(params.seed, params.float_type, snakemake.threads),
            list(snakemake.input.code),
            FitJob(f"results/checkpoints/{name}", make_progress_callback(f"fit {name}")),
        )
