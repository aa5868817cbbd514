"""Checks before the first job of a run, and reports after a failed one."""

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from posterity.errors import UserError
from posterity.workflow.job import get_status_path, read_status


def check_writable(folder: Path, remedy: str) -> None:
    """
    Raise UserError if a folder is read-only or its disk is full.

    The message ends with `remedy`.
    """
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            file.write(bytes(4096))
    except OSError as error:
        raise UserError(
            f"{folder.resolve()}: cannot be written ({error.strerror}). "
            f"Check the folder and its disk, {remedy}."
        ) from None


def check_project_folder(folder: Path, results: str) -> None:
    """
    Raise UserError if Snakemake cannot work in a folder.

    It fails with a traceback if it cannot write its notes to `.snakemake`, or if `results` is a
    file.
    """
    if (folder / results).exists() and not (folder / results).is_dir():
        raise UserError(f"{results}: this is a file, but the results need a folder. Move it away.")
    notes = folder / ".snakemake"
    check_writable(
        notes if notes.is_dir() else folder, "or run in a copy of the project in another place"
    )


def check_results(folder: Path) -> None:
    """
    Create the folder of the results.

    Raises UserError if it is a dangling link or cannot be written.
    """
    if folder.is_symlink() and not folder.exists():
        target = os.readlink(folder)
        raise UserError(
            f"{folder}: leads to {target}, which does not exist. "
            "Create that folder, or fix the link."
        )
    folder.mkdir(exist_ok=True)
    check_writable(folder, f"or make {folder}/ a link to another place")


def remove_status(jobs: Iterable[Any]) -> None:
    """
    Remove the status files that earlier runs of jobs have left.

    A job that never starts writes none, so its old file would be taken for a new one.
    """
    for path in _list_logs(jobs):
        get_status_path(path).unlink(missing_ok=True)


def find_failures(jobs: Iterable[Any], on_cluster: bool) -> list[str]:
    """
    Return why jobs failed, one message per failed job.

    A failed group of jobs has the logs of all its members, of which some are done or never started.
    If a job of a cluster is still running by its status file, the cluster has killed it.
    """
    messages = []
    for path in _list_logs(jobs):
        status = read_status(path)
        if status.get("state") == "failed":
            messages.append(f"{status['job']}: {status['messages'][0]}")
        elif status.get("state") == "running" and on_cluster:
            reason = "the job was cancelled, or killed for its memory or its time"
            messages.append(f"{status['job']}: {reason}. Read results/logs/slurm.")
    return messages


def forget_outputs(jobs: Iterable[Any], remove_metadata: Callable[[str], Any]) -> None:
    """
    Make the next run repeat failed jobs.

    A rule with `update` keeps its earlier output when a job fails, but Snakemake records that
    output as made by the failed job. `remove_metadata` (of Snakemake's persistence) removes that
    record. A modification time of 1970 makes the output older than its inputs. Its content stays.
    """
    for path in [path for job in jobs for path in job.output]:
        if os.path.exists(path):
            remove_metadata(path)
            os.utime(path, (1, 1))


def _list_logs(jobs: Iterable[Any]) -> list[str]:
    """Return the log files of jobs, sorted, each once."""
    return sorted({path for job in jobs for path in job.log})
