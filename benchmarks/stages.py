"""
Measure the memory of each stage's process, and its time beyond the imports that it needs.

Both come from the status files of the last run and from timing the imports alone. Run in the
project's environment, from its folder, after `make run`: python benchmarks/stages.py
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

sys.path.insert(0, str(ROOT / "workflow/lib"))
from posterity.workflow.code_files import list_stage_code  # noqa: E402

FIGURES = ("data", "corner", "trace", "ppc", "prior", "forest", "graph")
# The modules that the rule of a stage names, since its script imports one of several
NAMED_MODULES = {"fit": ["inference/methods/nuts"]} | {
    f"figures ({kind})": [f"plots/{kind}"] for kind in FIGURES
}
STAGES = ("data", "prior", "fit", "predict", "diagnose", "tables", "verdict", "verdicts")
STAGES += tuple(NAMED_MODULES)[1:]


def list_modules(stage: str) -> list[str]:
    """Return the library modules that a stage imports before and while it works."""
    script = stage.split()[0]
    named = NAMED_MODULES.get(stage, [])
    files = list_stage_code(ROOT / "workflow", script, *named, nested=script != "figures")
    library = (ROOT / "workflow/lib").resolve()
    paths = [Path(file).resolve() for file in files]
    modules = [path.relative_to(library) for path in paths if library in path.parents]
    return [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in modules]


def imports(stage: str, rounds: int = 5) -> float:
    """Time a process that does nothing but the imports of a stage."""
    names = [stage.split()[0], *list_modules(stage)]
    program = (
        "import sys; sys.path[:0] = ['workflow/lib', 'workflow/scripts']; "
        f"import {', '.join(names)}"
    )
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
        "| stage | jobs | median s | imports alone, s | beyond, s | peak MB |\n"
        "|---|---|---|---|---|---|"
    )
    for stage in STAGES:
        if jobs := logged(stage):
            took, alone = statistics.median(job[0] for job in jobs), imports(stage)
            print(
                f"| {stage} | {len(jobs)} | {took:.2f} | {alone:.2f} | {took - alone:.2f} "
                f"| {max(job[1] for job in jobs):.0f} |"
            )
