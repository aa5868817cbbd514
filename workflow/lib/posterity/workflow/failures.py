"""Checks before the first job of a run, and reports after a failed one."""

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from posterity.errors import UserError
from posterity.workflow import paths
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


def remove_traces(jobs: Iterable[Any]) -> None:
    """
    Remove what earlier runs of jobs have left for the end of a failed run.

    A job that never starts writes no status, so its old file would be taken for a new one.
    """
    planned = list(jobs)
    for path in _list_logs(planned):
        get_status_path(path).unlink(missing_ok=True)
    if paths.VERDICTS in {str(path) for job in planned for path in job.output}:
        Path(paths.REPORT_FILES).unlink(missing_ok=True)


def find_failures(jobs: Iterable[Any], on_cluster: bool) -> list[str]:
    """
    Return why jobs failed, one message per failed job.

    A failed group of jobs has the logs of all its members, of which some are done or never started.
    """
    messages = []
    for job in jobs:
        states = {str(path): read_status(str(path)).get("state") for path in job.log}
        failed = [path for path, state in states.items() if state in ("failed", "running")]
        never_started = [path for path, state in states.items() if state is None]
        for path in failed or never_started[:1]:
            name = read_status(path).get("job", path)
            messages.append(f"{name}: {explain_failure(path, on_cluster)}")
    return sorted(set(messages))


def explain_failure(log_file: str, on_cluster: bool) -> str:
    """
    Return why a job failed: its first message.

    A job that was killed is still running by its status file. One that never started has none.
    """
    status = read_status(log_file)
    if status.get("state") == "failed":
        return str(status["messages"][0])
    if status.get("state") == "running" and on_cluster:
        reason = "the job was cancelled, or killed for its memory or its time"
        return f"{reason}. Read results/logs/slurm."
    if status.get("state") == "running":
        return f"the job was killed, perhaps for its memory. Read {log_file}."
    place = "results/logs/slurm" if on_cluster else "the output of Snakemake"
    return f"the job ended before it could write a message. Read {place}."


def forget_outputs(files: Iterable[str], remove_metadata: Callable[[str], Any]) -> None:
    """
    Make the next run make files again: the outputs of failed jobs, and what was written after them.

    A rule with `update` keeps its earlier output when a job fails, but Snakemake records that
    output as made by the failed job. `remove_metadata` (of Snakemake's persistence) removes that
    record. A modification time of 1970 makes the output older than its inputs. Its content stays.
    """
    for path in files:
        if os.path.exists(path):
            remove_metadata(path)
            os.utime(path, (1, 1))


def list_outputs(jobs: Iterable[Any]) -> list[str]:
    """Return the outputs of jobs."""
    return [path for job in jobs for path in job.output]


def _list_logs(jobs: Iterable[Any]) -> list[str]:
    """Return the log files of jobs, sorted, each once."""
    return sorted({str(path) for job in jobs for path in job.log})
