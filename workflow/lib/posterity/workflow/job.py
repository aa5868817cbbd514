"""
The edge between Snakemake and a stage: log, status file, messages and exit code.

Everything that changes the whole process happens in `run_job`, so that the functions of the stages
can be called from a notebook.
"""

import atexit
import gc
import json
import logging
import os
import platform
import resource
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from posterity.artefact.atomic import claim_files, release_files
from posterity.errors import UserError

# A job lives for a second or two. It makes little garbage, but many objects that stay: imported
# modules and traced programs. With Python's default of 2,000, repeated collections took an eighth
# of its time.
GC_THRESHOLD_OBJECTS = 50_000
REPORTED_RESOURCES = ("mem_mb", "runtime", "gpu")
ERASE_LINE = "\r\x1b[K"

log = logging.getLogger("posterity")


@dataclass
class Terminal:
    """
    The terminal of the user, past the redirection of stderr to the log.

    Attributes
    ----------
    descriptor : int or None
        Copy of the original stderr; None outside of a job.
    has_progress : bool
        Whether its last line is a progress message of this process.
    """

    descriptor: int | None = None
    has_progress: bool = False

    def write(self, text: str) -> None:
        """Write to the terminal, in a job."""
        if self.descriptor is not None:
            os.write(self.descriptor, text.encode())

    def show_progress(self, text: str) -> None:
        """Replace the last line, if stderr is a terminal."""
        if self.descriptor is not None and os.isatty(self.descriptor):
            width = os.get_terminal_size(self.descriptor).columns or 80
            self.write(ERASE_LINE + text[: width - 1])
            self.has_progress = True

    def erase_progress(self) -> None:
        """Remove the progress message, if there is one."""
        if self.has_progress:
            self.write(ERASE_LINE)
            self.has_progress = False


_terminal = Terminal()


@contextmanager
def run_job(snakemake: Any) -> Iterator[None]:
    """
    Run the function of a stage as a job of Snakemake, then end the process.

    Output, log messages and tracebacks go to the log of the job. On success the log ends with run
    time and peak memory. An error is one message on the terminal, and exit code 1. The job claims
    its outputs, so that an earlier job that still runs can no longer write them.

    A status file next to the log holds for programs: `state` (running, done, failed), `job`,
    `messages` (for the user), `seconds` (`total`, `imports`), `peak_memory_mb`, `host`, `threads`,
    `resources` (as Snakemake gave them), `slurm_job` and `cuda_visible_devices` (null if unset).

    Parameters
    ----------
    snakemake : object
        What Snakemake gives to a script.
    """
    gc.set_threshold(GC_THRESHOLD_OBJECTS)
    log_file = snakemake.log[0]
    _redirect_output(log_file)
    import_seconds = _measure_age()
    about = _describe_job(snakemake)
    job = about["job"]
    log.info("%s with %s", job, dict(snakemake.params))
    log.info("%s", _format_place(about))
    _write_status(log_file, about, "running", import_seconds)
    try:
        claim_files(snakemake.output)
        yield
    except UserError as error:
        log.error("%s", error, exc_info=True)
        message = str(error)
        messages = error.messages
    except Exception as error:
        log.exception("%s", error)
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        message = f"{type(error).__name__}: {reason} (the traceback is in {log_file})"
        messages = [message]
    else:
        release_files(snakemake.output)
        cost = (_measure_age(), import_seconds, _measure_peak_memory())
        log.info("%s took %.2f s, of these %.2f s for imports, and %.0f MB", job, *cost)
        _write_status(log_file, about, "done", import_seconds)
        _terminal.erase_progress()
        exit_process(0)
    release_files(snakemake.output)
    _write_status(log_file, about, "failed", import_seconds, messages)
    line = f"posterity: {job}: {message}\n"
    _terminal.write(f"\n{line}\n")
    with suppress(OSError):  # on a full disk
        os.write(2, line.encode())
    exit_process(1)


def get_status_path(log_file: str) -> Path:
    """Return the path of the status file of a job, which is next to its log."""
    return Path(log_file).with_suffix(".status.json")


def read_status(log_file: str) -> dict[str, Any]:
    """Return the status of a job, or an empty one if it wrote none or its disk was full."""
    try:
        return json.loads(get_status_path(log_file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def make_progress_callback(job: str) -> Callable[[str], None]:
    """Return a function that writes a progress message of a job to its log and to the terminal."""

    def report_progress(text: str) -> None:
        log.info("%s", text)
        _terminal.show_progress(f"{job}: {text}")

    return report_progress


def exit_process(code: int) -> NoReturn:
    """
    End the process at once, after the functions that `atexit` knows.

    Python would first take down the interpreter module by module, which lasts a third of a second,
    or half a second with JAX. Only a job may end its process this way.
    """
    atexit._run_exitfuncs()
    with suppress(OSError):  # on a full disk
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _redirect_output(log_file: str) -> None:
    """Send all output, log messages and warnings to a new log, and remember the terminal."""
    _terminal.descriptor = os.dup(2)
    with suppress(FileNotFoundError):
        os.unlink(log_file)  # an earlier job that still runs has it open
    with open(log_file, "w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        force=True,
    )
    logging.captureWarnings(True)
    warnings.simplefilter("default")


def _describe_job(snakemake: Any) -> dict[str, Any]:
    """Return what a job is and where it runs, for its status file."""
    resources = dict(snakemake.resources.items())
    return {
        "job": " ".join([snakemake.rule, "/".join(snakemake.wildcards)]),
        "host": platform.node(),
        "threads": snakemake.threads,
        "resources": {name: resources[name] for name in resources if name in REPORTED_RESOURCES},
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }


def _format_place(about: dict[str, Any]) -> str:
    """Return where a job runs, and with which resources, as a line of its log."""
    parts = [f"on {about['host']}", f"threads {about['threads']}"]
    parts += [f"{name} {value}" for name, value in about["resources"].items()]
    for label, key in (
        ("SLURM job", "slurm_job"),
        ("CUDA_VISIBLE_DEVICES", "cuda_visible_devices"),
    ):
        if about[key] is not None:
            parts.append(f"{label} {about[key]}")
    return ", ".join(parts)


def _write_status(
    log_file: str,
    about: dict[str, Any],
    state: str,
    import_seconds: float,
    messages: list[str] | None = None,
) -> None:
    """
    Write the status file of this job, or remove it if the disk is full.

    If a later job has replaced the log, the status file belongs to that job: nothing is written.
    """
    seconds = {"total": round(_measure_age(), 2), "imports": round(import_seconds, 2)}
    status = {
        "state": state,
        **about,
        "messages": messages or [],
        "seconds": seconds,
        "peak_memory_mb": round(_measure_peak_memory()),
    }
    path = get_status_path(log_file)
    temporary = path.with_name(f".{platform.node()}.{os.getpid()}.{path.name}")
    try:
        if os.path.samestat(os.stat(log_file), os.fstat(1)):
            temporary.write_text(json.dumps(status, default=str), encoding="utf-8")
            os.replace(temporary, path)
    except OSError:
        for file in (temporary, path):
            with suppress(OSError):
                file.unlink()


def _measure_peak_memory() -> float:
    """Return the peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _measure_age() -> float:
    """Return the seconds since this process started."""
    with open("/proc/self/stat") as stat, open("/proc/uptime") as uptime:
        ticks = int(stat.read().rpartition(")")[2].split()[19])
        return float(uptime.read().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")
