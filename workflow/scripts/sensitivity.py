"""
Measure how sensitive a posterior is to its prior and to its data, by power scaling.

Reads predictive.nc. Writes sensitivity.nc with the group `psense`, over `parameter`: sensitivity to `prior` and `likelihood`, and a
`diagnosis` in words. Nothing is fitted again: the draws are weighted. The prior is that of the top-level sites; where it is flat,
there is nothing to scale, and its sensitivity is NaN.
"""

from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.artefact.provenance import collect_provenance
from posterity.diagnostics.prior_sensitivity import measure_sensitivity
from posterity.workflow.job import run_job


def sensitivity(
    predictive: str, output: str, study: str, model: str, fit: str, max_scalars: int
) -> None:
    """
    Write the sensitivities of the fit `fit` of the model `model` to `output`.

    The sites are those that predictive.nc repeats (of at most 100 scalars), and of a site at most `max_scalars` are used.

    Raises UserError for artefacts that cannot be read or belong to another fit.
    """
    tree = read_artefact(predictive, study=study, model=model, fit=fit)
    draws, log_prior, log_likelihood = (
        get_group(tree, group) for group in ("posterior", "log_prior", "log_likelihood")
    )
    found = measure_sensitivity(draws, log_prior, log_likelihood, max_scalars)
    attributes = collect_provenance(
        "sensitivity", study, {"max_scalars": max_scalars}, tree.attrs["seed"], ("arviz",)
    )
    attributes |= {"model": model, "fit": fit, "data_hash": tree.attrs["data_hash"]}
    write_artefact(output, {"psense": found}, attributes)


if __name__ == "__main__":
    with run_job(snakemake):
        sensitivity(snakemake.input.predictive, snakemake.output[0], **snakemake.params)
