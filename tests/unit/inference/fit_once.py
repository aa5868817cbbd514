"""
Fit a study's model once, in a process that a test can kill: `python fit_once.py PROJECT OUTPUT CHECKPOINT SETTINGS THREADS`.

Each report of the fit is a line of JSON, so that a test reads values and no words.
"""

import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "workflow/lib"), str(ROOT / "workflow/scripts")]

from posterity.inference import progress, run
from posterity.inference.progress import ProgressReporter


class Reports(ProgressReporter):
    """Print how many iterations are done, and how many of them are warm-up, in place of a sentence."""

    def report(self, state, records, done: int, warmup: int) -> None:
        print(json.dumps({"done": done, "warmup": warmup}), flush=True)
        super().report(state, records, done, warmup)


run.ProgressReporter = Reports
run.CHUNK_SECONDS, progress.MIN_PAUSE_SECONDS, progress.MIN_PAUSE_FACTOR = (
    (0.02, 0.02),
    0.0,
    1.0,
)  # a checkpoint every few milliseconds

from fit import fit  # noqa: E402

os.sched_getaffinity = lambda pid: set(
    range(8)
)  # as many devices as threads, on a machine with fewer cores too
os.sched_setaffinity = lambda pid, cores: None
folder, output, checkpoint, settings, threads = sys.argv[1:]
model = {
    "file": f"{folder}/model.py",
    "function": "model",
    "arguments": {},
    "observed": None,
    "dims": {},
}
fit(
    f"{folder}/data.nc",
    output,
    "study",
    "line",
    model,
    "nuts",
    json.loads(settings),
    1,
    "float64",
    [f"{folder}/model.py"],
    threads=int(threads),
    checkpoint=None if checkpoint == "none" else checkpoint,
    tell=lambda text: print(text, flush=True),
)
