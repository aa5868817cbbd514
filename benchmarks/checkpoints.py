"""
What checkpoints cost: the same fit with and without, in turn. 405 latent values, 4 chains x (500 + draws), chunks of a second.

Run in the project's environment, from its folder: python benchmarks/checkpoints.py [rounds] [draws]
"""

import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "workflow/lib"), str(ROOT / "benchmarks/effective")]

from posterity.runtime.device import configure_jax  # noqa: E402
from posterity.runtime.rng import Stream

configure_jax(2, "float64", 4)

import xarray as xr  # noqa: E402
from worker import load  # noqa: E402

from posterity.config.schema import complete_settings  # noqa: E402
from posterity.inference.checkpoint import Checkpoint  # noqa: E402
from posterity.inference.methods import nuts  # noqa: E402
from posterity.inference.run import RunOptions
from posterity.model.bind import bind_model  # noqa: E402


def main(rounds: int, draws: int) -> None:
    """Print the median seconds with and without, and the median of the ratios."""
    spec = {
        "file": str(ROOT / "benchmarks/effective/models/groups.py"),
        "function": "model",
        "arguments": {},
    }
    data = xr.Dataset({name: ("row", values) for name, values in load("groups").data().items()})
    bound = bind_model("groups", spec | {"observed": None, "dims": {}}, data)
    chosen = complete_settings("nuts", warmup=500, draws=draws)
    times = {True: [], False: []}
    with tempfile.TemporaryDirectory() as place:
        for one in range(-1, rounds):
            for kept in (True, False) if one % 2 else (False, True):
                run = RunOptions(
                    Checkpoint(f"{place}/{one}", {}, f"{place}/posterior.nc") if kept else None
                )
                took = nuts.fit(bound, chosen, Stream(1, ("benchmark",)), run).run_seconds
                if one >= 0:
                    times[kept].append(took)
    ratio = statistics.median(a / b for a, b in zip(times[True], times[False], strict=True))
    print(
        f"with {statistics.median(times[True]):.2f} s, without {statistics.median(times[False]):.2f} s, ratio {ratio:.3f}"
    )


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 7,
        int(sys.argv[2]) if len(sys.argv) > 2 else 15000,
    )
