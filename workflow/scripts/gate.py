"""
Stop the run at a failed verdict (`strict: true`).

Reads verdict.nc, which is safely written by then. Writes gate.txt, a line that says that the study may go on; fails otherwise,
naming the check.
"""

from pathlib import Path

from posterity.artefact.atomic import replace_file
from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import read_artefact
from posterity.errors import UserError
from posterity.workflow.job import run_job


def gate(verdict: str, output: str, study: str) -> None:
    """
    Write `output` if the verdict of the study is not `fail`; `expected` is no failure.

    Raises UserError, naming the failed checks, if it is.
    """
    tree = read_artefact(verdict, study=study)
    if tree.attrs["verdict"] == "fail":
        table = get_group(tree, "fit_verdicts")
        failed = [
            f"model {table['model'].values[i]}, fit {table['fit'].values[i]}: {table['reason'].values[i]}"
            for i in range(table.sizes["row"])
            if table["verdict"].values[i] == "fail"
        ]
        raise UserError(
            f"the verdict of study {study} is fail, and the run is strict: {' | '.join(failed)} "
            f"(the evidence is in {verdict} and beside it; set `strict: false` to go on)"
        )
    with replace_file(output) as beside:
        Path(beside).write_text(f"{study}: {tree.attrs['verdict']}\n", encoding="utf-8")


if __name__ == "__main__":
    with run_job(snakemake):
        gate(snakemake.input[0], snakemake.output[0], snakemake.wildcards.study)
