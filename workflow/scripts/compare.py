"""
Compare models of one data set, and fits of one model.

Reads predictive.nc of one fit of each model, and posterior.nc of all fits of a model that has several. Writes comparison.nc with
the groups `models` (over `model`, best first: expected log predictive density by leave-one-out cross-validation, stacking weight,
differences, k-hat, and a message in words), `fits` (over `row`: differences of means, ratios of sds and Wasserstein distances for
each pair of fits and each scalar, each with its Monte Carlo error) and `pairs` (the same in words, with what each fit cost).
"""

import json

import numpy as np
import xarray as xr

from posterity.artefact.groups import align_latent_draws, get_group
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.artefact.provenance import collect_provenance
from posterity.comparison.fits import compare_fits, describe_pairs
from posterity.comparison.models import compare_models
from posterity.workflow.job import run_job


def compare(
    predictives: list[str],
    posteriors: list[str],
    output: str,
    study: str,
    reference: str | None,
    max_scalars: int,
) -> None:
    """
    Write the comparison of a study's models and fits to `output`.

    `reference` is the model that others are compared with (the best where None). Raises UserError for artefacts that cannot be
    read or are another study's.
    """
    predicted = [read_artefact(path, study=study) for path in predictives]
    models = compare_models({tree.attrs["model"]: tree for tree in predicted}, reference)
    if predicted:
        models = models.assign_attrs(fit=predicted[0].attrs["fit"])
    fitted, seconds, parts, pairs = {}, {}, [], []
    for path in posteriors:
        tree = read_artefact(path, study=study)
        fitted.setdefault(tree.attrs["model"], {})[tree.attrs["fit"]] = tree
        seconds[f"{tree.attrs['model']}/{tree.attrs['fit']}"] = tree.attrs["wall_time"]
    for model, trees in fitted.items():
        draws = {
            fit: align_latent_draws(tree)
            for fit, tree in trees.items()
            if "posterior" in tree.children
        }
        points = {
            fit: get_group(tree, "point") for fit, tree in trees.items() if "point" in tree.children
        }
        rows = compare_fits(draws, points, max_scalars)
        parts.append(rows.assign(model=("row", np.full(rows.sizes["row"], model, dtype=object))))
        for pair in describe_pairs(rows):
            a, b = (trees[pair[key]].attrs for key in ("fit_a", "fit_b"))
            cost = a["gradient_evaluations"], b["gradient_evaluations"]
            pairs.append(
                {
                    "model": model,
                    **pair,
                    "agree": str(pair["agree"]).lower(),
                    "gradients_a": cost[0],
                    "gradients_b": cost[1],
                }
            )
    groups = {"models": models} if predicted else {}
    if pairs:
        texts = {key: np.array([pair[key] for pair in pairs]) for key in pairs[0]}
        columns = {
            key: ("pair", values.astype(object) if values.dtype.kind == "U" else values)
            for key, values in texts.items()
        }
        groups |= {"fit_differences": xr.concat(parts, "row"), "fit_pairs": xr.Dataset(columns)}
    attributes = collect_provenance(
        "compare",
        study,
        {"reference": reference, "max_scalars": max_scalars},
        0,
        ("arviz", "scipy"),
    )
    write_artefact(output, groups, attributes | {"fit_seconds": json.dumps(seconds)})


if __name__ == "__main__":
    with run_job(snakemake):
        inputs = {
            name: list(snakemake.input.get(name, [])) for name in ("predictives", "posteriors")
        }
        compare(**inputs, output=snakemake.output[0], **snakemake.params)
