"""Memory and time that a job requests from a scheduler, estimated from the size of its work."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from posterity.config.registry import CHAIN_KINDS, DRAW_KINDS, METHODS
from posterity.config.study import find_simulation_model
from posterity.config.targets import get_draw_kind
from posterity.python_files import user_files

SIZES_FILE = Path(".snakemake/posterity-sizes.json")
LIBRARY = Path(__file__).resolve().parents[2]
COUNT_SIZES_VARIABLE = "POSTERITY_COUNT_SIZES"  # `1` makes a dry run count sizes; a plan sets it


@dataclass(frozen=True)
class ModelSize:
    """
    How many numbers a model has with its data.

    Attributes
    ----------
    data : int
        Numbers in the table.
    observed, latent : int
        Numbers at all observed and at all latent sites.
    stored : int
        Numbers that are stored of each draw.
    largest_site : int
        Numbers that are stored of the largest site of each draw.
    """

    data: int = 0
    observed: int = 0
    latent: int = 0
    stored: int = 0
    largest_site: int = 0


# Memory of a process before it has done anything, and 8-byte copies of each number that it holds
# at its peak, by stage. benchmarks/resources.py measured them, and shows how close they are.
BASE_MB = {
    "data": 150, "prior": 450, "fit": 700, "predict": 450, "sensitivity": 250, "diagnose": 250,
    "compare": 270, "figures": 260, "tables": 250, "verdict": 170, "gate": 150, "verdicts": 150,
}  # fmt: skip
COPIES_HELD: dict[str, dict[str, float]] = {
    "data": {"data": 4},
    "prior": {"data": 4, "prior_draws": 3},
    "fit": {"data": 30, "fit_draws": 4, "covariance": 12},
    "predict": {"data": 8, "stored_draws": 3, "predictions": 7},
    "sensitivity": {"predictions": 2.2, "stored_draws": 1},
    "diagnose": {"data": 2, "stored_draws": 4, "prior_draws": 1.5, "predictions": 2},
    "compare": {"stored_draws": 2, "predictions": 4},
    "compare fits": {"stored_draws": 2},
    "figures": {"data": 4, "stored_draws": 1.5},
    "figures fits": {},
    "figures models": {},
    "figures loo_pit": {"data": 4},
    "figures sensitivity": {},
    "figures predictions": {"data": 4, "stored_draws": 1.5, "predictions": 3},
    "figures data": {"data": 400, "stored_draws": 3, "predictions": 3},
    "figures ppc": {"data": 500, "predictions": 3},
    "figures prior": {"prior_draws": 4},
    "figures graph": {},
    "tables parameters": {"data": 4, "stored_draws": 2},
}
# Numbers of draws that chains hold in memory, and of a site that a stage reads at once
MAX_HELD_NUMBERS = 32e6
# Guides with a covariance of all latent values
FULL_COVARIANCE_GUIDES = ("AutoMultivariateNormal",)
# On a cluster one or two processes of Snakemake run around that of the stage
SNAKEMAKE_MB = 340
MIN_JOB_MB = 600

MIN_MINUTES = {"fit": 30}  # shortest time limit; 10 for other stages
SECONDS_PER_NUMBER = 2e-7  # for each number that a stage holds once
SECONDS_PER_LEAPFROG = 1e-6
SECONDS_PER_LEAPFROG_AND_NUMBER = 5e-9  # for each number of model and data
LEAPFROGS_PER_DRAW = 50  # a guess
DEFAULT_STEPS = 1000  # of an optimisation that sets none
TIME_FACTOR = 10  # time limit over estimate, since the number of leapfrogs is unknown


def estimate_resources(
    stage: str, workload: dict[str, int], attempt: int = 1
) -> dict[str, int | None]:
    """
    Return what a job requests.

    Memory is that of the process without work, 8 bytes for each copy of the numbers that it holds,
    and that of Snakemake on the node. The time limit is a generous multiple of an estimate. Both
    have a floor, and double with each further attempt, since a job that was killed for one of them
    starts again.

    Parameters
    ----------
    stage : str
        A stage, or a stage and a kind: "figures prior", "tables parameters", "compare fits".
    workload : dict
        Numbers that the job holds, from `estimate_workload`.
    attempt : int
        1 for the first attempt.

    Returns
    -------
    dict
        `mem_mb`, `runtime` (minutes) and `gpu` (None, unless a profile sets it).
    """
    name = stage.partition(" ")[0]
    copies = COPIES_HELD.get(stage, COPIES_HELD.get(name, {}))
    held_numbers = sum(number * workload.get(part, 0) for part, number in copies.items())
    memory = max(MIN_JOB_MB, SNAKEMAKE_MB + BASE_MB[name] + 8e-6 * held_numbers)
    seconds = SECONDS_PER_NUMBER * held_numbers
    if name == "fit":
        numbers = workload.get("gradient", 0)
        leapfrog = SECONDS_PER_LEAPFROG + SECONDS_PER_LEAPFROG_AND_NUMBER * numbers
        seconds += workload.get("leapfrogs", 0) * leapfrog
    minutes = max(MIN_MINUTES.get(name, 10), TIME_FACTOR * seconds / 60)
    growth = 2 ** (attempt - 1)
    return {
        "mem_mb": _round_up(memory, 50) * growth,
        "runtime": _round_up(minutes, 5) * growth,
        "gpu": None,
    }


def estimate_workload(
    study: dict, sizes: dict[str, ModelSize], model: str | None = None, fit: str | None = None
) -> dict[str, int]:
    """
    Count the numbers that jobs of a study hold.

    Parameters
    ----------
    study : dict
        Settings of the study, in normal form.
    sizes : dict
        Sizes of its models, as far as they are known.
    model, fit : str, optional
        Count for one model, and for one fit.

    Returns
    -------
    dict of int
        - `data`: numbers in the table
        - `prior_draws`: draws of the prior
        - `fit_draws`: draws that a fit holds in memory (chains leave the rest on disk)
        - `stored_draws`: draws of the posterior that later stages hold (they read a large site in
          parts)
        - `predictions`: predictions of observed sites, and at new covariates
        - `covariance`: covariance of all latent values, if there is one
        - `gradient`: numbers that one gradient visits
        - `leapfrogs`: a guess of their number
    """
    counts = {"data": 0, "prior_draws": 0, "gradient": 0}
    totals = dict.fromkeys(
        ("fit_draws", "stored_draws", "predictions", "covariance", "leapfrogs"), 0
    )
    for name in study["models"] if model is None else [model]:
        size = sizes.get(name, ModelSize())
        counts["data"] = max(counts["data"], size.data)
        counts["prior_draws"] += study["prior"]["draws"] * (size.stored + size.observed)
        counts["gradient"] = max(counts["gradient"], size.latent + size.observed + size.data)
        for fit_id, settings in study["fits"].items():
            if name in settings["models"] and fit in (None, fit_id):
                for key, number in _count_fit(study, fit_id, size).items():
                    totals[key] += number
    return counts | totals


def _count_fit(study: dict, fit: str, size: ModelSize) -> dict[str, int]:
    """Count the numbers of one fit of a model, as `estimate_workload` describes them."""
    settings = study["fits"][fit]
    kind = get_draw_kind(study, fit)
    chains = settings.get("chains", 1)
    draws = settings.get("draws", 1) * chains
    held = draws * size.stored
    leapfrogs = 0
    if kind in CHAIN_KINDS:
        held = min(held, MAX_HELD_NUMBERS)
        iterations = chains * (settings.get("warmup", 0) + settings.get("draws", 0))
        leapfrogs = LEAPFROGS_PER_DRAW * iterations
    if not leapfrogs:
        leapfrogs = (settings.get("steps") or DEFAULT_STEPS) * settings.get("particles", 1)
    small_sites = draws * (size.stored - size.largest_site)
    large_site = min(draws * size.largest_site, MAX_HELD_NUMBERS)
    predictions = 0
    if kind in DRAW_KINDS:
        places = study["predict"].get("at", {}).values()
        new_values = max([_count_values(values) for values in places], default=0)
        predictions = min(draws, study["predict"]["draws"]) * (size.observed + new_values)
    full_covariance = (
        settings.get("guide") in FULL_COVARIANCE_GUIDES
        or settings.get("dense_mass")
        or METHODS[settings["method"]].dense_covariance
    )
    return {
        "fit_draws": held,
        "stored_draws": small_sites + large_site,
        "predictions": predictions,
        "covariance": size.latent**2 if full_covariance else 0,
        "leapfrogs": leapfrogs,
    }


def must_count_sizes() -> bool:
    """Return whether a dry run has to count the sizes of models, which `make plan` requests."""
    return os.environ.get(COUNT_SIZES_VARIABLE) == "1"


def get_model_sizes(studies: dict[str, dict], count: bool) -> dict[tuple[str, str], ModelSize]:
    """
    Return the known sizes of models, by study and model.

    If `count` is True, another process counts missing sizes: it binds each model to its data. Sizes
    are stored until a file of the model or its data changes. A model that does not bind has size
    zero, and its job reports why.
    """
    keys = {
        (name, model): _make_size_key(study, spec)
        for name, study in studies.items()
        for model, spec in study["models"].items()
    }
    known = _read_sizes()
    missing = sorted({name for (name, _), key in keys.items() if key not in known})
    if missing and count:
        new = {}
        for name, sizes in _count_sizes(missing).items():
            for model in studies[name]["models"]:
                new[keys[name, model]] = sizes.get(model, asdict(ModelSize()))
        _write_sizes(new)
        known |= new
    return {ids: ModelSize(**known[key]) for ids, key in keys.items() if key in known}


def _count_sizes(studies: list[str]) -> dict[str, dict[str, dict]]:
    """Count the sizes of models in another process, by study and model. Warn if that fails."""
    process = subprocess.run(
        [sys.executable, "-m", "posterity.workflow.model_sizes", *studies],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    sizes: dict[str, dict[str, dict]] = {}
    for line in process.stdout.splitlines():
        sizes |= json.loads(line)
    if unknown := [name for name in studies if name not in sizes]:
        print(
            f"posterity: {', '.join(unknown)}: model sizes cannot be counted, so jobs request the "
            "minimum. `make check` may show the reason; --set-resources fit:mem_mb=... requests "
            "more.",
            file=sys.stderr,
        )
    return sizes


def _count_values(values: list | dict | float) -> int:
    """Count the numbers of a covariate of `predict: at:`, such as {linspace: [from, to, n]}."""
    if isinstance(values, dict):
        values = next(iter(values.values()))
        return int(values[2]) if isinstance(values, list) and len(values) == 3 else 1
    return len(values) if isinstance(values, list) else 1


def _make_size_key(study: dict, spec: dict) -> str:
    """Hash what the size of a model depends on: settings of data and model, and their files."""
    data = study["data"]
    files = user_files(spec["file"], LIBRARY) + ([data["file"]] if "file" in data else [])
    if "simulate" in data:
        model = find_simulation_model(data["simulate"]["model"], study)
        simulator = Path(model["file"]).with_name("simulate.py")
        files += user_files(simulator if simulator.is_file() else model["file"], LIBRARY)
    states = []
    for file in files:
        status = os.stat(file)
        states.append((os.path.abspath(file), status.st_mtime_ns, status.st_size))
    bound = {key: value for key, value in spec.items() if key != "figures"}
    columns = [column.name for column in fields(ModelSize)]
    text = json.dumps([columns, data, bound, states], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read_sizes() -> dict[str, dict]:
    """Return the stored sizes by their keys; nothing if the file is missing or damaged."""
    try:
        return json.loads(SIZES_FILE.read_text())
    except (OSError, ValueError):
        return {}


def _write_sizes(sizes: dict[str, dict]) -> None:
    """Add sizes to the stored ones. If the file cannot be written, the next run counts again."""
    temporary = SIZES_FILE.with_name(f".{SIZES_FILE.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(_read_sizes() | sizes))
        os.replace(temporary, SIZES_FILE)
    except OSError:
        temporary.unlink(missing_ok=True)


def _round_up(value: float, step: int) -> int:
    """Round up to a multiple of `step`."""
    return int(-(-value // step) * step)
