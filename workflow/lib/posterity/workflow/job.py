"""The edge between Snakemake and a stage: log file, status file, messages, exit code."""

import atexit
import json
import logging
import os
import platform
import resource
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from posterity.artefact.atomic import claim_files, release_files
from posterity.errors import UserError

log = logging.getLogger("posterity")
_terminal: int | None = None  # of the job that runs
_LINE = "\r\x1b[K"  # begins the terminal's last line anew
_told = False  # whether that line is ours


@contextmanager
def run_job(snakemake) -> Iterator[None]:
    """
    Run a stage's function as a job of Snakemake.

    Everything that is printed or logged goes to the job's log file, tracebacks too. A fault is told on the terminal in one
    sentence, and the process ends with exit code 1. At the end the log says what the job took. The job claims its outputs, so that
    an earlier job that still runs cannot write them any more. The process ends here.

    The status file next to the log holds the same for programs: `state` (running, done, failed), `job`, `messages` (for the
    user), `seconds` (`total`, `imports`), `peak_memory_mb`, `host`, `threads`, `resources` (as Snakemake gave them), `slurm_job`
    and `cuda_visible_devices` (null without).
    """
    global _terminal
    _terminal = terminal = os.dup(2)
    with suppress(FileNotFoundError):
        os.unlink(snakemake.log[0])  # an earlier job that still runs has it open
    with open(snakemake.log[0], "w", encoding="utf-8") as file:
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
    what = " ".join([snakemake.rule, "/".join(snakemake.wildcards)])
    imported = _process_seconds()
    log.info("%s with %s", what, dict(snakemake.params))
    where = {"SLURM job": "SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES": "CUDA_VISIBLE_DEVICES"}
    found = [
        f"{name} {os.environ[variable]}"
        for name, variable in where.items()
        if variable in os.environ
    ]
    resources = {
        name: value
        for name, value in snakemake.resources.items()
        if name in ("mem_mb", "runtime", "gpu")
    }
    asked = ", ".join(f"{name} {value}" for name, value in resources.items())
    log.info(
        "%s", ", ".join([f"on {platform.node()}", f"threads {snakemake.threads}", asked, *found])
    )
    status = {
        "job": what,
        "host": platform.node(),
        "threads": snakemake.threads,
        "resources": resources,
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }
    _write_status(snakemake.log[0], status, "running", imported, [])
    try:
        claim_files(snakemake.output)
        yield
    except UserError as error:
        log.error("%s", error, exc_info=True)
        sentence, messages = str(error), error.messages
    except Exception as error:
        log.exception("%s", error)
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        sentence = f"{type(error).__name__}: {reason} (the traceback is in {snakemake.log[0]})"
        messages = [sentence]
    else:
        release_files(snakemake.output)
        log.info(
            "%s took %.2f s, of these %.2f s for imports, and %.0f MB",
            what,
            _process_seconds(),
            imported,
            _peak_megabytes(),
        )
        _write_status(snakemake.log[0], status, "done", imported, [])
        if _told:
            os.write(terminal, _LINE.encode())
        exit_process(0)
    release_files(snakemake.output)
    _write_status(snakemake.log[0], status, "failed", imported, messages)
    line = f"posterity: {what}: {sentence}\n"
    os.write(terminal, f"\n{line}\n".encode())
    with suppress(OSError):  # on a full disk
        os.write(2, line.encode())
    exit_process(1)


def get_status_path(log_file: str) -> Path:
    """Return the path of the status file of a job, which lies next to its log."""
    return Path(log_file).with_suffix(".status.json")


def read_status(log_file: str) -> dict[str, Any]:
    """Return the status of a job; an empty one if it wrote none or its disk was full."""
    try:
        return json.loads(get_status_path(log_file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _write_status(
    log_file: str, about: dict, state: str, imported: float, messages: list[str]
) -> None:
    """
    Write the status file of this job whole, or remove it if the disk is full.

    A job whose log a later job has replaced writes nothing: the status file is the later job's.
    """
    seconds = {"total": round(_process_seconds(), 2), "imports": round(imported, 2)}
    status = {
        "state": state,
        **about,
        "messages": messages,
        "seconds": seconds,
        "peak_memory_mb": round(_peak_megabytes()),
    }
    place = get_status_path(log_file)
    written = place.with_name(f".{platform.node()}.{os.getpid()}.{place.name}")
    try:
        if os.path.samestat(os.stat(log_file), os.fstat(1)):
            written.write_text(json.dumps(status, default=str), encoding="utf-8")
            os.replace(written, place)
    except OSError:
        for file in (written, place):
            with suppress(OSError):
                file.unlink()


def make_progress_callback(what: str) -> Callable[[str], None]:
    """Make a function that tells how far something is: in the log, and on a terminal as one line that changes."""

    def tell(text: str) -> None:
        global _told
        log.info("%s", text)
        if _terminal is not None and os.isatty(_terminal):
            width = os.get_terminal_size(_terminal).columns or 80
            os.write(_terminal, f"{_LINE}{f'{what}: {text}'[: width - 1]}".encode())
            _told = True

    return tell


def exit_process(code: int) -> NoReturn:
    """End the process at once. To take down the interpreter, module by module, takes a third of a second, half of one with JAX."""
    atexit._run_exitfuncs()
    with suppress(OSError):  # on a full disk
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _peak_megabytes() -> float:
    """Return the largest memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _process_seconds() -> float:
    """Tell how long ago this process started, in seconds."""
    with open("/proc/self/stat") as stat, open("/proc/uptime") as uptime:
        ticks = int(stat.read().rpartition(")")[2].split()[19])
        return float(uptime.read().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")
