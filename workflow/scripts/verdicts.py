"""
Collect the verdicts of all studies of a run.

Reads verdict.nc of each study. Writes results/verdicts.csv (one line per fit) and results/verdicts.rst (the same as the first page
of the report, with links to figures and tables). As a program (`python workflow/scripts/verdicts.py results/verdicts.csv`) it
prints the table.
"""

import csv
import json
import sys
from pathlib import Path

from posterity.report.overview import VERDICT_COLUMNS, format_verdicts, render_first_page


def verdicts(paths: list[str], csv_file: str, rst_file: str, studies: dict, pages: dict) -> None:
    """
    Write the verdicts of all studies.

    `studies` has title and description by study; `pages` lists, by study, the files of the report as {title: path}.
    """
    from posterity.artefact.atomic import replace_file
    from posterity.artefact.groups import get_group
    from posterity.artefact.netcdf import read_artefact

    rows = []
    for path in paths:
        tree = read_artefact(path)
        table = get_group(tree, "fit_verdicts")
        for row in range(table.sizes["row"]):
            values = {name: table[name].values[row] for name in table.data_vars}
            seconds = json.loads(tree.attrs["fit_seconds"])[f"{values['model']}/{values['fit']}"]
            rows.append({"study": tree.attrs["study"], **values, "seconds": seconds})
    with replace_file(csv_file) as beside, open(beside, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, VERDICT_COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    with replace_file(rst_file) as beside:
        Path(beside).write_text(
            "\n".join(render_first_page(rows, studies, pages)), encoding="utf-8"
        )


if __name__ == "__main__":
    if "snakemake" in globals():
        from posterity.workflow.job import run_job

        with run_job(snakemake):
            verdicts(
                list(snakemake.input.verdicts),
                snakemake.output.csv,
                snakemake.output.rst,
                **snakemake.params,
            )
    else:
        print(format_verdicts(sys.argv[1]))
