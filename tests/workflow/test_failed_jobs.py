"""A failed job keeps nothing that does not depend on it from being made."""

import csv
import re

import pytest
from conftest import snakemake

from posterity.artefact.netcdf import read_artefact
from posterity.workflow import paths

STUDY = "config/studies/other.yaml"
RIGHT, WRONG = "draws: 1000}", "draws: 1000, step_size: 1.0e+30}"
FAILED = ("other", "line", "d")
# What has to run again for the fit, in a study that has two other fits.
REPEATED = {
    "fit of other, line, d",
    "predictions of other, line, d",
    "sensitivity of other, line, d",
    "diagnosis of other, line, d",
    "comparison of other",
    "verdict on other",
    "verdicts on all studies",
    *(f"table {table} of other" for table in ("parameters", "sensitivity", "fits")),
    *(f"figure line_d_{kind} of other" for kind in ("data", "loss", "predictions", "sensitivity")),
    "figure line_fits of other",
}


def read_rows(project):
    with open(project / paths.VERDICTS, newline="") as file:
        rows = list(csv.DictReader(file))
    return {(row["study"], row["model"], row["fit"]): row for row in rows}


def list_jobs(run):
    jobs = set(re.findall(r"^Job \d+: (.*)$", run.stdout, flags=re.MULTILINE))
    return {job for job in jobs if not job.startswith("all artefacts")}


def edit_study(project, old, new):
    file = project / STUDY
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))


@pytest.mark.long
def test_verdicts_and_report_are_written_for_the_rest_and_made_again_by_the_next_run(finished):
    before = read_rows(finished)
    edit_study(finished, RIGHT, WRONG)

    part = snakemake(finished, "--", "fits")
    assert part.returncode != 0
    assert read_rows(finished) == before, "verdicts that were not asked for are written"

    run = snakemake(finished)
    assert run.returncode != 0
    assert "Traceback" not in run.stdout
    message = next(line for line in run.stdout.splitlines() if line.startswith("posterity: fit"))
    after = read_rows(finished)
    assert after.keys() == before.keys()
    failed = after.pop(FAILED)
    assert failed["verdict"] == "fail"
    assert failed["reason"].startswith("fit failed: ")
    assert failed["reason"].removeprefix("fit failed: ") in message
    assert after == {fit: row for fit, row in before.items() if fit != FAILED}
    assert read_artefact(finished / "results/other/verdict.nc").attrs["verdict"] == "fail"

    files = (finished / paths.REPORT_FILES).read_text().split()
    assert "results/other/figures/line_a_data.svg" in files
    assert "results/other/figures/line_d_data.svg" not in files  # that of the earlier run
    report = snakemake(finished, "--report", "results/report.html", "--", *files)
    assert report.returncode == 0, report.stdout
    assert "Failed jobs" in (finished / "results/report.html").read_text()

    edit_study(finished, WRONG, RIGHT)
    again = snakemake(finished)
    assert again.returncode == 0, again.stdout
    assert list_jobs(again) == REPEATED
    rows = read_rows(finished)
    rows[FAILED]["seconds"] = before[FAILED]["seconds"]
    assert rows == before
    assert not (finished / paths.REPORT_FILES).exists()
    assert "Failed jobs" not in (finished / paths.FIRST_PAGE).read_text()
    assert "Nothing to be done" in snakemake(finished, "-n").stdout
