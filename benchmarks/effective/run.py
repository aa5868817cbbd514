"""
Effective draws per second of four models by Posterity, NumPyro, blackjax, and PyMC with nutpie: whole processes and sampling alone.

Run in the project's environment, from its folder, after `benchmarks/setup.sh`:
python benchmarks/effective/run.py [seeds] [model ...]
Each contender runs in turn for each seed. The smallest bulk ESS of all latent scalars is by ArviZ, one program for all; a run with
an R-hat of 1.01 or more is said.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "workflow/lib"), str(HERE)]

import xarray as xr  # noqa: E402
from worker import load  # noqa: E402

from posterity.artefact.netcdf import write_artefact  # noqa: E402
from posterity.stats.summary import summarise_draws  # noqa: E402

MODELS = ("schools", "logistic", "groups", "volatility")
CONTENDERS = ("posterity", "posterity, compiled before", "numpyro", "blackjax", "nutpie")


def prepare(name: str, place: Path) -> Path:
    """Write the data of a model."""
    arrays = {
        key: (("row", "column")[: value.ndim], value) for key, value in load(name).data().items()
    }
    path = place / f"{name}.nc"
    write_artefact(
        path, {"data": xr.Dataset(arrays)}, {"study": "study", "source": name, "data_hash": "1"}
    )
    return path


def fitted(
    contender: str, name: str, seed: int, data: Path, place: Path
) -> tuple[float, float, float, float]:
    """Run a worker. Returns seconds to the file, seconds of sampling, the smallest ESS of the latent scalars, the largest R-hat."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("XLA_FLAGS", "PYTHONDONTWRITEBYTECODE")
    }
    environment["POSTERITY_CACHE"] = str(
        place / ("warm" if "before" in contender else f"cold-{name}-{seed}")
    )
    python = str(ROOT / "benchmarks/.venv/bin/python") if contender == "nutpie" else sys.executable
    output = place / "posterior.nc"
    command = [
        python,
        "-W",
        "ignore",
        str(HERE / "worker.py"),
        contender.partition(",")[0],
        name,
        str(seed),
        str(data),
        str(output),
    ]
    begun = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        for line in process.stdout:
            if line.strip() == "saved":
                whole = time.perf_counter() - begun
                break
        alone = float(process.stdout.read())
    with xr.open_dataset(output, group="posterior", engine="netcdf4") as draws:
        latent = [
            site
            for site in draws.data_vars
            if not str(site).endswith("__") and not str(site).startswith("_")
        ]
        summary = summarise_draws(draws[latent].load(), "eti", 0.9)
    return whole, alone, float(summary["ess_bulk"].min()), float(summary["r_hat"].max())


def main(seeds: int, models: tuple[str, ...]) -> None:
    """Print, for each model and contender, medians over the seeds of ESS per second, and the largest R-hat."""
    print(
        "| model | contender | smallest ESS | s to the file | ESS/s | s of sampling | ESS/s | largest R-hat, of seeds |"
    )
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in models:
            place = Path(folder)
            data = prepare(name, place)
            fitted("posterity, compiled before", name, 0, data, place)  # fills the cache
            found = {contender: [] for contender in CONTENDERS}
            for seed in range(1, seeds + 1):
                for contender in CONTENDERS:
                    found[contender].append(fitted(contender, name, seed, data, place))
            for contender, rows in found.items():
                middle = statistics.median
                whole, alone, ess, rhat = zip(*rows, strict=True)
                rates = [
                    middle(e / t for e, t in zip(ess, times, strict=True))
                    for times in (whole, alone)
                ]
                bad = sum(one >= 1.01 for one in rhat)
                print(
                    f"| {name} | {contender} | {middle(ess):.0f} | {middle(whole):.2f} | {rates[0]:.0f} | {middle(alone):.2f} "
                    f"| {rates[1]:.0f} | {max(rhat):.3f}{f' ({bad} of {seeds} at 1.01 or more)' if bad else ''} |",
                    flush=True,
                )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, tuple(sys.argv[2:]) or MODELS)
