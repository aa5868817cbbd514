"""
Combine the checks of a study into a verdict on each fit.

Reads the group `checks` of each fit's diagnosis.nc. Writes verdict.nc with the groups `checks`
(with the coordinates model, fit, stage and `effective_status`, the status with `expect:` applied)
and `fit_verdicts` (per fit: verdict, draws, smallest ESS, largest R-hat, reason), and a page of the
report, checks.html. The verdict on a fit is the worst of its checks. That on the study, an
attribute, is the worst of its fits.
"""

from pathlib import Path

from posterity.artefact.atomic import replace_file
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.artefact.provenance import collect_provenance
from posterity.diagnostics.verdict import CHECK_HEADINGS, assemble_verdict
from posterity.report.html import render_page
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
    attributes = collect_provenance(
        "verdict",
        study,
        {"expect": expect},
        seed=0,
        packages=("xarray",),
        verdict=result.status,
        fit_seconds=result.fit_seconds,
    )
    with replace_file(html) as temporary:
        page = render_page(f"{title}: all checks", CHECK_HEADINGS, result.to_cells())
        Path(temporary).write_text(page, encoding="utf-8")
    write_artefact(output, result.to_groups(), attributes)


if __name__ == "__main__":
    with run_job(snakemake):
        verdict(
            list(snakemake.input.diagnoses),
            snakemake.output.verdict,
            snakemake.output.html,
            **snakemake.params,
        )
