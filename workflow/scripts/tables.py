"""
Write one of a study's tables for a paper, as CSV and LaTeX, and as a page for the report.

Reads the artefacts that the table needs. Writes tables/<kind>.csv (all columns, full precision), tables/<kind>.tex (booktabs,
rounded as a reader wants it) and tables/<kind>.html. The kinds: `parameters` of all fits with their intervals; `sensitivity` to
prior and likelihood; `models` against each other; `fits` of one model against each other, with what they cost.
"""

import csv
from pathlib import Path

from posterity.artefact import netcdf
from posterity.artefact.atomic import replaced
from posterity.report.html import page
from posterity.report.tables import fits, latex, models, number, parameters, sensitivity
from posterity.workflow.job import job


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
    scalars: int,
) -> None:
    """
    Write the table `kind` from the artefacts in `inputs` (paths by name).

    `interval` has kind and probability, `labels` replace those of the models, `scalars` limits the scalars of one site. Raises
    UserError for artefacts that cannot be read or are another study's.
    """
    trees = [netcdf.read(path, study=study) for paths in inputs.values() for path in paths]
    make = {"parameters": parameters, "sensitivity": sensitivity, "models": models, "fits": fits}[kind]
    rows, headings, cells = make(trees, interval, labels, scalars)
    columns = list(rows[0]) if rows else list(headings)
    with replaced(csv_file) as beside, open(beside, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    with replaced(tex_file) as beside:
        Path(beside).write_text(latex(headings, cells), encoding="utf-8")
    with replaced(html_file) as beside:
        lines = [tuple(number(row[name]) for name in columns) for row in rows]
        Path(beside).write_text(page(f"{title}: {kind}", tuple(columns), lines), encoding="utf-8")


if __name__ == "__main__":
    with job(snakemake):
        paths = {
            name: [files] if isinstance(files, str) else list(files) for name, files in snakemake.input.items() if name != "code"
        }
        tables(paths, *snakemake.output, **snakemake.params)
