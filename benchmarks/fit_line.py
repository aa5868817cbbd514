"""
The fit stage of the study `line` against the page's own code doing the same work: whole processes, interleaved.

Run in the project's environment, from its folder, after `make run`: python benchmarks/fit_line.py [rounds]
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
from posterity.study import load
study = load("line", yaml.safe_load(open("config/config.yaml"))["defaults"])
spec = {key: value for key, value in study["models"]["line"].items() if key != "figures"}
settings = {key: value for key, value in study["fits"]["nuts"].items() if key != "models"}
files, threads = [spec["file"]], int(sys.argv[2])
fit("results/line/data.nc", sys.argv[1], "line", "line", spec, "nuts", settings, 1, "float64", files, threads=threads)
"""


def seconds(command: list[str], environment: dict) -> tuple[float, float]:
    """Run a process; return its wall time and its peak memory in MB."""
    before = time.perf_counter()
    done = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(done.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command[:3])}")
    return time.perf_counter() - before, usage.ru_maxrss / 1024


def main(rounds: int) -> None:
    """Print the median time of each, and the median of the ratios round by round."""
    environment = {key: value for key, value in os.environ.items() if key not in ("XLA_FLAGS", "PYTHONDONTWRITEBYTECODE")}
    with tempfile.TemporaryDirectory() as place:
        contenders = {
            "page's code, 4 chains one after another": [sys.executable, "benchmarks/seed_line.py", f"{place}/seed.nc"],
            "posterity fit, 1 thread": [sys.executable, "-c", FIT, f"{place}/one.nc", "1"],
            "posterity fit, 2 threads": [sys.executable, "-c", FIT, f"{place}/two.nc", "2"],
        }
        times = {name: [] for name in contenders}
        memory = dict.fromkeys(contenders, 0.0)
        for _ in range(rounds):
            for name, command in contenders.items():
                took, peak = seconds(command, environment)
                times[name].append(took)
                memory[name] = max(memory[name], peak)
    first = next(iter(times))
    print(f"rounds: {rounds}; cores: {len(os.sched_getaffinity(0))}")
    for name, values in times.items():
        ratio = statistics.median(a / b for a, b in zip(values, times[first], strict=True))
        print(f"{name:42s} {statistics.median(values):6.2f} s   ratio {ratio:.2f}   peak {memory[name]:.0f} MB")


if __name__ == "__main__":
    assert (ROOT / "results/line/data.nc").is_file(), "run `make run` first"
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
