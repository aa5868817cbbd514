"""Provenance of an artefact: settings, hashes, versions, host and time."""

import hashlib
import json
import platform
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

# Attributes that may differ between two runs on equal machines.
VOLATILE_ATTRIBUTES = (
    "created_at",
    "wall_time",
    "compile_seconds",
    "run_seconds",
    "fit_seconds",
    "host",
)
HASH_DIGITS = 16
GIT_TIMEOUT_SECONDS = 10


def collect_provenance(
    stage: str,
    study: str,
    settings: Mapping[str, Any],
    seed: int,
    packages: tuple[str, ...] = (),
    **more: Any,
) -> dict[str, Any]:
    """
    Collect the attributes that say where an artefact comes from.

    Parameters
    ----------
    stage : str
        Stage that writes the artefact.
    study : str
        Id of the study.
    settings : mapping
        Settings of the stage, plain values.
    seed : int
        Seed of the study.
    packages : tuple of str
        Packages whose versions are recorded.
    **more
        Further attributes, such as `model` and `fit`.

    Returns
    -------
    dict
        The arguments, a hash of the settings, versions, commit, host and time of writing.
    """
    versions = {"python": platform.python_version()}
    versions |= {name: get_version(name) for name in packages}
    return {
        "stage": stage,
        "study": study,
        **more,
        "settings": json.dumps(settings, sort_keys=True),
        "settings_hash": hash_values(settings),
        "seed": seed,
        "versions": json.dumps(versions),
        "git_commit": _describe_commit(),
        "host": platform.node(),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def hash_values(values: Any) -> str:
    """Return a hash of plain values (their sorted JSON), 16 hexadecimal digits."""
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_DIGITS]


def hash_files(files: Iterable[str | Path]) -> str:
    """Return a hash of the contents of files in their order, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(Path(file).read_bytes() + b"\0")
    return digest.hexdigest()[:HASH_DIGITS]


def hash_dataset(data: xr.Dataset) -> str:
    """Return a hash of names, dimensions and values of all variables, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in sorted(map(str, data.variables)):
        values = np.ascontiguousarray(data[name].values)
        header = f"{name} {data[name].dims} {values.shape} {values.dtype.kind}"
        digest.update(header.encode() + _encode_values(values))
    return digest.hexdigest()[:HASH_DIGITS]


def _encode_values(values: np.ndarray) -> bytes:
    if values.dtype.kind in "iufbMm":
        return values.tobytes()
    return json.dumps(values.tolist()).encode()


def get_version(package: str) -> str:
    """Return the version of a package, or "not installed"."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _describe_commit() -> str:
    """Return the commit of the working directory, or "unknown"."""
    try:
        process = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return process.stdout.strip()
