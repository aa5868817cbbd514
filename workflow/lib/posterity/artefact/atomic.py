"""
Write a file whole or not at all, by one writer at a time, also on a file system that several machines share.

Nothing is locked, since locks cannot be relied on there. A file is written beside its place and renamed into it. A job *claims* its
files when it starts; the last one to claim a file may write it. So a job that lived on when its Snakemake was killed cannot replace
what a later job made.
"""

import os
import platform
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from posterity.errors import UserError

_claims: dict[Path, str] = {}  # of this process


def claim_files(paths: list[str]) -> None:
    """
    Take files for this process: one that claimed them before may not write them any more.

    Raises UserError where that cannot be written, and where a job that was submitted later has claimed them already.
    """
    job = os.environ.get("SLURM_JOB_ID", "-")
    for path in map(Path, paths):
        with suppress(OSError, IndexError):
            other = _claim_path(path).read_text().split()[2]
            if other.isdigit() and job.isdigit() and int(other) > int(job):
                raise UserError(
                    f"{path}: the later job {other} makes it; this one, {job}, was submitted before and ends here"
                )
        mine = f"{platform.node()} {os.getpid()} {job} {time.time_ns()}"
        with _explain_os_error(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_name(f".{platform.node()}.{os.getpid()}.claim")
            beside.write_text(mine)
            os.replace(beside, _claim_path(path))
        _claims[path.resolve()] = mine


def release_files(paths: list[str]) -> None:
    """Give up claims of this process."""
    for path in map(Path, paths):
        if path.resolve() in _claims and owns_file(path):
            with suppress(OSError):
                _claim_path(path).unlink()
        _claims.pop(path.resolve(), None)


@contextmanager
def replace_file(path: str | Path) -> Iterator[Path]:
    """
    Give a path; what is written there is moved into the place of a file, whole, or dropped at a fault.

    It lies beside the place, or in the folder that the environment variable POSTERITY_SCRATCH names (variables in it are expanded),
    on the node's own disk, say. Raises UserError if it cannot be written, or if another process has claimed the file.
    """
    path = Path(path)
    name = f".{platform.node()}.{os.getpid()}.{path.name}"
    beside, scratch = (
        path.with_name(name),
        os.path.expandvars(os.environ.get("POSTERITY_SCRATCH", "")),
    )
    written = Path(scratch, name) if scratch else beside
    if scratch and not Path(scratch).is_dir():
        raise UserError(
            f"scratch: {os.environ['POSTERITY_SCRATCH']} is no folder on {platform.node()}; "
            "name one that each node has in config/config.yaml, or none"
        )
    try:
        with _explain_os_error(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield written
            if written != beside:
                shutil.copyfile(written, beside)
            if not owns_file(path):
                if not path.is_absolute():  # Snakemake, around this job, would copy its backup over what the later job wrote
                    with suppress(OSError):
                        Path(".snakemake/backups", path).unlink()
                raise UserError(
                    f"{path}: another job has taken it over since this one started; this one's result is dropped"
                )
            os.replace(beside, path)
    finally:
        for file in {beside, written}:
            with suppress(OSError):
                file.unlink()


@contextmanager
def _explain_os_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}); look at the folder and the disk"
        ) from error


def _claim_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.claim")


def owns_file(path: str | Path) -> bool:
    """Tell whether this process may write a file: its own claim is the last one, or it made none."""
    path = Path(path)
    mine = _claims.get(path.resolve())
    if mine is None:
        return True
    try:
        return _claim_path(path).read_text() == mine
    except FileNotFoundError:  # a later job has claimed it, and is done
        return False
