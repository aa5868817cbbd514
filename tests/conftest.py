"""Constants, fixtures and helpers that the tests share."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import jax
import numpy as np
import pytest
import xarray as xr
from jax._src.numpy import util as jax_numpy_util
from snakemake_process import run_snakemake

from posterity.model.bind import bind_model

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("Snakefile", "profiles", "workflow", "config", "resources", "envs")

# All tests share one cache of compiled programs.
os.environ.setdefault("POSTERITY_CACHE", str(ROOT / ".pytest_cache/programs"))
jax.config.update("jax_enable_x64", True)


def raise_rank_promotion(name: str, shapes: list[tuple[int, ...]]) -> None:
    """
    Raise if this project's code, or a model, broadcasts arrays of different rank implicitly.

    NumPyro, blackjax and optax rely on it in their own code (`Normal.sample`, for one), so that
    JAX's own error would refuse most models. The innermost frame outside of JAX decides.
    """
    frame = sys._getframe(1)
    while frame and frame.f_code.co_filename.startswith(JAX_FOLDER):
        frame = frame.f_back
    if frame and not frame.f_code.co_filename.startswith(PACKAGES_FOLDER):
        raise ValueError(
            f"{frame.f_code.co_filename}, line {frame.f_lineno}: {name} of shapes {shapes} "
            "promotes a rank. Broadcast explicitly."
        )


# As text, since comparing paths is slow.
JAX_FOLDER = os.path.dirname(jax.__file__) + os.sep
PACKAGES_FOLDER = os.path.dirname(os.path.dirname(jax.__file__)) + os.sep
assert callable(jax_numpy_util._rank_promotion_warning_or_error)
jax_numpy_util._rank_promotion_warning_or_error = raise_rank_promotion
jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_configure(config):
    """Compile the programs of the short tests with little effort: most run for milliseconds."""
    if config.option.markexpr == "not long":
        os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0"  # read by the first program


HEADER = """
import jax.numpy as jnp, numpy as np, numpyro
import numpyro.distributions as dist
"""
# The entry of a model in a study, with all defaults but its file.
SPEC = {"function": "model", "arguments": {}, "dims": {}, "observed": None, "figures": []}
# Limits of the checks of a sampled fit.
LIMITS = {
    "rhat": 1.01,
    "ess_bulk": 400,
    "ess_tail": 400,
    "mcse": 0.05,
    "divergences": {"warn": 0, "fail": 0.005},
    "e_bfmi": 0.3,
    "tree_depth": {"warn": 0.0},
    "acceptance_rate": {"warn": 0.1},
}


def make_spec(file, **changes) -> dict:
    """Return the entry of a model in a study; `file` is absolute, or relative to the project."""
    return SPEC | {"file": str(ROOT / file)} | changes


def make_dataset(**arrays) -> xr.Dataset:
    """Return arrays as variables; the dimensions of each are `<name>_0`, `<name>_1`, ..."""
    variables = {}
    for name, values in arrays.items():
        dims = [f"{name}_{axis}" for axis in range(np.ndim(values))]
        variables[name] = (dims, values)
    return xr.Dataset(variables)


@pytest.fixture
def write_spec(tmp_path):
    """A function that writes a model, given as text, and returns its entry in a study."""

    def write(source, **changes):
        file = tmp_path / "model.py"
        file.write_text(HEADER + source)
        return make_spec(file, **changes)

    return write


@pytest.fixture
def bind_source(write_spec):
    """A function that binds a model, given as text, to data: a Dataset, or arrays by name."""

    def bind(source, dataset=None, **arrays):
        data = make_dataset(**arrays) if dataset is None else dataset
        return bind_model("m", write_spec(source), data)

    return bind


def copy_project(place: Path) -> Path:
    """Copy all that a run needs into a folder, and return the folder."""
    place.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir() and not source.is_symlink():
            shutil.copytree(
                source, place / part, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy2(source, place / part, follow_symlinks=False)
    (place / "results").mkdir()
    choose(place, "line, hogg")
    return place


def choose(project: Path, studies: str) -> None:
    """Set the studies that a project runs."""
    config = project / "config/config.yaml"
    config.write_text(
        re.sub(
            r"^studies: \[.*?\]",
            f"studies: [{studies}]",
            config.read_text(),
            flags=re.MULTILINE | re.DOTALL,
        )
    )


def snakemake(project: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run Snakemake in a project as a user does; return stdout and stderr as one text."""
    environment = {
        key: value for key, value in os.environ.items() if key not in ("XLA_FLAGS", "PYTHONPATH")
    }
    return run_snakemake(project, ["--cores", "2", *arguments], environment, timeout=600)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """
    A copy of a project with the results of two small studies.

    `small` has simulated data, `other` data from a file.
    """
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    with open(shared / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        project = shared / "finished"
        if not project.exists():
            copy_project(project)
            for study in (ROOT / "tests/workflow/studies").glob("*.yaml"):
                shutil.copy2(study, project / "config/studies")
            choose(project, "small, other")
            run = snakemake(project)
            assert run.returncode == 0, run.stdout[-4000:]
    return Path(shutil.copytree(project, tmp_path_factory.mktemp("own") / "project", symlinks=True))


@pytest.fixture
def project(tmp_path) -> Path:
    """A fresh copy of the project, without results."""
    return copy_project(tmp_path / "project")


def run_or_skip(missing: list[str], remedy: str) -> None:
    """Skip a test whose programs are missing; with CI=true fail it."""
    if missing:
        sentence = f"{', '.join(missing)} not found: {remedy}"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(sentence)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """
    The environment of a real SLURM for this test process alone.

    It has one node with 4 processors and 2 fake GPUs.
    """
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
    missing = [
        tool
        for tool in ("munged", "slurmctld", "slurmd", "sbatch")
        if not shutil.which(tool, path=path)
    ]
    run_or_skip(missing, "apt-get install slurm-wlm munge")
    place = Path(tempfile.mkdtemp(prefix="ms", dir="/tmp"))  # short, as a socket lies in it
    script = ROOT / "tests/slurm/minislurm.sh"
    settings = {"MINISLURM_CPUS": "4", "MINISLURM_GPUS": "2"}
    # Two clusters that start together would choose the same free port.
    with open(tmp_path_factory.getbasetemp().parent / "cluster", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run([script, "start", place / "s"], env=os.environ | settings, check=True)
    unwanted = (
        "XLA_FLAGS",
        "PYTHONPATH",
        "PYTEST_CURRENT_TEST",
        "MAKEFLAGS",
        "MAKELEVEL",
        "MFLAGS",
    )
    environment = {key: value for key, value in os.environ.items() if key not in unwanted}
    path = os.pathsep.join(
        [str(place / "s/bin"), str(Path(sys.executable).parent), environment["PATH"]]
    )
    yield environment | {"SLURM_CONF": str(place / "s/slurm.conf"), "PATH": path}
    subprocess.run([script, "stop", place / "s"], check=True)
    shutil.rmtree(place)
