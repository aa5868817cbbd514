"""
The fit stage of the study `line`, cold and with its programs compiled before, against others: whole processes, saved to NetCDF.

Run in the project's environment, from its folder, after `make run` and `benchmarks/setup.sh`:
python benchmarks/fit_line.py [rounds].
Contenders are interleaved; bytecode is compiled in both environments.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

FIT = """
import sys
sys.path[:0] = ["workflow/lib", "workflow/scripts"]
import yaml
from fit import fit
from posterity import job
from posterity.study import load
study = load("line", yaml.safe_load(open("config/config.yaml"))["defaults"])
spec = {key: value for key, value in study["models"]["line"].items() if key != "figures"}
settings = {key: value for key, value in study["fits"]["nuts"].items() if key != "models"}
files, threads = [spec["file"]], int(sys.argv[2])
fit("results/line/data.nc", sys.argv[1], "line", "line", spec, "nuts", settings, 1, "float64", files, threads=threads)
job.end(0)  # as the stage does
"""

IMPORTS = """
import sys
sys.path[:0] = ["workflow/lib", "workflow/scripts"]
import fit, yaml
from posterity import device
device.prepare(1, "float64", 4)
from posterity import checkpoints, driving, model, preflight, study
from posterity.methods import nuts
"""


def seconds(command: list[str], environment: dict) -> tuple[float, float]:
    """Run a process; return its wall time and its peak memory in MB."""
    before = time.perf_counter()
    done = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(done.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command[:3])}")
    return time.perf_counter() - before, usage.ru_maxrss / 1024


def main(rounds: int) -> None:
    """Print the median time of each, and the median of the ratios to the page's code, round by round."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("XLA_FLAGS", "PYTHONDONTWRITEBYTECODE")
    }
    peers, data = ROOT / "benchmarks/.venv/bin/python", "results/line/data.nc"
    with tempfile.TemporaryDirectory() as place:
        contenders = {
            "the page's code (NumPyro's MCMC)": [
                sys.executable,
                "benchmarks/seed_line.py",
                f"{place}/seed.nc",
            ],
            "PyMC and nutpie": [peers, "benchmarks/pymc_line.py", data, f"{place}/pymc.nc"],
            "blackjax": [
                sys.executable,
                "benchmarks/blackjax_line.py",
                data,
                f"{place}/blackjax.nc",
            ],
            "posterity, cold, 1 thread": [sys.executable, "-c", FIT, f"{place}/one.nc", "1"],
            "posterity, cold, 2 threads": [sys.executable, "-c", FIT, f"{place}/two.nc", "2"],
            "posterity, compiled before, 1 thread": [
                sys.executable,
                "-c",
                FIT,
                f"{place}/one.nc",
                "1",
            ],
            "posterity, compiled before, 2 threads": [
                sys.executable,
                "-c",
                FIT,
                f"{place}/two.nc",
                "2",
            ],
            "posterity's imports alone": [sys.executable, "-c", IMPORTS],
        }
        times = {name: [] for name in contenders}
        memory = dict.fromkeys(contenders, 0.0)
        for one in range(
            -1, rounds
        ):  # the first round fills the caches of the disk, and is not counted
            for name, command in contenders.items():
                cache = f"{place}/cold-{one}-{name[-9]}" if "cold" in name else f"{place}/warm"
                took, peak = seconds(
                    list(map(str, command)), environment | {"POSTERITY_CACHE": cache}
                )
                if one >= 0:
                    times[name].append(took)
                    memory[name] = max(memory[name], peak)
    first = next(iter(times))
    print(f"rounds: {rounds}; cores: {len(os.sched_getaffinity(0))}")
    for name, values in times.items():
        ratio = statistics.median(a / b for a, b in zip(values, times[first], strict=True))
        print(
            f"{name:42s} {statistics.median(values):6.2f} s   ratio {ratio:.2f}   peak {memory[name]:.0f} MB"
        )


if __name__ == "__main__":
    assert (ROOT / "results/line/data.nc").is_file(), "run `make run` first"
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
