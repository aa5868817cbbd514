"""
Growth: time per leapfrog with the number of data points, and peak memory of the fit stage with the number of latent values.

Run in the project's environment, from its folder: python benchmarks/growth.py [rounds]. Prints two tables with their exponents, and
draws docs/growth.png. Each fit is a process of its own: one chain, one thread.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
DRAWS = 300  # of the latent values
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
from fit import fit
from posterity import artefact
from posterity.study import settings
place, size, warmup, draws = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
rng = np.random.default_rng(1)
x = rng.uniform(-1, 1, size)
data = xr.Dataset({"x": ("row", x), "y": ("row", 2 * x + 1 + rng.normal(size=size))})
artefact.write(f"{place}/data.nc", {"data": data}, {"study": "study", "source": "simulated", "data_hash": "1"})
spec = {"file": f"{place}/model.py", "function": "model", "arguments": {}, "observed": None, "dims": {}}
chosen = settings("nuts", chains=1, warmup=warmup, draws=draws)
fit(f"{place}/data.nc", f"{place}/posterior.nc", "study", "m", spec, "nuts", chosen, 1, "float64", [spec["file"]],
    checkpoint=f"{place}/checkpoint")
attributes = artefact.read(f"{place}/posterior.nc", True).attrs
print(json.dumps({"seconds": attributes["run_seconds"], "leapfrogs": int(attributes["gradient_evaluations"]),
                  "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def fitted(source: str, size: int, warmup: int, draws: int) -> dict:
    """Fit in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        Path(place, "model.py").write_text(source)
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            FIT,
            place,
            str(size),
            str(warmup),
            str(draws),
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def exponent(values: list[float]) -> float:
    """The slope between the last three sizes that were run, in logarithms: what is fixed counts little there."""
    known = np.flatnonzero(np.isfinite(values))[-3:]
    return float(np.polyfit(np.log(np.array(SIZES)[known]), np.log(np.array(values)[known]), 1)[0])


def draw(times: list[float], memory: list[float], held: list[float]) -> None:
    """Draw both."""
    sys.path.insert(0, str(ROOT / "workflow/lib"))
    from posterity.plots import style
    from posterity.plots.style import MODEL_COLOUR, TRUTH_COLOUR

    figure, (left, right) = style.plt.subplots(1, 2, figsize=(8, 3.4))
    left.loglog(SIZES, [1e6 * one for one in times], "o-", color=MODEL_COLOUR)
    left.set_xlabel("data points")
    left.set_ylabel("time per leapfrog (µs)")
    left.set_title(f"a line; exponent {exponent(times):.2f} of the last three")
    right.loglog(SIZES, memory, "o-", color=MODEL_COLOUR, label="peak memory of the fit")
    right.loglog(SIZES, held, "s--", color=TRUTH_COLOUR, label="all draws in double precision")
    right.set_xlabel("latent values")
    right.set_ylabel("memory (MB)")
    right.set_title(f"{DRAWS} draws; exponent {exponent(memory):.2f} of the last three")
    right.legend()
    figure.savefig(ROOT / "docs/growth.png", metadata={"Software": None})


def main(rounds: int) -> None:
    """Print the tables."""
    times, memory = [], []
    print("| data points | µs per leapfrog |\n|---|---|")
    for size in SIZES:
        found = [fitted(LINE, size, 200, 300 if size < 1e6 else 50) for _ in range(rounds)]
        times.append(statistics.median(one["seconds"] / one["leapfrogs"] for one in found))
        print(f"| {size} | {1e6 * times[-1]:.2f} |", flush=True)
    print(
        f"exponent {exponent(times):.2f}\n\n| latent values | peak MB | all draws, MB | seconds |\n|---|---|---|---|"
    )
    held = [DRAWS * 8e-6 * size for size in SIZES]
    for size, all_draws in zip(SIZES, held, strict=True):
        one = fitted(LATENT, size, 50 if size < 1e6 else 20, DRAWS)
        memory.append(one["memory"])
        print(
            f"| {size} | {one['memory']:.0f} | {all_draws:.1f} | {one['seconds']:.1f} |", flush=True
        )
    print(f"exponent {exponent(memory):.2f}")
    draw(times, memory, held)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
