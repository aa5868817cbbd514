"""How much work a job is, and what it therefore asks a scheduler for: memory and time."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from posterity.config.registry import CHAIN_KINDS, DRAW_KINDS, METHODS
from posterity.config.targets import get_draw_kind
from posterity.python_files import user_files

SIZES_FILE = Path(".snakemake/posterity-sizes.json")
LIBRARY = Path(__file__).resolve().parents[2]
COUNT_SIZES = False  # whether a dry run counts sizes: a plan does


@dataclass(frozen=True)
class ModelSize:
    """
    How many numbers a model has with its data: in the table, at observed and at latent sites, kept of each draw, and kept of the
    largest site.
    """

    data: int = 0
    observed: int = 0
    latent: int = 0
    kept: int = 0
    largest: int = 0


# What a process needs before it has done anything, and 8-byte copies of each number that it holds at its peak, by stage. Measured
# with benchmarks/resources.py, whose table says how near they come.
BASE_MB = {
    "data": 150, "prior": 450, "fit": 700, "predict": 450, "sensitivity": 250, "diagnose": 250, "compare": 270, "figures": 260,
    "tables": 250, "verdict": 170, "gate": 150, "verdicts": 150,
}  # fmt: skip
COPIES_HELD = {
    "data": {"data": 4},
    "prior": {"data": 4, "prior": 3},
    "fit": {"data": 30, "drawn": 4, "square": 12},
    "predict": {"data": 8, "kept": 3, "predicted": 7},
    "sensitivity": {"predicted": 2.2, "kept": 1},
    "diagnose": {"data": 2, "kept": 4, "prior": 1.5, "predicted": 2},
    "compare": {"kept": 2, "predicted": 4},
    "compare fits": {"kept": 2},
    "figures": {"data": 4, "kept": 1.5},
    "figures fits": {},
    "figures models": {},
    "figures sensitivity": {},
    "figures predictions": {"data": 4, "kept": 1.5, "predicted": 3},
    "figures data": {"data": 400, "kept": 3, "predicted": 3},
    "figures ppc": {"data": 500, "predicted": 3},
    "figures prior": {"prior": 4},
    "figures graph": {},
    "tables parameters": {"data": 4, "kept": 2},
}
MAX_HELD_NUMBERS = (
    32e6  # numbers of draws that chains hold in memory, and of a site that is read at once
)
FULL_COVARIANCE_GUIDES = (
    "AutoMultivariateNormal",
)  # guides with a covariance of all latent values
SNAKEMAKE_MB = (
    340  # MB: a job on a cluster is one or two processes of Snakemake around that of the stage
)
MIN_JOB_MB = 600  # MB: never less

MIN_MINUTES = {"fit": 30}  # the shortest limit; 10 for other stages
SECONDS_PER_NUMBER = 2e-7  # s for a number that is held once
SECONDS_PER_LEAPFROG = (1e-6, 5e-9)  # s: of itself, and for each number of model and data
LEAPFROGS_PER_DRAW = 50  # of a draw, as a guess
TIME_FACTOR = 10  # limit over estimate: leapfrogs are not known before


def estimate_resources(
    stage: str, numbers: dict[str, int], attempt: int = 1
) -> dict[str, int | None]:
    """
    What a job asks for: `mem_mb`, `runtime` (minutes), and `gpu` (none, unless a profile gives it one).

    Memory is that of the process without work (`BASE`), 8 bytes for each copy of the numbers that it holds (`COPIES`), and that of
    Snakemake on the node; time is a generous multiple of an estimate, with a floor. Both double with each further attempt, since a
    job that was killed for one of them is started again.

    `stage` may name a kind, too ("figures prior", "tables parameters", "compare fits": without models). `numbers` are those of
    `numbers()`.
    """
    kind, stage = stage, stage.partition(" ")[0]
    held = {
        what: copies * numbers.get(what, 0)
        for what, copies in COPIES_HELD.get(kind, COPIES_HELD.get(stage, {})).items()
    }
    memory = max(MIN_JOB_MB, SNAKEMAKE_MB + BASE_MB[stage] + 8e-6 * sum(held.values()))
    seconds = SECONDS_PER_NUMBER * sum(held.values()) + numbers.get("leapfrogs", 0) * (
        stage == "fit"
    ) * (SECONDS_PER_LEAPFROG[0] + SECONDS_PER_LEAPFROG[1] * numbers.get("gradient", 0))
    minutes = max(MIN_MINUTES.get(stage, 10), TIME_FACTOR * seconds / 60)
    grown = 2 ** (attempt - 1)
    return {
        "mem_mb": _round_up(memory, 50) * grown,
        "runtime": _round_up(minutes, 5) * grown,
        "gpu": None,
    }


def estimate_workload(
    study: dict, sizes: dict[str, ModelSize], model: str | None = None, fit: str | None = None
) -> dict[str, int]:
    """
    Count the numbers that jobs of a study hold, or those for one model and one fit of it.

    `data`: of the table; `prior`: draws of the prior; `drawn`: draws that a fit holds in memory (chains leave the rest on disk);
    `kept`: draws of posteriors that later stages do (they read a site that is too large in parts); `predicted`: predictions of the
    observed sites, and at new covariates; `square`: of a covariance of all latent values, if there is one; `gradient`: what one
    gradient goes through; `leapfrogs`: a guess of how many there are. `sizes` are by model.
    """
    found = dict.fromkeys(
        ("data", "prior", "drawn", "kept", "predicted", "square", "gradient", "leapfrogs"), 0
    )
    elsewhere = max(
        [_count_values(values) for values in study["predict"].get("at", {}).values()], default=0
    )
    for id in study["models"] if model is None else [model]:
        size = sizes.get(id, ModelSize())
        found["data"] = max(found["data"], size.data)
        found["prior"] += study["prior"]["draws"] * (size.kept + size.observed)
        found["gradient"] = max(found["gradient"], size.latent + size.observed + size.data)
        for name, settings in study["fits"].items():
            if id in settings["models"] and fit in (None, name):
                draws = settings.get("draws", 1) * settings.get("chains", 1)
                chains = get_draw_kind(study, name) in CHAIN_KINDS
                iterations = (
                    settings.get("chains", 1)
                    * (settings.get("warmup", 0) + settings.get("draws", 0))
                    if chains
                    else 0
                )
                found["drawn"] += (
                    min(draws * size.kept, MAX_HELD_NUMBERS) if chains else draws * size.kept
                )
                found["kept"] += draws * (size.kept - size.largest) + min(
                    draws * size.largest, MAX_HELD_NUMBERS
                )
                found["leapfrogs"] += LEAPFROGS_PER_DRAW * iterations or (
                    settings.get("steps") or 1000
                ) * settings.get("particles", 1)
                if get_draw_kind(study, name) in DRAW_KINDS:
                    found["predicted"] += min(draws, study["predict"]["draws"]) * (
                        size.observed + elsewhere
                    )
                if (
                    settings.get("guide") in FULL_COVARIANCE_GUIDES
                    or settings.get("dense_mass")
                    or METHODS[settings["method"]].dense_covariance
                ):
                    found["square"] += size.latent**2
    return found


def get_model_sizes(studies: dict[str, dict], count: bool) -> dict[tuple[str, str], ModelSize]:
    """
    Give the sizes of the models of studies, by study and model, as far as they are known.

    They are counted by binding each model to its data, in a process of its own, where `count` allows it and they are not known
    since the files of model and data were last touched. What does not bind has no size: its job will say why.
    """
    keys = {
        (name, model): _size_key(study, spec)
        for name, study in studies.items()
        for model, spec in study["models"].items()
    }
    known = _read_sizes()
    missing = sorted({name for (name, _), key in keys.items() if key not in known})
    if missing and count:
        done = subprocess.run(
            [sys.executable, "-m", "posterity.workflow.model_sizes", *missing],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
        )
        counted = {}
        for line in done.stdout.splitlines():
            counted |= json.loads(line)
        unknown = [name for name in missing if name not in counted]
        if unknown:
            remedy = "`make check` may say why; jobs ask for the least (--set-resources fit:mem_mb=... asks for more)"
            print(
                f"posterity: the sizes of {', '.join(unknown)} could not be counted: {remedy}",
                file=sys.stderr,
            )
        new = {
            keys[name, id]: models.get(id, asdict(ModelSize()))
            for name, models in counted.items()
            for id in studies[name]["models"]
        }
        _write_sizes(new)
        known |= new
    return {place: ModelSize(**known[key]) for place, key in keys.items() if key in known}


def _count_values(values) -> int:
    """Tell how many numbers a covariate of `predict: at:` has: a list, {linspace: [from, to, number]}, or one number."""
    if isinstance(values, dict):
        values = next(iter(values.values()))
        return int(values[2]) if isinstance(values, list) and len(values) == 3 else 1
    return len(values) if isinstance(values, list) else 1


def _size_key(study: dict, spec: dict) -> str:
    """Name what the sizes of a model follow from: the settings of data and model, and the state of their files."""
    data = study["data"]
    files = user_files(spec["file"], LIBRARY) + ([data["file"]] if "file" in data else [])
    if "simulate" in data:
        files += [
            str(path)
            for path in Path("workflow/models").glob(f"{data['simulate']['model']}/simulate.py")
        ]
    stats = [
        (os.path.abspath(file), os.stat(file).st_mtime_ns, os.stat(file).st_size) for file in files
    ]
    bound = {key: value for key, value in spec.items() if key != "figures"}
    return hashlib.sha256(json.dumps([data, bound, stats], sort_keys=True).encode()).hexdigest()[
        :16
    ]


def _read_sizes() -> dict[str, dict]:
    try:
        return json.loads(SIZES_FILE.read_text())
    except (OSError, ValueError):
        return {}


def _write_sizes(known: dict[str, dict]) -> None:
    beside = SIZES_FILE.with_name(f".{SIZES_FILE.name}.{os.getpid()}")
    try:
        beside.write_text(json.dumps(_read_sizes() | known))
        os.replace(beside, SIZES_FILE)
    except OSError:  # they are counted again
        beside.unlink(missing_ok=True)


def _round_up(value: float, step: int) -> int:
    return int(-(-value // step) * step)
