"""
Compare models of one data set, and fits of one model.

Reads predictive.nc of one fit of each model, and posterior.nc of all fits of models that have
several. Writes comparison.nc with the groups `models` (over `model`, best first: expected log
predictive density by leave-one-out cross-validation, stacking weight, differences, k-hat, and a
message), `fit_differences` (over `row`: differences of means, ratios of sds and Wasserstein
distances for each pair of fits and each scalar, with their Monte Carlo errors) and `fit_pairs`
(whether each pair agrees, and the cost of both fits).
"""

import json

import xarray as xr

from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.artefact.provenance import collect_provenance
from posterity.comparison.models import compare_models
from posterity.comparison.study import compare_study_fits
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
    Write the comparison of a study's models and fits.

    Parameters
    ----------
    predictives, posteriors : list of str
        Paths of predictive.nc of the compared models and of posterior.nc of the compared fits.
    output : str
        Path of comparison.nc.
    study : str
        Id of the study.
    reference : str or None
        The model that others are compared with; None for the best one.
    max_scalars : int
        The largest number of scalars per site; of a larger site, evenly spaced ones.

    Raises
    ------
    UserError
        If an artefact cannot be read, or belongs to another study.
    """
    groups: dict[str, xr.Dataset] = {}
    predicted = [read_artefact(path, study=study) for path in predictives]
    if predicted:
        models = compare_models({tree.attrs["model"]: tree for tree in predicted}, reference)
        groups["models"] = models.assign_attrs(fit=predicted[0].attrs["fit"])
    fits = [read_artefact(path, study=study) for path in posteriors]
    groups |= compare_study_fits(fits, max_scalars)
    seconds = {f"{fit.attrs['model']}/{fit.attrs['fit']}": fit.attrs["wall_time"] for fit in fits}
    settings = {"reference": reference, "max_scalars": max_scalars}
    attributes = collect_provenance("compare", study, settings, 0, ("arviz", "scipy"))
    write_artefact(output, groups, {**attributes, "fit_seconds": json.dumps(seconds)})


if __name__ == "__main__":
    with run_job(snakemake):
        compare(
            list(snakemake.input.get("predictives", [])),
            list(snakemake.input.get("posteriors", [])),
            snakemake.output[0],
            **snakemake.params,
        )
