"""
Stop a strict run at a failed verdict (`strict: true`).

Reads verdict.nc. Writes gate.txt, one line with the verdict, if the study may proceed. Otherwise
fails, and names the checks that failed.
"""

from pathlib import Path

from posterity.artefact.atomic import replace_file
from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import read_artefact
from posterity.errors import UserError
from posterity.workflow.job import run_job


def gate(verdict: str, output: str, study: str) -> None:
    """
    Write `output` unless the verdict on the study is `fail`; `expected` is not a failure.

    Raises UserError, which names the failed checks, if the verdict is `fail`.
    """
    tree = read_artefact(verdict, study=study)
    if tree.attrs["verdict"] == "fail":
        table = get_group(tree, "fit_verdicts")
        columns = (table[name].values for name in ("model", "fit", "verdict", "reason"))
        failures = [
            f"model {model}, fit {fit}: {reason}"
            for model, fit, status, reason in zip(*columns, strict=True)
            if status == "fail"
        ]
        raise UserError(
            f"study {study}: the verdict is fail and the run is strict: {' | '.join(failures)}. "
            f"See {verdict} and the files in its folder. Set `strict: false` to continue anyway."
        )
    with replace_file(output) as temporary:
        Path(temporary).write_text(f"{study}: {tree.attrs['verdict']}\n", encoding="utf-8")


if __name__ == "__main__":
    with run_job(snakemake):
        gate(snakemake.input[0], snakemake.output[0], snakemake.wildcards.study)
