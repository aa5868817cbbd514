"""
Combine the checks of a study into a verdict on each fit.

Reads the group `checks` of each fit's diagnosis.nc. Writes verdict.nc with the groups `checks`
(with the coordinates model, fit, stage and `effective_status`, the status with `expect:` applied)
and `fit_verdicts` (per fit: verdict, draws, smallest ESS, largest R-hat, reason), and a page of the
report, checks.html. The verdict on a fit is the worst of its checks. That on the study, an
attribute, is the worst of its fits.
"""

from posterity.artefact.netcdf import read_artefact
from posterity.diagnostics.verdict import assemble_verdict
from posterity.report.verdict_files import write_study_verdict
from posterity.workflow.job import run_job


def verdict(
    diagnoses: list[str],
    output: str,
    html: str,
    study: str,
    title: str,
    expect: dict,
) -> None:
    """
    Write the verdict on a study, and a page with its checks.

    Parameters
    ----------
    diagnoses : list of str
        Paths of diagnosis.nc of all fits.
    output, html : str
        Paths of verdict.nc and checks.html.
    study, title : str
        Id and title.
    expect : dict
        The expected failures, by model, fit and check.

    Raises
    ------
    UserError
        If an artefact cannot be read, or belongs to another study.
    """
    fits = [read_artefact(path, study=study) for path in diagnoses]
    result = assemble_verdict(fits, expect)
    write_study_verdict(result, output, html, study, title, expect)


if __name__ == "__main__":
    with run_job(snakemake):
        verdict(
            list(snakemake.input.diagnoses),
            snakemake.output.verdict,
            snakemake.output.html,
            **snakemake.params,
        )
