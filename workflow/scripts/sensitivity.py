"""
Measure how sensitive a posterior is to its prior and to its data, by power scaling.

Reads predictive.nc. Writes sensitivity.nc with the group `psense`, over `parameter`: sensitivity to `prior` and `likelihood`, and a
`diagnosis` in words. Nothing is fitted again: the draws are weighted. The prior is that of the top-level sites; where it is flat,
there is nothing to scale, and its sensitivity is NaN.
"""

from posterity.artefact import groups, netcdf, provenance
from posterity.diagnostics.prior_sensitivity import measure
from posterity.workflow.job import job


def sensitivity(predictive: str, output: str, study: str, id: str, name: str, scalars: int) -> None:
    """
    Write the sensitivities of the fit `name` of the model `id` to `output`.

    The sites are those that predictive.nc repeats (of at most 100 scalars), and of a site at most `scalars` are looked at.

    Raises UserError for artefacts that cannot be read or belong to another fit.
    """
    tree = netcdf.read(predictive, study=study, model=id, fit=name)
    draws, log_prior, log_likelihood = (groups.group(tree, group) for group in ("posterior", "log_prior", "log_likelihood"))
    found = measure(draws, log_prior, log_likelihood, scalars)
    attributes = provenance.provenance("sensitivity", study, {"scalars": scalars}, tree.attrs["seed"], ("arviz",))
    attributes |= {"model": id, "fit": name, "data_hash": tree.attrs["data_hash"]}
    netcdf.write(output, {"psense": found}, attributes)


if __name__ == "__main__":
    with job(snakemake):
        sensitivity(snakemake.input.predictive, snakemake.output[0], **snakemake.params)
