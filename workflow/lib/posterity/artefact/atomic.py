"""
Write a file completely or not at all, by one job at a time, also on a shared file system.

Locks are unreliable on shared file systems, so this module uses none. A file is written under
another name in the same folder and then renamed. A job *claims* its files when it starts, and only
the last job that claimed a file may write it. So a job that outlives its Snakemake cannot replace
the result of a later job.
"""

import os
import platform
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from posterity.errors import UserError

# Path of a claimed file -> text of the claim of this process.
_claims: dict[Path, str] = {}


def claim_files(paths: Iterable[str]) -> None:
    """
    Claim files for this process, so that jobs that claimed them before may not write them.

    Raise UserError if a claim cannot be written, or if a job of SLURM that was submitted later has
    claimed a file.
    """
    job = os.environ.get("SLURM_JOB_ID", "-")
    for path in map(Path, paths):
        _check_later_claim(path, job)
        claim = f"{platform.node()} {os.getpid()} {job} {time.time_ns()}"
        with _explain_os_error(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{platform.node()}.{os.getpid()}.claim")
            temporary.write_text(claim)
            os.replace(temporary, _claim_path(path))
        _claims[path.resolve()] = claim


def release_files(paths: Iterable[str]) -> None:
    """Remove the claims of this process on files."""
    for path in map(Path, paths):
        if path.resolve() in _claims and owns_file(path):
            with suppress(OSError):
                _claim_path(path).unlink()
        _claims.pop(path.resolve(), None)


@contextmanager
def replace_file(path: str | Path) -> Iterator[Path]:
    """
    Return a temporary path, which becomes the file at the end; after an error it is removed.

    The temporary path is in the folder of the file, or in the folder that the environment variable
    POSTERITY_SCRATCH names, such as one on the disk of the node. References to other variables in
    it are expanded.

    Raise UserError if the file cannot be written, or if another process has claimed it.
    """
    path = Path(path)
    name = f".{platform.node()}.{os.getpid()}.{path.name}"
    temporary = path.with_name(name)
    scratch = _find_scratch()
    written = scratch / name if scratch else temporary
    try:
        with _explain_os_error(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield written
            if written != temporary:
                shutil.copyfile(written, temporary)
            _check_ownership(path)
            os.replace(temporary, path)
    finally:
        for file in {temporary, written}:
            with suppress(OSError):
                file.unlink()


def owns_file(path: str | Path) -> bool:
    """Return whether this process may write a file: it made the last claim, or none at all."""
    path = Path(path)
    claim = _claims.get(path.resolve())
    if claim is None:
        return True
    try:
        return _claim_path(path).read_text() == claim
    except FileNotFoundError:  # a later job has claimed the file and finished
        return False


def _check_later_claim(path: Path, job: str) -> None:
    """Raise UserError if a job with a larger SLURM id has claimed a file."""
    with suppress(OSError, IndexError):
        other = _claim_path(path).read_text().split()[2]
        if other.isdigit() and job.isdigit() and int(other) > int(job):
            raise UserError(
                f"{path}: the later job {other} writes this file. Job {job}, submitted before, "
                "stops here."
            )


def _check_ownership(path: Path) -> None:
    """Raise UserError if another process has claimed a file since this one did."""
    if owns_file(path):
        return
    if not path.is_absolute():
        # Snakemake, which runs this job, would restore its backup over the later job's result.
        with suppress(OSError):
            Path(".snakemake/backups", path).unlink()
    raise UserError(
        f"{path}: another job has taken it over since this job started. "
        "The result of this job is discarded."
    )


def _find_scratch() -> Path | None:
    """Return the folder for temporary files, or None if none is set."""
    setting = os.environ.get("POSTERITY_SCRATCH", "")
    name = os.path.expandvars(setting)
    if not name:
        return None
    folder = Path(name)
    if not folder.is_dir():
        raise UserError(
            f"scratch: {setting} is not a folder on {platform.node()}. In config/config.yaml, set "
            "`scratch` to a folder that every node has, or remove it."
        )
    return folder


@contextmanager
def _explain_os_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}). Check the folder and the disk."
        ) from error


def _claim_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.claim")
