"""
Collect the verdicts of all studies of a run.

Reads verdict.nc of each study. Writes results/verdicts.csv (one line per fit) and
results/verdicts.rst (the first page of the report, with links to figures and tables). As a program
(`python workflow/scripts/verdicts.py results/verdicts.csv`) it prints the table.
"""

import csv
import json
import sys
from pathlib import Path

if "snakemake" not in globals():  # as a program, without a path to the library
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from posterity.report.overview import VERDICT_COLUMNS, format_verdicts, render_first_page


def verdicts(paths: list[str], csv_file: str, rst_file: str, studies: dict, pages: dict) -> None:
    """
    Write the verdicts of all studies.

    Parameters
    ----------
    paths : list of str
        verdict.nc of each study.
    csv_file, rst_file : str
        Paths of the outputs.
    studies : dict
        `title` and `description` of each study.
    pages : dict
        Files of each study in the report: {heading: {title: path}}.

    Raises
    ------
    UserError
        An artefact cannot be read.
    """
    from posterity.artefact.atomic import replace_file
    from posterity.artefact.groups import get_group
    from posterity.artefact.netcdf import read_artefact

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
        Path(new).write_text(render_first_page(rows, studies, pages), encoding="utf-8")


if __name__ == "__main__":
    if "snakemake" in globals():
        from posterity.workflow.job import run_job

        with run_job(snakemake):
            output = snakemake.output
            verdicts(list(snakemake.input.verdicts), output.csv, output.rst, **snakemake.params)
    else:
        print(format_verdicts(sys.argv[1]))
