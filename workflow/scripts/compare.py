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

from posterity.artefact import groups as artefact_groups
from posterity.artefact import netcdf, provenance
from posterity.comparison import fits as comparison_fits
from posterity.comparison import models as comparison_models
from posterity.workflow.job import job


def compare(predictives: list[str], posteriors: list[str], output: str, study: str, reference: str | None, scalars: int) -> None:
    """
    Write the comparison of a study's models and fits to `output`.

    `reference` is the model that others are compared with (the best where None). Raises UserError for artefacts that cannot be
    read or are another study's.
    """
    predicted = [netcdf.read(path, study=study) for path in predictives]
    models = comparison_models.models({tree.attrs["model"]: tree for tree in predicted}, reference)
    if predicted:
        models = models.assign_attrs(fit=predicted[0].attrs["fit"])
    fitted, seconds, parts, pairs = {}, {}, [], []
    for path in posteriors:
        tree = netcdf.read(path, study=study)
        fitted.setdefault(tree.attrs["model"], {})[tree.attrs["fit"]] = tree
        seconds[f"{tree.attrs['model']}/{tree.attrs['fit']}"] = tree.attrs["wall_time"]
    for model, trees in fitted.items():
        draws = {fit: artefact_groups.common(tree) for fit, tree in trees.items() if "posterior" in tree.children}
        points = {fit: artefact_groups.group(tree, "point") for fit, tree in trees.items() if "point" in tree.children}
        rows = comparison_fits.fits(draws, points, scalars)
        parts.append(rows.assign(model=("row", np.full(rows.sizes["row"], model, dtype=object))))
        for pair in comparison_fits.in_words(rows):
            a, b = (trees[pair[key]].attrs for key in ("fit_a", "fit_b"))
            cost = a["gradient_evaluations"], b["gradient_evaluations"]
            pairs.append(
                {"model": model, **pair, "agree": str(pair["agree"]).lower(), "gradients_a": cost[0], "gradients_b": cost[1]}
            )
    groups = {"models": models} if predicted else {}
    if pairs:
        texts = {key: np.array([pair[key] for pair in pairs]) for key in pairs[0]}
        columns = {key: ("pair", values.astype(object) if values.dtype.kind == "U" else values) for key, values in texts.items()}
        groups |= {"fits": xr.concat(parts, "row"), "pairs": xr.Dataset(columns)}
    attributes = provenance.provenance("compare", study, {"reference": reference, "scalars": scalars}, 0, ("arviz", "scipy"))
    netcdf.write(output, groups, attributes | {"fit_seconds": json.dumps(seconds)})


if __name__ == "__main__":
    with job(snakemake):
        inputs = {name: list(snakemake.input.get(name, [])) for name in ("predictives", "posteriors")}
        compare(**inputs, output=snakemake.output[0], **snakemake.params)
