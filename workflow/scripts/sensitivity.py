"""
Measure how sensitive a posterior is to its prior and to its data, by power scaling.

Reads predictive.nc. Writes sensitivity.nc with the group `psense`, over `parameter`: the
sensitivities to `prior` and `likelihood` with their Monte Carlo errors, whether the scalar is of a
hyperparameter, and a `diagnosis`, a text. The stage weights the draws and does not fit again. The
prior is that of the hyperparameters. If it is flat there is nothing to scale, and its sensitivity
is NaN.
"""

from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.artefact.provenance import collect_provenance
from posterity.config.stage import StageIds
from posterity.diagnostics.prior_sensitivity import measure_sensitivity
from posterity.workflow.job import run_job


def sensitivity(predictive: str, output: str, ids: StageIds, max_scalars: int) -> None:
    """
    Write the sensitivities of one fit.

    Parameters
    ----------
    predictive : str
        Path of predictive.nc, which repeats the draws of sites with at most 100 scalars.
    output : str
        Path of sensitivity.nc.
    ids : StageIds
        Study, model and fit.
    max_scalars : int
        The largest number of scalars per site; of a larger site, evenly spaced ones.

    Raises
    ------
    UserError
        If the artefact cannot be read, or belongs to another fit.
    """
    tree = read_artefact(predictive, study=ids.study, model=ids.model, fit=ids.fit)
    sensitivities = measure_sensitivity(
        get_group(tree, "posterior"),
        get_group(tree, "log_prior"),
        get_group(tree, "log_likelihood"),
        max_scalars,
    )
    attributes = {
        **collect_provenance(
            "sensitivity",
            ids.study,
            {"max_scalars": max_scalars},
            tree.attrs["seed"],
            ("arviz",),
        ),
        "model": ids.model,
        "fit": ids.fit,
        "data_hash": tree.attrs["data_hash"],
    }
    write_artefact(output, {"psense": sensitivities}, attributes)


if __name__ == "__main__":
    with run_job(snakemake):
        params = snakemake.params
        sensitivity(
            snakemake.input.predictive,
            snakemake.output[0],
            StageIds(params.study, params.model, params.fit),
            params.max_scalars,
        )
