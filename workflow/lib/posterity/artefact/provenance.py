"""Provenance of an artefact: settings, hashes, versions, host and time."""

import hashlib
import json
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import xarray as xr

VOLATILE_ATTRIBUTES = (
    "created_at",
    "wall_time",
    "compile_seconds",
    "run_seconds",
    "fit_seconds",
    "host",
)


def collect_provenance(
    stage: str, study: str, settings: dict, seed: int, packages: tuple[str, ...] = (), **more
) -> dict:
    """
    Collect where an artefact comes from: stage, study, settings, seed, versions, commit, host and time of writing.

    `more` are further attributes (model, fit, hashes, device, wall time).
    """
    return {
        "stage": stage,
        "study": study,
        **more,
        "settings": json.dumps(settings, sort_keys=True),
        "settings_hash": hash_values(settings),
        "seed": seed,
        "versions": json.dumps(
            {"python": platform.python_version()} | {name: get_version(name) for name in packages}
        ),
        "git_commit": _describe_commit(),
        "host": platform.node(),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def hash_values(values) -> str:
    """Hash plain values (their sorted JSON), 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def hash_files(files: list[str]) -> str:
    """Hash the contents of files in their order, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(Path(file).read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def hash_dataset(data: xr.Dataset) -> str:
    """Hash names, dimensions and values of the variables of a Dataset, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in sorted(map(str, data.variables)):
        values = np.ascontiguousarray(data[name].values)
        content = (
            values.tobytes()
            if values.dtype.kind in "iufbMm"
            else json.dumps(values.tolist()).encode()
        )
        digest.update(
            f"{name} {data[name].dims} {values.shape} {values.dtype.kind}".encode() + content
        )
    return digest.hexdigest()[:16]


def get_version(package: str) -> str:
    """Give the version of a package, or say that it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _describe_commit() -> str:
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()
