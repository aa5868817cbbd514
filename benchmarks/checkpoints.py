"""
Cost of checkpoints: the same fit with and without, in turn.

405 latent values, 4 chains x (500 + draws), chunks of a second. Run in the project's environment,
from its folder: python benchmarks/checkpoints.py [rounds] [draws]
"""

import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "workflow/lib"), str(ROOT / "benchmarks/effective")]

from posterity.runtime.device import configure_jax  # noqa: E402
from posterity.runtime.rng import Stream  # noqa: E402

configure_jax(2, "float64", 4)

import xarray as xr  # noqa: E402
from worker import load  # noqa: E402

from posterity.config.schema import complete_settings  # noqa: E402
from posterity.inference.checkpoint import Checkpoint  # noqa: E402
from posterity.inference.methods import nuts  # noqa: E402
from posterity.inference.run import RunOptions  # noqa: E402
from posterity.model.bind import bind_model  # noqa: E402


def main(rounds: int, draws: int) -> None:
    """Print the median seconds with and without checkpoints, and the median of the ratios."""
    file = ROOT / "benchmarks/effective/models/groups.py"
    spec = {"file": str(file), "function": "model", "arguments": {}, "observed": None, "dims": {}}
    data = xr.Dataset({name: ("row", values) for name, values in load("groups").data().items()})
    bound = bind_model("groups", spec, data)
    settings = complete_settings("nuts", warmup=500, draws=draws)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(-1, rounds):  # the first round compiles
            for is_saved in (True, False) if number % 2 else (False, True):
                checkpoint = Checkpoint(f"{folder}/{number}", {}, f"{folder}/posterior.nc")
                options = RunOptions(checkpoint if is_saved else None)
                result = nuts.fit(bound, settings, Stream(1, ("benchmark",)), options)
                if number >= 0:
                    seconds[is_saved].append(result.run_seconds)
    ratios = [a / b for a, b in zip(seconds[True], seconds[False], strict=True)]
    print(
        f"with {statistics.median(seconds[True]):.2f} s, "
        f"without {statistics.median(seconds[False]):.2f} s, "
        f"ratio {statistics.median(ratios):.3f}"
    )


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 7,
        int(sys.argv[2]) if len(sys.argv) > 2 else 15000,
    )
