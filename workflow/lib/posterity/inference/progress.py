"""Progress messages of a running fit. They do not affect its result."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

if TYPE_CHECKING:
    from posterity.inference.program import ChunkedProgram
    from posterity.inference.records import DrawBuffer

MIN_PAUSE_SECONDS = 0.9  # s between two messages, or two checkpoints, at least
MIN_PAUSE_FACTOR = 50  # times what the last one took, at least
MIN_CONVERGENCE_DRAWS = 8  # draws from which on ESS and R-hat are reported


class ProgressReporter:
    """
    Reports the progress of a run, and limits the time that messages and checkpoints take to a
    fiftieth each.

    Parameters
    ----------
    program : ChunkedProgram
        The program that runs.
    on_progress : Callable
        Receives each message.
    earlier_seconds : float
        Time of the run before a restart.
    """

    def __init__(
        self,
        program: "ChunkedProgram",
        on_progress: Callable[[str], None],
        earlier_seconds: float,
    ):
        self.program = program
        self.on_progress = on_progress
        self.earlier_seconds = earlier_seconds
        self.started = time.perf_counter()
        self.last_times = {"report": self.started, "checkpoint": self.started}
        self.last_costs = {"report": 0.0, "checkpoint": 0.0}
        self.phase_start: tuple[int, float] | None = None  # iterations and time

    def elapsed(self) -> float:
        """Return the seconds of the run, including those before a restart."""
        return self.earlier_seconds + time.perf_counter() - self.started

    def is_due(self, task: str) -> bool:
        """Return whether it is time for the next `report` or `checkpoint`."""
        pause = time.perf_counter() - self.last_times[task]
        return pause >= max(MIN_PAUSE_SECONDS, MIN_PAUSE_FACTOR * self.last_costs[task])

    @contextmanager
    def measure(self, task: str) -> Iterator[None]:
        """Measure the time that a report or a checkpoint takes."""
        started = time.perf_counter()
        yield
        self.last_times[task] = time.perf_counter()
        self.last_costs[task] = time.perf_counter() - started

    def finish_chunk(self, done: int, is_phase_end: bool) -> None:
        """Start the clock for the remaining time, after the first chunk and after the warm-up."""
        if self.phase_start is None or is_phase_end:
            self.phase_start = (done, time.perf_counter())

    def report_if_due(self, state: Any, records: "DrawBuffer", done: int, warmup: int) -> None:
        """Report if it is time."""
        if self.is_due("report"):
            with self.measure("report"):
                self.report(state, records, done, warmup)

    def report(self, state: Any, records: "DrawBuffer", done: int, warmup: int) -> None:
        """
        Report iterations, remaining time, smallest ESS, largest R-hat, divergences, and leapfrogs
        per draw.

        Parameters
        ----------
        state : pytree
            State of the program.
        records : DrawBuffer
            Records of all draws.
        done, warmup : int
            Iterations so far, and those of the warm-up.
        """
        is_warmup = done < warmup
        total = warmup + self.program.max_steps
        if is_warmup:
            parts = [f"warm-up {done} of {warmup}"]
        else:
            parts = [f"{done - warmup} of {self.program.max_steps} {self.program.unit}"]
        if self.phase_start and done > self.phase_start[0]:
            first, started = self.phase_start
            remaining = (time.perf_counter() - started) / (done - first) * (total - done)
            parts.append(f"about {remaining:.0f} s left")
        if not is_warmup:
            parts += _describe_convergence(records)
        if ".diverging" in records.true_counts:
            parts.append(f"{records.true_counts['.diverging']} divergences")
        if evaluations := self.program.count_evaluations(state):
            parts.append(f"{evaluations / done / self.program.chains:.3g} leapfrogs per draw")
        self.on_progress(", ".join(parts))


def _describe_convergence(records: "DrawBuffer") -> list[str]:
    """Describe the smallest ESS and the largest R-hat of the monitored scalars (NumPyro's)."""
    draws = records.scalars()
    if len(draws) == 0 or draws.shape[2] < MIN_CONVERGENCE_DRAWS:
        return []
    texts = []
    with np.errstate(all="ignore"):
        ess = np.array([float(effective_sample_size(scalar)) for scalar in draws])
        rhat = np.array([float(split_gelman_rubin(scalar)) for scalar in draws])
    if np.isfinite(ess).any():
        index = int(np.nanargmin(np.where(np.isfinite(ess), ess, np.nan)))
        texts.append(f"smallest ESS {ess[index]:.0f} ({records.scalar_labels[index]})")
    if np.isfinite(rhat).any():
        index = int(np.nanargmax(np.where(np.isfinite(rhat), rhat, np.nan)))
        texts.append(f"largest R-hat {rhat[index]:.3f} ({records.scalar_labels[index]})")
    return texts
