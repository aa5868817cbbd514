"""
Fit a model to the data by one method.

Reads data.nc and the model. Writes posterior.nc with the groups `posterior` and `sample_stats` (dimensions chain, draw), or `point`
for a point estimate, `optimisation` for a method that optimises, `observed_data` and `constant_data`, in ArviZ's schema. Which
method, and its settings, come from the study's `fits`; a method is a module of posterity.methods.
"""

import importlib
import time

from posterity import artefact, device
from posterity.job import job


def fit(
    data: str, output: str, study: str, id: str, spec: dict, name: str, settings: dict, seed: int, precision: str, files: list[str],
    threads: int = 1,
) -> None:  # fmt: skip
    """
    Write the posterior of the model `id` (its entry in the study: `spec`) under the fit `name` to `output`.

    `settings` are the fit's entry in the study, `files` those that make the model. Raises UserError for faults of model and data.
    """
    started = time.perf_counter()
    device.prepare(threads, precision, settings.get("chains", 1))
    from posterity import model, preflight

    method = importlib.import_module(f"posterity.methods.{settings['method']}")
    tree = artefact.read(data, study=study)
    table = artefact.group(tree, "data")
    bound = model.bind(id, spec, table)
    preflight.check(bound, table, tree.attrs["source"])
    result = method.fit(bound, settings, seed, (study, id, name))
    groups = {
        "posterior": bound.dataset(result.posterior, ("chain", "draw"), table),
        "sample_stats": model.statistics_dataset(result.statistics),
        "point": bound.dataset(result.point, (), table),
        "optimisation": result.optimisation,
    }
    groups = {name: values for name, values in groups.items() if values.data_vars} | model.data_groups(bound, table)
    attributes = artefact.provenance("fit", study, settings, seed, ("jax", "jaxlib", "numpyro", "numpy"), model=id, fit=name)
    attributes |= {
        "model_hash": artefact.hash_files(files),
        "data_hash": tree.attrs["data_hash"],
        "precision": precision,
        "device": device.description(),
        "inference_library": "numpyro",
        "sampling": result.sampling,
        "gradient_evaluations": result.gradient_evaluations,
        "wall_time": time.perf_counter() - started,
        "compile_seconds": result.compile_seconds,
        "run_seconds": result.run_seconds,
    }
    artefact.write(output, groups, attributes)


if __name__ == "__main__":
    with job(snakemake):
        fit(
            snakemake.input.data,
            snakemake.output[0],
            **snakemake.params,
            files=list(snakemake.input.model),
            threads=snakemake.threads,
        )
