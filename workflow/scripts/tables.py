"""
Write one of a study's tables for a paper, as CSV and LaTeX, and as a page for the report.

Reads the artefacts that the table needs. Writes tables/<kind>.csv (all columns, full precision), tables/<kind>.tex (booktabs,
rounded as a reader wants it) and tables/<kind>.html. The kinds: `parameters` of all fits with their intervals; `sensitivity` to
prior and likelihood; `models` against each other; `fits` of one model against each other, with what they cost.
"""

import csv
from pathlib import Path

from posterity.artefact.atomic import replace_file
from posterity.artefact.netcdf import read_artefact
from posterity.report.html import render_page
from posterity.report.tables import (
    format_number,
    make_fits_table,
    make_models_table,
    make_parameters_table,
    make_sensitivity_table,
    render_latex,
)
from posterity.workflow.job import run_job


def tables(
    inputs: dict[str, list[str]],
    csv_file: str,
    tex_file: str,
    html_file: str,
    study: str,
    kind: str,
    title: str,
    interval: dict,
    labels: dict,
    max_scalars: int,
) -> None:
    """
    Write the table `kind` from the artefacts in `inputs` (paths by name).

    `interval` has kind and probability, `labels` replace those of the models, `max_scalars` limits the scalars of one site. Raises
    UserError for artefacts that cannot be read or are another study's.
    """
    trees = [read_artefact(path, study=study) for paths in inputs.values() for path in paths]
    make = {
        "parameters": make_parameters_table,
        "sensitivity": make_sensitivity_table,
        "models": make_models_table,
        "fits": make_fits_table,
    }[kind]
    rows, headings, cells = make(trees, interval, labels, max_scalars)
    columns = list(rows[0]) if rows else list(headings)
    with replace_file(csv_file) as beside, open(beside, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    with replace_file(tex_file) as beside:
        Path(beside).write_text(render_latex(headings, cells), encoding="utf-8")
    with replace_file(html_file) as beside:
        lines = [tuple(format_number(row[name]) for name in columns) for row in rows]
        Path(beside).write_text(
            render_page(f"{title}: {kind}", tuple(columns), lines), encoding="utf-8"
        )


if __name__ == "__main__":
    with run_job(snakemake):
        paths = {
            name: [files] if isinstance(files, str) else list(files)
            for name, files in snakemake.input.items()
            if name != "code"
        }
        tables(paths, *snakemake.output, **snakemake.params)
