"""
Collect the verdicts of all studies of a run.

Reads verdict.nc of each study. Writes results/verdicts.csv (one line per fit) and
results/verdicts.rst (the first page of the report, with links to figures and tables). As a program
(`python workflow/scripts/verdicts.py results/verdicts.csv`) it prints the table.
"""

import sys
from pathlib import Path

if "snakemake" not in globals():  # as a program, without a path to the library
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from posterity.report.overview import format_verdicts


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
    from posterity.report.verdict_files import write_verdicts

    write_verdicts(paths, csv_file, rst_file, studies, pages)


if __name__ == "__main__":
    if "snakemake" in globals():
        from posterity.workflow.job import run_job

        with run_job(snakemake):
            output = snakemake.output
            verdicts(list(snakemake.input.verdicts), output.csv, output.rst, **snakemake.params)
    else:
        print(format_verdicts(sys.argv[1]))
