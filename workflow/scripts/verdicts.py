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

from posterity.report.overview import COLUMNS, first_page, show


def verdicts(paths: list[str], csv_file: str, rst_file: str, studies: dict, pages: dict) -> None:
    """
    Write the verdicts of all studies.

    `studies` has title and description by study; `pages` lists, by study, the files of the report as {title: path}.
    """
    from posterity.artefact import groups, netcdf
    from posterity.artefact.atomic import replaced

    rows = []
    for path in paths:
        tree = netcdf.read(path)
        table = groups.group(tree, "fits")
        for row in range(table.sizes["row"]):
            values = {name: table[name].values[row] for name in table.data_vars}
            seconds = json.loads(tree.attrs["fit_seconds"])[f"{values['model']}/{values['fit']}"]
            rows.append({"study": tree.attrs["study"], **values, "seconds": seconds})
    with replaced(csv_file) as beside, open(beside, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    with replaced(rst_file) as beside:
        Path(beside).write_text("\n".join(first_page(rows, studies, pages)), encoding="utf-8")


if __name__ == "__main__":
    if "snakemake" in globals():
        from posterity.workflow.job import job

        with job(snakemake):
            verdicts(list(snakemake.input.verdicts), snakemake.output.csv, snakemake.output.rst, **snakemake.params)
    else:
        print(show(sys.argv[1]))
