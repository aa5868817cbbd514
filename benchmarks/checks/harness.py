"""
Run the stages of one case in this process, from a CSV file to the diagnosis.

A worker process calls `enter_project` once. Then it runs any number of replicates. The stages are
the functions of workflow/scripts with the settings of config/config.yaml. They exchange files in a
folder in memory, if the machine has one.
"""

import inspect
import os
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
import yaml
from cases import Case, Row, Table

from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.diagnostics.check import checks_from_dataset, find_worst_status
from posterity.errors import UserError
from posterity.notebook import get_stage, load_settings, make_stage_arguments
from posterity.runtime import compile_cache

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MEMORY_FOLDER = Path("/dev/shm")
MODEL = "model"
FIT = "fit"
MAX_MESSAGE = 400  # characters of a message that a row holds


@contextmanager
def make_folder() -> Iterator[str]:
    """Make a temporary folder for the projects of the workers, in memory if possible."""
    memory = str(MEMORY_FOLDER) if os.access(MEMORY_FOLDER, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="posterity-checks-", dir=memory) as folder:
        yield folder


def enter_project(parent: str) -> None:
    """Make a folder with the layout of a project, the working directory of this process."""
    warnings.simplefilter("ignore")
    folder = Path(parent, str(os.getpid()))
    (folder / "config/studies").mkdir(parents=True)
    (folder / "config/config.yaml").symlink_to(ROOT / "config/config.yaml")
    os.chdir(folder)
    keep_programs_in_memory()


def keep_programs_in_memory() -> None:
    """Read each compiled program from the cache once per process: a real stage reads it once."""
    read = compile_cache._read_programs
    programs: dict[Any, Any] = {}

    def read_once(path: Path, devices: int) -> Any:
        if path not in programs:
            programs[path] = read(path, devices)
        return programs[path] or read(path, devices)

    compile_cache._read_programs = read_once


def run_replicate(case: Case, replicate: int) -> list[Row]:
    """
    Draw a table, and run all stages on it.

    Parameters
    ----------
    case : Case
        The case.
    replicate : int
        Number of the replicate.

    Returns
    -------
    list of Row
        The checks, the verdict, the stage that raised (if one did), and the time of each stage.
    """
    rng = np.random.default_rng([zlib.crc32(case.name.encode()), replicate])
    table = case.simulate(rng)
    pd.DataFrame(table.columns).to_csv(f"{case.name}.csv", index=False)
    run = StageRunner(case, replicate)
    rows = []
    try:
        checks = run.run_stages(table)
    except Exception as error:  # a benchmark counts what any stage may raise
        status = "refused" if isinstance(error, UserError) else "crash"
        message = f"{type(error).__name__}: {error}"
        rows.append(run.make_row(f"stage {run.stage}", np.nan, np.nan, status, message))
        verdict, reason = status, message
    else:
        rows += [run.make_row(*check) for check in checks]
        verdict = find_worst_status([status for _, _, _, status, _ in checks])
        reason = ", ".join(name for name, _, _, status, _ in checks if status in ("warn", "fail"))
    rows.append(run.make_row("verdict", np.nan, np.nan, verdict, reason))
    rows += [
        run.make_row(f"seconds {name}", seconds, np.nan, "", "")
        for name, seconds in run.seconds.items()
    ]
    return rows


class StageRunner:
    """
    Runs the stages of one replicate.

    Attributes
    ----------
    stage : str
        The stage that runs, or that raised.
    seconds : dict of str to float
        Time of each stage.
    """

    def __init__(self, case: Case, replicate: int):
        self.case = case
        self.replicate = replicate
        self.stage = ""
        self.seconds: dict[str, float] = {}

    def run_stages(self, table: Table) -> list[tuple[str, float, float, str, str]]:
        """Run all stages. Return name, value, threshold, status and message of each check."""
        study = load_case(self.case)
        arguments = load_arguments(self.case)
        seed = self.replicate + 1
        files = {
            name: f"{name}.nc"
            for name in ("data", "prior", "posterior", "predictive", "sensitivity", "diagnosis")
        }
        common = {
            **files,
            **arguments,
            "ids": replace(arguments["ids"], fit=""),
            "compute": replace(arguments["compute"], seed=seed),
            "study": self.case.name,
            "spec": study["data"],
            "float_type": study["float_type"],
            "draws": study["prior"]["draws"],
            "limits": study["checks"],
            "interval": study["figures"]["interval"],
            "max_scalars": study["checks"]["max_scalars_per_site"],
        }
        of_fit = common | {"ids": arguments["ids"]}
        self._call("data", common | {"output": files["data"], "model": None})
        add_truth(files["data"], table.truth)
        self._call("prior", common | {"output": files["prior"]})
        settings = study["fits"][FIT]
        self._call("fit", of_fit | {"output": files["posterior"], "settings": settings})
        names = ["data", "prior", "posterior"]
        if "posterior" in read_artefact(files["posterior"], attributes_only=False).children:
            names += ["predictive", "sensitivity"]
            settings = study["predict"]
            self._call("predict", of_fit | {"output": files["predictive"], "settings": settings})
            self._call("sensitivity", of_fit | {"output": files["sensitivity"]})
        inputs = {name: files[name] for name in names}
        self._call("diagnose", of_fit | {"output": files["diagnosis"], "inputs": inputs})
        checks = get_group(read_artefact(files["diagnosis"]), "checks")
        return [
            (check.name, check.value, check.threshold, check.status, check.message)
            for check in checks_from_dataset(checks)
        ]

    def make_row(
        self, check: str, value: float, threshold: float, status: str, message: str
    ) -> Row:
        """Return a line of the results."""
        text = " ".join(message.split())[:MAX_MESSAGE]
        return Row(self.case.name, self.replicate, check, value, threshold, status, text)

    def _call(self, name: str, arguments: dict[str, Any]) -> None:
        """Call a stage with those of the arguments that it takes."""
        self.stage = name
        stage = load_stage(name)
        taken = inspect.signature(stage).parameters
        started = time.perf_counter()
        with restore_flags():
            stage(**{key: value for key, value in arguments.items() if key in taken})
        self.seconds[name] = time.perf_counter() - started


def add_truth(path: str, truth: Mapping[str, Any]) -> None:
    """Add true values to data.nc, as a simulation does."""
    if not truth:
        return
    tree = read_artefact(path)
    values = {
        name: ([f"{name}_dim_{axis}" for axis in range(np.ndim(value))], np.asarray(value, float))
        for name, value in truth.items()
    }
    groups = {"data": get_group(tree, "data").load(), "truth": xr.Dataset(values)}
    attributes = dict(tree.attrs)
    tree.close()
    write_artefact(path, groups, attributes)


@contextmanager
def restore_flags() -> Iterator[None]:
    """Restore XLA_FLAGS afterwards: each stage appends to them."""
    flags = os.environ.get("XLA_FLAGS", "")
    try:
        yield
    finally:
        os.environ["XLA_FLAGS"] = flags


@cache
def load_stage(name: str) -> Callable[..., None]:
    """Return the function of a stage."""
    return get_stage(name)


@cache
def _load_study(name: str) -> dict[str, Any]:
    return load_settings(name)


@cache
def _load_arguments(name: str) -> dict[str, Any]:
    return make_stage_arguments(name, MODEL, FIT)


def load_case(case: Case) -> dict[str, Any]:
    """Return the settings of the study of a case. Its CSV file has to exist."""
    file, function = case.model.split(": ")
    path = Path("config/studies", f"{case.name}.yaml")
    if not path.exists():
        study = {
            "title": case.name,
            "data": {"file": f"{case.name}.csv"},
            "models": {MODEL: {"file": str(HERE / "models" / file), "function": function}},
            "fits": {FIT: case.fit},
        }
        path.write_text(yaml.safe_dump(study | case.study, sort_keys=False))
    return _load_study(case.name)


def load_arguments(case: Case) -> dict[str, Any]:
    """Return ids, model and compute settings of a case, whose study has been loaded."""
    return _load_arguments(case.name)
