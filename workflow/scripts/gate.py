"""
Stop the run at a failed verdict (`strict: true`).

Reads verdict.nc, which is safely written by then. Writes gate.txt, a line that says that the study may go on; fails otherwise,
naming the check.
"""

from pathlib import Path

from posterity.artefact import groups, netcdf
from posterity.artefact.atomic import replaced
from posterity.errors import UserError
from posterity.workflow.job import job


def gate(verdict: str, output: str, study: str) -> None:
    """
    Write `output` if the verdict of the study is not `fail`; `expected` is no failure.

    Raises UserError, naming the failed checks, if it is.
    """
    tree = netcdf.read(verdict, study=study)
    if tree.attrs["verdict"] == "fail":
        table = groups.group(tree, "fits")
        failed = [
            f"model {table['model'].values[i]}, fit {table['fit'].values[i]}: {table['reason'].values[i]}"
            for i in range(table.sizes["row"])
            if table["verdict"].values[i] == "fail"
        ]
        raise UserError(
            f"the verdict of study {study} is fail, and the run is strict: {' | '.join(failed)} "
            f"(the evidence is in {verdict} and beside it; set `strict: false` to go on)"
        )
    with replaced(output) as beside:
        Path(beside).write_text(f"{study}: {tree.attrs['verdict']}\n", encoding="utf-8")


if __name__ == "__main__":
    with job(snakemake):
        gate(snakemake.input[0], snakemake.output[0], snakemake.wildcards.study)
