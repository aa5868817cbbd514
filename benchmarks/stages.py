"""
What each stage's process takes beyond the imports that it needs, and how much memory: from the status files of the last run, and
by timing the imports alone.

Run in the project's environment, from its folder, after `make run`: python benchmarks/stages.py
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# what a stage imports before and while it works
LATER = {
    "data": [], "prior": ["model.preflight", "prediction.predict"], "fit": ["inference.methods.nuts", "inference.storage", "model.preflight"],
    "predict": ["prediction.new_data", "prediction.predict"], "diagnose": [], "tables": [], "verdict": [], "verdicts": ["artefact.netcdf"],
    "figures (data)": ["plots.data"], "figures (corner)": ["plots.corner"], "figures (trace)": ["plots.trace"],
    "figures (ppc)": ["plots.ppc"], "figures (prior)": ["plots.prior"], "figures (forest)": ["plots.forest"],
    "figures (graph)": ["plots.graph"],
}  # fmt: skip


def imports(stage: str, rounds: int = 5) -> float:
    """Time a process that does nothing but the imports of a stage."""
    names = [
        stage.split()[0],
        *(f"posterity.{module.replace('/', '.')}" for module in LATER[stage]),
    ]
    program = f"import sys; sys.path[:0] = ['workflow/lib', 'workflow/scripts']; import {', '.join(names)}"
    if stage in ("prior", "fit", "predict"):
        program += "; import jax; jax.devices()"
    times = []
    for _ in range(rounds):
        before = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
        times.append(time.perf_counter() - before)
    return statistics.median(times)


def logged(stage: str) -> list[tuple[float, float]]:
    """Return seconds and MB of each job of a stage that is done, from the status files."""
    name, _, kind = stage.partition(" ")
    pattern = f"*{'_' + kind.strip('()') if kind else ''}.status.json"
    files = ROOT.glob(f"results/logs/{name}/**/{pattern}")
    found = [json.loads(file.read_text()) for file in files]
    return [
        (job["seconds"]["total"], job["peak_memory_mb"]) for job in found if job["state"] == "done"
    ]


if __name__ == "__main__":
    print(f"cores: {len(os.sched_getaffinity(0))}")
    print(
        "| stage | jobs | median s | imports alone, s | beyond, s | peak MB |\n|---|---|---|---|---|---|"
    )
    for stage in LATER:
        if jobs := logged(stage):
            took, alone = statistics.median(job[0] for job in jobs), imports(stage)
            print(
                f"| {stage} | {len(jobs)} | {took:.2f} | {alone:.2f} | {took - alone:.2f} | {max(job[1] for job in jobs):.0f} |"
            )
