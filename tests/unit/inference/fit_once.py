"""
Fit a study's model once, in a process that a test can kill.

Usage: python fit_once.py PROJECT OUTPUT CHECKPOINT SETTINGS THREADS. Each report of the fit is a
line of JSON, so that a test reads values and no words.
"""

import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "workflow/lib"), str(ROOT / "workflow/scripts")]

from posterity.config.stage import ComputeSettings, ModelSource, StageIds  # noqa: E402
from posterity.inference import progress, run  # noqa: E402
from posterity.inference.progress import ProgressReporter  # noqa: E402


class JsonReporter(ProgressReporter):
    """
    Print how many iterations are done, and how many of them are warm-up.

    The messages have effective sizes of all draws so far, which take long after every chunk.
    """

    def report(self, state, records, done: int, warmup: int) -> None:
        print(json.dumps({"done": done, "warmup": warmup}), flush=True)


# A checkpoint every few hundredths of a second. A chunk takes one of them even if it is empty.
run.ProgressReporter = JsonReporter
run.MIN_CHUNK_SECONDS = 0.06
run.MAX_CHUNK_SECONDS = 0.06
progress.MIN_PAUSE_SECONDS = 0.0
progress.MIN_PAUSE_FACTOR = 1.0

from fit import FitJob, fit  # noqa: E402

# As many devices as threads, also on a machine with fewer cores.
os.sched_getaffinity = lambda pid: set(range(8))
os.sched_setaffinity = lambda pid, cores: None

folder, output, checkpoint, settings, threads = sys.argv[1:]
spec = {
    "file": f"{folder}/model.py",
    "function": "model",
    "arguments": {},
    "observed": None,
    "dims": {},
}
fit(
    f"{folder}/data.nc",
    output,
    StageIds("study", "line", "nuts"),
    ModelSource(spec, [f"{folder}/model.py"]),
    json.loads(settings),
    ComputeSettings(1, "float64", int(threads)),
    job=FitJob(
        None if checkpoint == "none" else checkpoint,
        on_progress=lambda text: print(text, flush=True),
    ),
)
