"""
Time the sampling of the study `line`, without compilation, by Posterity, NumPyro and nutpie.

All sample 4 chains x (500 + 5,000). Run in the project's environment, from its folder, after
`make run` and `benchmarks/setup.sh`:

    python benchmarks/sampling_line.py [rounds]

Each contender is a process that compiles and then samples once per line of its input. Contenders
run in turn.
"""

import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

POSTERITY = """
import sys
sys.path[:0] = ["workflow/lib"]
from posterity.runtime.device import configure_jax
configure_jax(2, "float64", 4)
from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import read_artefact
from posterity.config.schema import complete_settings
from posterity.inference.methods import nuts
from posterity.model.bind import bind_model
from posterity.notebook import load_settings
from posterity.runtime.rng import Stream
data = get_group(read_artefact("results/line/data.nc"), "data")
bound = bind_model("line", load_settings("line")["models"]["line"], data)
settings = complete_settings("nuts", warmup=500, draws=5000)
seed = 0
def sample():
    global seed
    seed += 1
    return nuts.fit(bound, settings, Stream(seed, ("benchmark",))).run_seconds
"""

NUMPYRO = """
import sys, time, os
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
import numpyro, jax
numpyro.enable_x64()
from numpyro.infer import MCMC, NUTS
sys.path[:0] = ["workflow/lib", "workflow/models/line"]
from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import read_artefact
from model import model
data = get_group(read_artefact("results/line/data.nc"), "data")
arguments = {name: data[name].values for name in ("x", "e", "y")}
mcmc = MCMC(NUTS(model), num_warmup=500, num_samples=5000, num_chains=4,
            chain_method="METHOD", progress_bar=False)
seed = 0
def sample():
    global seed
    seed += 1
    started = time.perf_counter()
    mcmc.run(jax.random.PRNGKey(seed), **arguments)
    jax.block_until_ready(mcmc.get_samples())
    return time.perf_counter() - started
"""

NUTPIE = """
import sys, time
import nutpie, pymc as pm, xarray as xr
data = xr.open_dataset("results/line/data.nc", group="data", engine="netcdf4")
with pm.Model() as model:
    m = pm.Uniform("m", -5, 5)
    c = pm.Uniform("c", -10, 10)
    pm.Normal("y", m * data["x"].values + c, data["e"].values, observed=data["y"].values)
compiled = nutpie.compile_pymc_model(model)
seed = 0
def sample():
    global seed
    seed += 1
    started = time.perf_counter()
    nutpie.sample(compiled, draws=5000, tune=500, chains=4, cores=2, seed=seed, progress_bar=False)
    return time.perf_counter() - started
"""

SAMPLE_ON_REQUEST = """
sample()
for line in sys.stdin:
    print(sample(), flush=True)
"""


def main(rounds: int) -> None:
    """Print the median seconds of each contender, and the median ratio to Posterity."""
    peers = str(ROOT / "benchmarks/.venv/bin/python")
    contenders = {"posterity": (sys.executable, POSTERITY)}
    for way in ("sequential", "parallel", "vectorized"):
        contenders[f"NumPyro, {way}"] = (sys.executable, NUMPYRO.replace("METHOD", way))
    contenders["nutpie"] = (peers, NUTPIE)
    running = {
        name: subprocess.Popen(
            [python, "-W", "ignore", "-c", program + SAMPLE_ON_REQUEST],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name, (python, program) in contenders.items()
    }
    times = {name: [] for name in contenders}
    for number in range(-1, rounds):
        for name, process in running.items():
            process.stdin.write("\n")
            process.stdin.flush()
            seconds = float(process.stdout.readline())
            if number >= 0:
                times[name].append(seconds)
    for process in running.values():
        process.stdin.close()
        process.wait()
    for name, values in times.items():
        ratio = statistics.median(b / a for a, b in zip(values, times["posterity"], strict=True))
        print(f"{name:24s} {statistics.median(values):8.3f} s   posterity takes {ratio:.3f} of it")


if __name__ == "__main__":
    assert (ROOT / "results/line/data.nc").is_file(), "run `make run` first"
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
