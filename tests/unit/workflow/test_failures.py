"""Checks before the first job, and reports after a failed one."""

import json
import os
from types import SimpleNamespace

import pytest

from posterity.errors import UserError
from posterity.workflow import paths
from posterity.workflow.failures import (
    check_project_folder,
    check_results,
    check_writable,
    explain_failure,
    find_failures,
    forget_outputs,
    list_outputs,
    remove_traces,
)
from posterity.workflow.job import get_status_path

NOT_WRITABLE = "/proc/self"  # for root, too


def make_job(folder, *logs, outputs=()):
    return SimpleNamespace(log=[str(folder / log) for log in logs], output=list(outputs))


def write_status(folder, log, state, *messages):
    status = {"state": state, "job": f"fit {log}", "messages": messages}
    get_status_path(str(folder / log)).write_text(json.dumps(status))


def refuse(function, *arguments):
    """Return the message of the UserError that a function raises."""
    with pytest.raises(UserError) as raised:
        function(*arguments)
    return str(raised.value)


def test_a_writable_folder_stays_empty(tmp_path):
    check_writable(tmp_path, "or leave")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_refused_with_the_remedy(tmp_path):
    message = refuse(check_writable, tmp_path / "nowhere", "or make it")
    for part in (f"{tmp_path}/nowhere: cannot be written", "No such file", "or make it."):
        assert part in message


def test_results_are_created(tmp_path):
    check_results(tmp_path / "results")
    assert (tmp_path / "results").is_dir()


def test_results_that_lead_nowhere_are_refused(tmp_path):
    (tmp_path / "results").symlink_to("/nowhere/results")
    message = refuse(check_results, tmp_path / "results")
    for part in ("results: leads to /nowhere/results", "does not exist", "fix the link"):
        assert part in message


def test_results_that_cannot_be_written_are_refused(tmp_path):
    (tmp_path / "results").symlink_to(NOT_WRITABLE)
    message = refuse(check_results, tmp_path / "results")
    assert "cannot be written" in message
    assert "a link to another place" in message


def test_a_project_may_have_results_or_none(tmp_path):
    check_project_folder(tmp_path, "results")
    (tmp_path / "results").mkdir()
    check_project_folder(tmp_path, "results")


def test_a_file_in_the_place_of_results_is_refused(tmp_path):
    (tmp_path / "results").write_text("")
    message = refuse(check_project_folder, tmp_path, "results")
    assert message.startswith("results: this is a file")
    assert message.endswith("Move it away.")


def test_notes_of_snakemake_that_cannot_be_written_are_refused(tmp_path):
    (tmp_path / ".snakemake").symlink_to(NOT_WRITABLE)
    message = refuse(check_project_folder, tmp_path, "results")
    assert "cannot be written" in message
    assert "a copy of the project" in message


def test_status_files_of_earlier_runs_are_removed(tmp_path):
    write_status(tmp_path, "a.log", "failed", "x")
    write_status(tmp_path, "b.log", "done")
    remove_traces([make_job(tmp_path, "a.log"), make_job(tmp_path, "never_run.log")])
    assert [path.name for path in tmp_path.iterdir()] == ["b.status.json"]


def test_the_files_of_an_earlier_report_are_forgotten_if_verdicts_are_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = tmp_path / paths.REPORT_FILES
    files.parent.mkdir(parents=True)
    files.touch()
    remove_traces([make_job(tmp_path, outputs=["results/s/data.nc"])])
    assert files.exists()
    remove_traces([make_job(tmp_path, outputs=[paths.VERDICTS])])
    assert not files.exists()


def test_failures_are_the_first_messages_of_failed_jobs(tmp_path):
    write_status(tmp_path, "b.log", "failed", "b: is wrong", "b: is odd")
    write_status(tmp_path, "a.log", "failed", "a: is wrong")
    write_status(tmp_path, "c.log", "done")
    group = make_job(tmp_path, "b.log", "c.log", "never_started.log")
    jobs = [group, make_job(tmp_path, "a.log")]
    expected = ["fit a.log: a: is wrong", "fit b.log: b: is wrong"]
    assert find_failures(jobs, on_cluster=False) == expected


def test_a_job_that_still_runs_was_killed_by_the_cluster(tmp_path):
    write_status(tmp_path, "a.log", "running")
    jobs = [make_job(tmp_path, "a.log")]
    (message,) = find_failures(jobs, on_cluster=True)
    for part in ("fit a.log: ", "cancelled, or killed for its memory", "Read results/logs/slurm."):
        assert part in message
    (message,) = find_failures(jobs, on_cluster=False)
    assert "was killed, perhaps for its memory" in message
    assert message.endswith("a.log.")


@pytest.mark.parametrize(
    ("on_cluster", "place"), [(False, "the output of Snakemake"), (True, "results/logs/slurm")]
)
def test_a_job_without_a_status_is_reported_once_per_group(tmp_path, on_cluster, place):
    (message,) = find_failures([make_job(tmp_path, "a.log", "b.log")], on_cluster)
    assert message.startswith(str(tmp_path / "a.log"))
    assert explain_failure(str(tmp_path / "a.log"), on_cluster) in message
    assert message.endswith(f"Read {place}.")


def test_outputs_of_failed_jobs_are_older_than_everything_and_unchanged(tmp_path):
    output, missing = tmp_path / "posterior.nc", tmp_path / "missing.nc"
    output.write_text("draws")
    removed = []
    jobs = [make_job(tmp_path, outputs=[str(output), str(missing)])]
    forget_outputs(list_outputs(jobs), removed.append)
    assert removed == [str(output)]
    assert os.stat(output).st_mtime == 1
    assert output.read_text() == "draws"
    assert not missing.exists()
