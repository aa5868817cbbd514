"""
Time the fit of the study `line` by Posterity and by other packages.

Each contender is a whole process, from start to the NetCDF file. Posterity fits with an empty cache
of compiled programs and with a filled one. Run in the project's environment, from its folder, after
`make run` and `benchmarks/setup.sh`:

    python benchmarks/fit_line.py [rounds]

Contenders run in turn. Bytecode is compiled in both environments.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "results/line/data.nc"

FIT = """
import sys
sys.path[:0] = ["workflow/lib", "workflow/scripts"]
from dataclasses import replace
from fit import fit
from posterity.notebook import load_settings, make_stage_arguments
from posterity.workflow.job import exit_process
settings = load_settings("line")["fits"]["nuts"]
settings.pop("models", None)
arguments = make_stage_arguments("line", "line", "nuts")
arguments["compute"] = replace(arguments["compute"], threads=int(sys.argv[2]))
fit("results/line/data.nc", sys.argv[1], settings=settings, **arguments)
exit_process(0)  # as a job does
"""

IMPORTS = """
import sys
sys.path[:0] = ["workflow/lib", "workflow/scripts"]
import fit
import posterity.notebook
from posterity.runtime.device import configure_jax
configure_jax(1, "float64", 4)
from posterity.inference import checkpoint, run
from posterity.inference.methods import nuts
from posterity.model import model, preflight
"""


def time_process(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Run a process; return its wall time in seconds and its peak memory in MB."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command[:3])}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def make_commands(folder: str) -> dict[str, list[str]]:
    """Return the command of each contender. Results are written to a folder."""
    python = sys.executable
    peers = str(ROOT / "benchmarks/.venv/bin/python")
    one = [python, "-c", FIT, f"{folder}/one.nc", "1"]
    two = [python, "-c", FIT, f"{folder}/two.nc", "2"]
    blackjax = [python, "benchmarks/blackjax_line.py", str(DATA), f"{folder}/blackjax.nc"]
    return {
        "the tutorial's code (NumPyro's MCMC)": [
            python,
            "benchmarks/seed_line.py",
            f"{folder}/seed.nc",
        ],
        "PyMC and nutpie": [peers, "benchmarks/pymc_line.py", str(DATA), f"{folder}/pymc.nc"],
        "blackjax": blackjax,
        "posterity, empty cache, 1 thread": one,
        "posterity, empty cache, 2 threads": two,
        "posterity, filled cache, 1 thread": one,
        "posterity, filled cache, 2 threads": two,
        "posterity's imports alone": [python, "-c", IMPORTS],
    }


def main(rounds: int) -> None:
    """Print the median time of each contender, and the median ratio to the tutorial's code."""
    left_out = ("XLA_FLAGS", "PYTHONDONTWRITEBYTECODE")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    with tempfile.TemporaryDirectory() as folder:
        commands = make_commands(folder)
        seconds = {name: [] for name in commands}
        memory = dict.fromkeys(commands, 0.0)
        # The round -1 fills the caches of the disk and does not count.
        for number in range(-1, rounds):
            for index, (name, command) in enumerate(commands.items()):
                cache = f"{folder}/{number}-{index}" if "empty" in name else f"{folder}/filled"
                wall_time, peak = time_process(command, environment | {"POSTERITY_CACHE": cache})
                if number >= 0:
                    seconds[name].append(wall_time)
                    memory[name] = max(memory[name], peak)
    reference = next(iter(seconds.values()))
    print(f"rounds: {rounds}; cores: {len(os.sched_getaffinity(0))}")
    for name, values in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(values, reference, strict=True))
        median = statistics.median(values)
        print(f"{name:42s} {median:6.2f} s   ratio {ratio:.2f}   peak {memory[name]:.0f} MB")


if __name__ == "__main__":
    assert DATA.is_file(), "run `make run` first"
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
