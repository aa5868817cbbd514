"""
Measure what the process of each stage takes beyond its imports.

Time and peak memory come from the status files of the last run. The imports alone are timed here.
Run in the project's environment, from its folder, after `make run`:

    python benchmarks/stages.py
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# The modules that a stage imports while it works, in addition to those of its script.
LATE_IMPORTS = {
    "data": [],
    "prior": ["model.preflight", "prediction.predict"],
    "fit": ["inference.methods.nuts", "inference.storage", "model.preflight"],
    "predict": ["prediction.new_data", "prediction.predict"],
    "diagnose": [],
    "tables": [],
    "verdict": [],
    "verdicts": ["artefact.netcdf"],
    "figures (data)": ["plots.data"],
    "figures (corner)": ["plots.corner"],
    "figures (trace)": ["plots.trace"],
    "figures (ppc)": ["plots.ppc"],
    "figures (prior)": ["plots.prior"],
    "figures (forest)": ["plots.forest"],
    "figures (graph)": ["plots.graph"],
}


def time_imports(stage: str, rounds: int = 5) -> float:
    """Return the median seconds of a process that only runs the imports of a stage."""
    modules = [f"posterity.{module}" for module in LATE_IMPORTS[stage]]
    names = ", ".join([stage.split()[0], *modules])
    program = f"import sys; sys.path[:0] = ['workflow/lib', 'workflow/scripts']; import {names}"
    if stage in ("prior", "fit", "predict"):
        program += "; import jax; jax.devices()"
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def read_jobs(stage: str) -> list[tuple[float, float]]:
    """Return the seconds and the peak memory (MB) of each finished job of a stage."""
    name, _, kind = stage.partition(" ")
    pattern = f"*{'_' + kind.strip('()') if kind else ''}.status.json"
    files = ROOT.glob(f"results/logs/{name}/**/{pattern}")
    jobs = [json.loads(file.read_text()) for file in files]
    finished = [job for job in jobs if job["state"] == "done"]
    return [(job["seconds"]["total"], job["peak_memory_mb"]) for job in finished]


def main() -> None:
    """Print a row for each stage that has run."""
    print(f"cores: {len(os.sched_getaffinity(0))}")
    print("| stage | jobs | median s | imports alone, s | beyond, s | peak MB |")
    print("|---|---|---|---|---|---|")
    for stage in LATE_IMPORTS:
        if jobs := read_jobs(stage):
            total = statistics.median(seconds for seconds, _ in jobs)
            imports = time_imports(stage)
            peak = max(memory for _, memory in jobs)
            numbers = f"{total:.2f} | {imports:.2f} | {total - imports:.2f} | {peak:.0f}"
            print(f"| {stage} | {len(jobs)} | {numbers} |")


if __name__ == "__main__":
    main()
