"""
Combine the checks of a study into a verdict on each fit.

Reads the group `checks` of each fit's diagnosis.nc, and comparison.nc for the check `loo` of
compared models. Writes verdict.nc with the groups `checks` (with the coordinates model, fit, stage
and `effective_status`, the status with `expect:` applied) and `fit_verdicts` (per fit: verdict,
draws, smallest ESS, largest R-hat, reason), and a page of the report, checks.html. The verdict on a
fit is the worst of its checks. That on the study, an attribute, is the worst of its fits.
"""

from posterity.artefact.netcdf import read_artefact
from posterity.diagnostics.verdict import assemble_verdict
from posterity.report.verdict_files import write_study_verdict
from posterity.workflow.job import run_job


def verdict(
    diagnoses: list[str],
    comparison: list[str],
    output: str,
    html: str,
    study: str,
    title: str,
    loo: float | dict,
    expect: dict,
) -> None:
    """
    Write the verdict on a study, and a page with its checks.

    Parameters
    ----------
    diagnoses : list of str
        Paths of diagnosis.nc of all fits.
    comparison : list of str
        Path of comparison.nc; empty if the study compares nothing.
    output, html : str
        Paths of verdict.nc and checks.html.
    study, title : str
        Id and title.
    loo : float or dict
        The threshold of the check `loo`.
    expect : dict
        The expected failures, by model, fit and check.

    Raises
    ------
    UserError
        If an artefact cannot be read, or belongs to another study.
    """
    compared = read_artefact(comparison[0], study=study) if comparison else None
    fits = [read_artefact(path, study=study) for path in diagnoses]
    result = assemble_verdict(fits, compared, loo, expect)
    write_study_verdict(result, output, html, study, title, expect)


if __name__ == "__main__":
    with run_job(snakemake):
        verdict(
            list(snakemake.input.diagnoses),
            list(snakemake.input.comparison),
            snakemake.output.verdict,
            snakemake.output.html,
            **snakemake.params,
        )
