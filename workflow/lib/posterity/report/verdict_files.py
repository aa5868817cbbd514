"""Write the verdict on a study, and the verdicts on all studies of a run."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from posterity.artefact.atomic import replace_file
from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.artefact.provenance import collect_provenance
from posterity.diagnostics.verdict import CHECK_HEADINGS, StudyVerdict
from posterity.report.html import render_page
from posterity.report.overview import VERDICT_COLUMNS, render_first_page


def write_study_verdict(
    result: StudyVerdict, output: str, html: str, study: str, title: str, expect: dict
) -> None:
    """
    Write the verdict on a study, and a page with its checks.

    Parameters
    ----------
    result : StudyVerdict
        The verdict.
    output, html : str
        Paths of verdict.nc and checks.html.
    study, title : str
        Id and title.
    expect : dict
        The expected failures, by model, fit and check.
    """
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


def write_verdicts(
    paths: Sequence[str],
    csv_file: str,
    rst_file: str,
    studies: dict,
    pages: dict,
    failures: Sequence[str] = (),
) -> None:
    """
    Write the verdicts on all studies: results/verdicts.csv and the first page of the report.

    Parameters
    ----------
    paths : sequence of str
        verdict.nc of each study.
    csv_file, rst_file : str
        Paths of the outputs.
    studies : dict
        `title` and `description` of each study.
    pages : dict
        Files of each study in the report: {heading: {title: path}}.
    failures : sequence of str
        Messages of failed jobs.

    Raises
    ------
    UserError
        An artefact cannot be read.
    """
    rows = []
    for path in paths:
        tree = read_artefact(path)
        table = get_group(tree, "fit_verdicts")
        fit_seconds = json.loads(tree.attrs["fit_seconds"])
        for i in range(table.sizes["row"]):
            row = {str(name): table[name].values[i] for name in table.data_vars}
            row["study"] = tree.attrs["study"]
            row["seconds"] = fit_seconds[f"{row['model']}/{row['fit']}"]
            rows.append(row)
    with replace_file(csv_file) as new, open(new, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, VERDICT_COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    with replace_file(rst_file) as new:
        text = render_first_page(rows, studies, pages, failures)
        Path(new).write_text(text, encoding="utf-8")
