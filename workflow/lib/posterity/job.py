"""The edge between Snakemake and a stage: log file, messages, exit code."""

import atexit
import logging
import os
import platform
import resource
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from posterity.errors import UserError
from posterity.writing import claim, release

log = logging.getLogger("posterity")
_terminal: int | None = None  # of the job that runs
_LINE = "\r\x1b[K"  # begins the terminal's last line anew
_told = False  # whether that line is ours


@contextmanager
def job(snakemake) -> Iterator[None]:
    """
    Run a stage's function as a job of Snakemake.

    Everything that is printed or logged goes to the job's log file, tracebacks too. A fault is told on the terminal in one
    sentence, and the process ends with exit code 1. At the end the log says what the job took. The job claims its outputs, so that
    an earlier job that still runs cannot write them any more. The process ends here.
    """
    global _terminal
    _terminal = terminal = os.dup(2)
    with suppress(FileNotFoundError):
        os.unlink(snakemake.log[0])  # an earlier job that still runs has it open
    with open(snakemake.log[0], "w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True)
    logging.captureWarnings(True)
    warnings.simplefilter("default")
    what = " ".join([snakemake.rule, "/".join(snakemake.wildcards)])
    imported = _age()
    log.info("%s with %s", what, dict(snakemake.params))
    where = {"SLURM job": "SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES": "CUDA_VISIBLE_DEVICES"}
    found = [f"{name} {os.environ[variable]}" for name, variable in where.items() if variable in os.environ]
    asked = ", ".join(f"{name} {value}" for name, value in snakemake.resources.items() if name in ("mem_mb", "runtime", "gpu"))
    log.info("%s", ", ".join([f"on {platform.node()}", f"threads {snakemake.threads}", asked, *found]))
    try:
        claim(snakemake.output)
        yield
    except UserError as error:
        log.error("%s", error, exc_info=True)
        sentence = str(error)
    except Exception as error:
        log.exception("%s", error)
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        sentence = f"{type(error).__name__}: {reason} (the traceback is in {snakemake.log[0]})"
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        release(snakemake.output)
        log.info("%s took %.2f s, of these %.2f s for imports, and %.0f MB", what, _age(), imported, peak)
        if _told:
            os.write(terminal, _LINE.encode())
        end(0)
    release(snakemake.output)
    line = f"posterity: {what}: {sentence}\n"
    os.write(terminal, f"\n{line}\n".encode())
    with suppress(OSError):  # on a full disk
        os.write(2, line.encode())  # found again at the end of the run
    end(1)


def progress(what: str) -> Callable[[str], None]:
    """Make a function that tells how far something is: in the log, and on a terminal as one line that changes."""

    def tell(text: str) -> None:
        global _told
        log.info("%s", text)
        if _terminal is not None and os.isatty(_terminal):
            width = os.get_terminal_size(_terminal).columns or 80
            os.write(_terminal, f"{_LINE}{f'{what}: {text}'[: width - 1]}".encode())
            _told = True

    return tell


def end(code: int) -> NoReturn:
    """End the process at once. To take down the interpreter, module by module, takes a third of a second, half of one with JAX."""
    atexit._run_exitfuncs()
    with suppress(OSError):  # on a full disk
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _age() -> float:
    """Tell how long ago this process started, in seconds."""
    with open("/proc/self/stat") as stat, open("/proc/uptime") as uptime:
        ticks = int(stat.read().rpartition(")")[2].split()[19])
        return float(uptime.read().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")
