"""
Measure the checks: false alarms on right models, and the power to see planted defects.

Run in the project's environment, from its folder:

    python benchmarks/checks/run.py null  [--kinds ...] [--replicates N] [--out null.csv]
    python benchmarks/checks/run.py power [--kinds ...] [--replicates N] [--out power.csv]
    python benchmarks/checks/run.py small [--out small.csv]
    python benchmarks/checks/run.py summary null.csv power.csv

The first two skip replicates that the file already has, so that an interrupted run can continue,
and print the summary of the file. `small` is the form for CI: few replicates of some kinds. Its
exit code is 1 if the false alarms are too many for chance, or if a defect is missed.
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "workflow/lib"), str(HERE)]

from defects import DEFECTS  # noqa: E402
from harness import enter_project, make_folder, run_replicate  # noqa: E402
from results import append_rows, list_finished, read_rows, select_kinds  # noqa: E402
from right_models import RIGHT_MODELS, SAMPLED  # noqa: E402
from summary import find_violations, summarise_alarms, summarise_power  # noqa: E402

BATCH = 12  # replicates of a kind that a process runs before it takes other work
TASKS_PER_PROCESS = 8  # batches after which a process is replaced, since JAX keeps all it compiled
# Replicates of each kind, by mode: right models sampled by NUTS, other right models, defects.
REPLICATES = {"null": (75, 20, 0), "power": (0, 0, 3), "small": (2, 2, 1)}
CASES = RIGHT_MODELS | DEFECTS
Task = tuple[str, tuple[int, ...]]


def run_batch(task: Task) -> list:
    """Run replicates of a kind in a worker process. Return the rows."""
    kind, replicates = task
    case = CASES[kind]
    return [row for number in replicates for row in run_replicate(case, number)]


def choose_replicates(mode: str, kinds: list[str] | None, given: int | None) -> dict[str, int]:
    """Return the number of replicates of each kind; `given` replaces that of the mode."""
    counts = {}
    for kind in kinds or select_kinds(CASES, mode):
        case = CASES[kind]
        group = 2 if case.expected else int(case not in SAMPLED)
        counts[kind] = given or REPLICATES[mode][group]
    return counts


def make_tasks(counts: Mapping[str, int], finished: set) -> list[Task]:
    """Return the batches of replicates that are not finished, those of all kinds in turn."""
    batches = []
    for kind, count in counts.items():
        missing = [number for number in range(count) if (kind, number) not in finished]
        batches += [
            (start, (kind, tuple(missing[start : start + BATCH])))
            for start in range(0, len(missing), BATCH)
        ]
    return [task for _, task in sorted(batches, key=lambda batch: batch[0])]


def run_tasks(tasks: list[Task], path: Path, workers: int) -> None:
    """Run batches in worker processes, and append their rows to the file as they come."""
    context = multiprocessing.get_context("spawn")
    total = sum(len(replicates) for _, replicates in tasks)
    started, done = time.perf_counter(), 0
    with (
        make_folder() as folder,
        context.Pool(workers, enter_project, (folder,), TASKS_PER_PROCESS) as pool,
    ):
        for rows in pool.imap_unordered(run_batch, tasks):
            append_rows(path, rows)
            done += len({row.replicate for row in rows})
            seconds = time.perf_counter() - started
            print(f"{done} of {total} replicates, {seconds:.0f} s: {rows[0].kind}", file=sys.stderr)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("mode", choices=["null", "power", "small", "summary"])
    parser.add_argument("files", nargs="*", type=Path, help="results, for `summary`")
    parser.add_argument("--kinds", nargs="+", default=None)
    parser.add_argument("--replicates", type=int, default=None)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    path = options.out or Path(f"{options.mode}.csv")
    if options.mode == "summary":
        rows = [row for file in options.files for row in read_rows(file)]
    else:
        counts = choose_replicates(options.mode, options.kinds, options.replicates)
        run_tasks(make_tasks(counts, list_finished(path)), path, options.workers)
        rows = read_rows(path)
    print(summarise_alarms([row for row in rows if not CASES[row.kind].expected]))
    print(summarise_power([row for row in rows if CASES[row.kind].expected], CASES))
    if options.mode == "small":
        violations = find_violations(rows, CASES)
        print(*violations, sep="\n")
        sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
