"""
Compare effective draws per second of Posterity, NumPyro, blackjax, and PyMC with nutpie.

Times are those of whole processes and of the sampling alone, for four models. Run in the project's
environment, from its folder, after `benchmarks/setup.sh`:

    python benchmarks/effective/run.py [seeds] [model ...]

Contenders run in turn for each seed. ArviZ computes the smallest bulk ESS of all latent scalars for
all of them. The table counts the runs with an R-hat of 1.01 or more.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "workflow/lib"), str(HERE)]

import xarray as xr  # noqa: E402
from worker import load  # noqa: E402

from posterity.artefact.netcdf import write_artefact  # noqa: E402
from posterity.stats.summary import summarise_draws  # noqa: E402

MODELS = ("schools", "logistic", "groups", "volatility")
CACHED = "posterity, filled cache"
CONTENDERS = ("posterity", CACHED, "numpyro", "blackjax", "nutpie")


def write_data(name: str, folder: Path) -> Path:
    """Write the data of a model; return the path."""
    data = xr.Dataset()
    for variable, values in load(name).data().items():
        data[variable] = (("row", "column")[: values.ndim], values)
    path = folder / f"{name}.nc"
    attributes = {"study": "study", "source": name, "data_hash": "1"}
    write_artefact(path, {"data": data}, attributes)
    return path


class Run(NamedTuple):
    """A run: seconds to the file and of sampling, smallest bulk ESS and largest R-hat."""

    total: float
    sampling: float
    ess: float
    rhat: float


def run_contender(contender: str, name: str, seed: int, data: Path, folder: Path) -> Run:
    """Fit a model by a contender in a process."""
    left_out = ("XLA_FLAGS", "PYTHONDONTWRITEBYTECODE")
    environment = {key: value for key, value in os.environ.items() if key not in left_out}
    cache = "filled" if contender == CACHED else f"empty-{name}-{seed}"
    environment["POSTERITY_CACHE"] = str(folder / cache)
    python = str(ROOT / "benchmarks/.venv/bin/python") if contender == "nutpie" else sys.executable
    output = folder / "posterior.nc"
    worker = [str(HERE / "worker.py"), contender.partition(",")[0]]
    command = [python, "-W", "ignore", *worker, name, str(seed), str(data), str(output)]
    total = float("nan")
    start = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        for line in process.stdout:
            if line.strip() == "saved":
                total = time.perf_counter() - start
                break
        sampling = float(process.stdout.read())
    with xr.open_dataset(output, group="posterior", engine="netcdf4") as draws:
        latent = [site for site in draws.data_vars if not is_derived(str(site))]
        summary = summarise_draws(draws[latent].load(), "eti", 0.9)
    return Run(total, sampling, float(summary["ess_bulk"].min()), float(summary["r_hat"].max()))


def is_derived(site: str) -> bool:
    """Return whether a variable of PyMC belongs to none of the sites of the model."""
    return site.endswith("__") or site.startswith("_")


def format_runs(name: str, contender: str, runs: list[Run]) -> str:
    """Return a row of the table: medians over the seeds, and the largest R-hat."""
    median = statistics.median
    total_rate = median(run.ess / run.total for run in runs)
    sampling_rate = median(run.ess / run.sampling for run in runs)
    failed = sum(run.rhat >= 1.01 for run in runs)
    note = f" ({failed} of {len(runs)} at 1.01 or more)" if failed else ""
    cells = [
        name,
        contender,
        f"{median(run.ess for run in runs):.0f}",
        f"{median(run.total for run in runs):.2f}",
        f"{total_rate:.0f}",
        f"{median(run.sampling for run in runs):.2f}",
        f"{sampling_rate:.0f}",
        f"{max(run.rhat for run in runs):.3f}{note}",
    ]
    return f"| {' | '.join(cells)} |"


def main(seeds: int, models: tuple[str, ...]) -> None:
    """Print a row for each model and contender."""
    print(
        "| model | contender | smallest ESS | s to the file | ESS/s | s of sampling | ESS/s ",
        end="",
    )
    print("| largest R-hat, of seeds |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name_of_folder:
        folder = Path(name_of_folder)
        for name in models:
            data = write_data(name, folder)
            run_contender(CACHED, name, 0, data, folder)  # fills the cache
            runs = {contender: [] for contender in CONTENDERS}
            for seed in range(1, seeds + 1):
                for contender in CONTENDERS:
                    runs[contender].append(run_contender(contender, name, seed, data, folder))
            for contender in CONTENDERS:
                print(format_runs(name, contender, runs[contender]), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, tuple(sys.argv[2:]) or MODELS)
