"""
Measure how a fit grows with the data points (time) and with the latent values (peak memory).

Run in the project's environment, from its folder:

    python benchmarks/growth.py [rounds]

Prints two tables with their exponents and draws docs/growth.png. Each fit is a process with one
chain and one thread.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
LATENT_DRAWS = 300
SIZES = [100, 1000, 10_000, 100_000, 1_000_000]

LINE = """
import numpyro
import numpyro.distributions as dist

def model(x, y=None):
    m = numpyro.sample("m", dist.Normal(0, 10))
    c = numpyro.sample("c", dist.Normal(0, 10))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Normal(m * x + c, 1.0), obs=y)
"""
LATENT = """
import numpyro
import numpyro.distributions as dist

def model(x, y=None):
    with numpyro.plate("row", len(x)):
        z = numpyro.sample("z", dist.Normal(0, 2))
        numpyro.sample("y", dist.Normal(z, 1.0), obs=y)
"""
FIT = """
import json, resource, sys
sys.path[:0] = ["workflow/lib", "workflow/scripts"]
import numpy as np
import xarray as xr
from fit import FitJob, fit
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.config.schema import complete_settings
from posterity.config.stage import ComputeSettings, ModelSource, StageIds
folder = sys.argv[1]
size, warmup, draws = map(int, sys.argv[2:])
rng = np.random.default_rng(1)
x = rng.uniform(-1, 1, size)
data = xr.Dataset({"x": ("row", x), "y": ("row", 2 * x + 1 + rng.normal(size=size))})
attributes = {"study": "study", "source": "simulated", "data_hash": "1"}
write_artefact(f"{folder}/data.nc", {"data": data}, attributes)
spec = {"file": f"{folder}/model.py", "function": "model", "arguments": {}, "observed": None,
        "dims": {}}
fit(f"{folder}/data.nc", f"{folder}/posterior.nc", StageIds("study", "m", "nuts"),
    ModelSource(spec, [spec["file"]]),
    complete_settings("nuts", chains=1, warmup=warmup, draws=draws),
    ComputeSettings(seed=1), job=FitJob(checkpoint=f"{folder}/checkpoint"))
attributes = read_artefact(f"{folder}/posterior.nc", True).attrs
print(json.dumps({"seconds": attributes["run_seconds"],
                  "leapfrogs": int(attributes["gradient_evaluations"]),
                  "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def measure_fit(source: str, size: int, warmup: int, draws: int) -> dict[str, float]:
    """Fit a model in a process; return run time (s), leapfrog steps and peak memory (MB)."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "model.py").write_text(source)
        numbers = [str(size), str(warmup), str(draws)]
        command = [sys.executable, "-W", "ignore", "-c", FIT, folder, *numbers]
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(process.stdout.splitlines()[-1])


def compute_exponent(values: list[float]) -> float:
    """Return the slope of log(values) over the last three sizes, where fixed costs are small."""
    known = np.flatnonzero(np.isfinite(values))[-3:]
    sizes = np.array(SIZES)[known]
    return float(np.polyfit(np.log(sizes), np.log(np.array(values)[known]), 1)[0])


def draw_growth(seconds: list[float], memory: list[float], draws_mb: list[float]) -> None:
    """Draw time per leapfrog step and peak memory; write docs/growth.png."""
    sys.path.insert(0, str(ROOT / "workflow/lib"))

    from posterity.plots.style import apply_style

    with apply_style():
        _draw_panels(seconds, memory, draws_mb)


def _draw_panels(seconds: list[float], memory: list[float], draws_mb: list[float]) -> None:
    """Draw the two panels and write the file."""
    import matplotlib.pyplot as plt

    from posterity.plots.style import MODEL_COLOUR, TRUTH_COLOUR

    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4))
    left.loglog(SIZES, [1e6 * value for value in seconds], "o-", color=MODEL_COLOUR)
    left.set_xlabel("data points")
    left.set_ylabel("time per leapfrog (µs)")
    left.set_title(f"a line; exponent {compute_exponent(seconds):.2f} of the last three")
    right.loglog(SIZES, memory, "o-", color=MODEL_COLOUR, label="peak memory of the fit")
    right.loglog(SIZES, draws_mb, "s--", color=TRUTH_COLOUR, label="all draws in double precision")
    right.set_xlabel("latent values")
    right.set_ylabel("memory (MB)")
    exponent = compute_exponent(memory)
    right.set_title(f"{LATENT_DRAWS} draws; exponent {exponent:.2f} of the last three")
    right.legend()
    figure.savefig(ROOT / "docs/growth.png", metadata={"Software": None})


def main(rounds: int) -> None:
    """Print the tables."""
    seconds = []
    print("| data points | µs per leapfrog |\n|---|---|")
    for size in SIZES:
        draws = 300 if size < 1e6 else 50
        fits = [measure_fit(LINE, size, 200, draws) for _ in range(rounds)]
        seconds.append(statistics.median(fit["seconds"] / fit["leapfrogs"] for fit in fits))
        print(f"| {size} | {1e6 * seconds[-1]:.2f} |", flush=True)
    print(f"exponent {compute_exponent(seconds):.2f}\n")

    memory = []
    draws_mb = [LATENT_DRAWS * 8e-6 * size for size in SIZES]
    print("| latent values | peak MB | all draws, MB | seconds |\n|---|---|---|---|")
    for size, all_draws in zip(SIZES, draws_mb, strict=True):
        fit = measure_fit(LATENT, size, 50 if size < 1e6 else 20, LATENT_DRAWS)
        memory.append(fit["memory"])
        cells = [f"{size}", f"{fit['memory']:.0f}", f"{all_draws:.1f}", f"{fit['seconds']:.1f}"]
        print(f"| {' | '.join(cells)} |", flush=True)
    print(f"exponent {compute_exponent(memory):.2f}")
    draw_growth(seconds, memory, draws_mb)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
