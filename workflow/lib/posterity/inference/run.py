"""
Runs of compiled programs in chunks.

Between two chunks, state and records go to the checkpoint, the log gets a line, and the stopping
rules are checked. A step depends on the state alone. Neither the lengths of the chunks, which
follow the clock, nor a restart therefore change a result.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np

from posterity.errors import UserError
from posterity.inference.checkpoint import Checkpoint
from posterity.inference.program import ChunkedProgram, restore_state
from posterity.inference.progress import ProgressReporter
from posterity.inference.records import (
    GOAL_SCALARS,
    MAX_BUFFER_BYTES,
    MONITORED_SCALARS,
    DrawBuffer,
)
from posterity.inference.stopping import StoppingRule, make_goal_rule, select_goals
from posterity.model.model import BoundModel

MIN_CHUNK_SECONDS = 1.0  # s that the first chunks take
MAX_CHUNK_SECONDS = 15.0  # s that a chunk of a long run takes
CHUNK_TIME_FRACTION = 0.01  # of the time so far that a chunk takes, between these two
LAST_CHUNK_SECONDS = 0.1  # s that a chunk takes at least, close to the limit of time
MAX_CHUNK_GROWTH = 8  # times the iterations of the last chunk that a chunk has at most
MIN_DRAWS = 4  # draws that a fit has even if its time is over


class RunInterrupted(UserError):
    """A signal asked the process to end. The checkpoint has been written."""


@dataclass(frozen=True)
class RunOptions:
    """
    How a method runs.

    Attributes
    ----------
    checkpoint : Checkpoint or None
        Where the state and the draws are saved.
    on_progress : Callable
        Receives each progress message.
    stop_when : dict
        Limits of the run: `ess`, `rhat`, `minutes`, `draws`.
    thin : dict of str to int, or None
        The sites to record and the thinning interval of each; None for all draws of all sites.
    """

    checkpoint: Checkpoint | None = None
    on_progress: Callable[[str], None] = lambda text: None
    stop_when: dict = field(default_factory=dict)
    thin: dict[str, int] | None = None

    def recorded_sites(self, model: BoundModel) -> dict[str, int]:
        """Return the sites of a model to record, with the thinning interval of each."""
        if self.thin is not None:
            return self.thin
        return dict.fromkeys([*model.site_names("latent"), *model.site_names("deterministic")], 1)

    def for_phase(self, name: str) -> "RunOptions":
        """Return the options of a phase of the fit, which has its own checkpoint."""
        checkpoint = self.checkpoint.for_phase(name) if self.checkpoint else None
        return replace(self, checkpoint=checkpoint)


@dataclass(frozen=True)
class RunResult:
    """
    A finished run.

    Attributes
    ----------
    state : pytree
        The last state.
    records : DrawBuffer
        The records of all draws.
    warmup, draws : int
        Iterations of the warm-up, and recorded ones.
    stopped : str
        Why the run ended: `draws`, `minutes`, or the name of a stopping rule.
    seconds : float
        Time of the run, including that before a restart.
    """

    state: Any
    records: DrawBuffer
    warmup: int
    draws: int
    stopped: str
    seconds: float


def run_chunks(program: ChunkedProgram, options: RunOptions) -> RunResult:
    """
    Advance a program until it has all draws, or until a stopping rule ends it.

    A run resumes from its checkpoint, if there is one. Raises RunInterrupted, after writing the
    checkpoint, if a signal (SIGTERM, SIGINT) asks the process to end, and UserError if another job
    writes the same output.
    """
    goals = select_goals(options.stop_when)
    rule = program.stopping_rule or make_goal_rule(goals)
    records = DrawBuffer(
        program.thin, program.monitored, GOAL_SCALARS if goals else MONITORED_SCALARS
    )
    checkpointer = Checkpointer(program, options, records)
    state, position = checkpointer.restore()
    progress = ProgressReporter(program, options.on_progress, position.seconds)
    limit = 60 * options.stop_when.get("minutes", np.inf)
    schedule = ChunkScheduler(program, rule, limit, position)
    with _catch_signals() as signals:
        while not schedule.stopped:
            is_recording = schedule.is_recording
            count = schedule.choose_count()
            clock = time.perf_counter()
            state, values = program.advance(state, count, is_recording)
            state = jax.block_until_ready(state)
            if is_recording:
                records.add(jax.tree.map(np.asarray, values), count)
            elapsed = progress.elapsed()
            if schedule.finish_chunk(count, time.perf_counter() - clock, elapsed):
                state = program.cut_warmup(state)
            schedule.decide_stop(records, elapsed)
            checkpointer.write_if_due(state, schedule, progress, bool(signals))
            if signals and (program.is_followed(records) or not schedule.stopped):
                raise _make_interruption(signals[0], schedule, options.checkpoint)
            progress.report_if_due(state, records, schedule.done, schedule.warmup)
            progress.finish_chunk(schedule.done, is_recording != schedule.is_recording)
    seconds = position.seconds if position.stopped else progress.elapsed()
    return RunResult(state, records, schedule.warmup, schedule.draws, schedule.stopped, seconds)


@dataclass(frozen=True)
class RunPosition:
    """
    Where a run starts or resumes.

    Attributes
    ----------
    done, warmup : int
        Iterations so far, and those of the warm-up.
    seconds : float
        Time so far.
    stopped : str
        Why the run ended; empty if it did not.
    """

    done: int
    warmup: int
    seconds: float = 0.0
    stopped: str = ""


class ChunkScheduler:
    """
    The plan of a run: the length of the next chunk, the end of the warm-up, and the end of the run.

    Attributes
    ----------
    done : int
        Iterations so far, with those of the warm-up.
    warmup : int
        Iterations of the warm-up.
    stopped : str
        Why the run has ended; empty while it runs.
    """

    def __init__(
        self,
        program: ChunkedProgram,
        rule: StoppingRule | None,
        limit_seconds: float,
        position: RunPosition,
    ):
        self.program = program
        self.rule = rule
        self.limit_seconds = limit_seconds
        self.done = position.done
        self.warmup = position.warmup
        self.stopped = position.stopped
        self._pace = 1  # iterations that take about the time of a chunk
        self._next_check: float = np.inf  # iterations at which the rule is checked

    @property
    def draws(self) -> int:
        """Number of recorded iterations."""
        return max(0, self.done - self.warmup)

    @property
    def is_recording(self) -> bool:
        """Whether the warm-up is over."""
        return self.done >= self.warmup

    @property
    def total(self) -> int:
        """Number of iterations that the run has at most."""
        return self.warmup + self.program.max_steps

    def choose_count(self) -> int:
        """Return the number of iterations of the next chunk."""
        self._next_check = np.inf
        end: float = self.warmup
        if self.is_recording:
            if self.rule:
                self._next_check = self.warmup + self.rule.next_check(self.draws)
            end = min(self.total, self._next_check)
        return int(min(end - self.done, self.program.chunk_size, self._pace))

    def finish_chunk(self, count: int, seconds: float, elapsed: float) -> bool:
        """
        Count a chunk that took `seconds`, and set the pace of the next one.

        Returns whether the warm-up is to be cut at the next iteration, since it has taken half of
        the time that the run has.
        """
        was_recording = self.is_recording
        self.done += count
        remaining = max(LAST_CHUNK_SECONDS, self.limit_seconds - elapsed)
        wanted = max(MIN_CHUNK_SECONDS, CHUNK_TIME_FRACTION * elapsed)
        target = min(MAX_CHUNK_SECONDS, wanted, remaining)
        self._pace = max(1, int(min(MAX_CHUNK_GROWTH * count, target * count / max(seconds, 1e-9))))
        is_late = elapsed > self.limit_seconds / 2
        is_cut = not was_recording and is_late and self.done < self.warmup - 1
        if is_cut:
            self.warmup = self.done + 1
        return is_cut

    def decide_stop(self, records: DrawBuffer, elapsed: float) -> None:
        """End the run if it has all draws, if its rule is reached, or if its time is over."""
        if self.draws >= self.program.max_steps:
            self.stopped = "draws"
        elif self.rule and self.done == self._next_check and self.rule.is_reached(records):
            self.stopped = self.rule.name
        elif elapsed > self.limit_seconds and self.draws >= MIN_DRAWS:
            self.stopped = "minutes"


class Checkpointer:
    """Restores a run from its checkpoint, and writes the checkpoint when it is due."""

    def __init__(self, program: ChunkedProgram, options: RunOptions, records: DrawBuffer):
        self.program = program
        self.checkpoint = options.checkpoint
        self.on_progress = options.on_progress
        self.records = records

    def restore(self) -> tuple[Any, RunPosition]:
        """Return state and position of the checkpoint; without one, those of the start."""
        saved, message = self.checkpoint.load() if self.checkpoint else (None, "")
        if message:
            self.on_progress(message)
        if not saved:
            if self.checkpoint:
                self.checkpoint.clear()
            return self.program.start(), RunPosition(0, self.program.warmup)
        names = ("done", "warmup", "seconds", "stopped")
        position = RunPosition(**{name: saved.about[name] for name in names})
        state = restore_state(saved.leaves, self.program.state_shapes)
        self.records.restore(saved, max(0, position.done - position.warmup))
        if self.checkpoint and not position.stopped:
            total = position.warmup + self.program.max_steps
            self.on_progress(
                f"resuming from the checkpoint in {self.checkpoint.folder}, "
                f"after {position.done} of {total} iterations"
            )
        return state, position

    def write_if_due(
        self, state: Any, schedule: ChunkScheduler, progress: ProgressReporter, is_ending: bool
    ) -> None:
        """Write a checkpoint if it is time, if many records wait, or if the process ends."""
        if not self.checkpoint:
            return
        if schedule.stopped:
            is_due = self.program.is_followed(self.records)
        else:
            is_full = self.records.pending_bytes() > MAX_BUFFER_BYTES / 2
            is_due = progress.is_due("checkpoint") or is_full or is_ending
        if not is_due:
            return
        with progress.measure("checkpoint"):
            self.records.flush(self.checkpoint)
            about = {
                "done": schedule.done,
                "warmup": schedule.warmup,
                "seconds": progress.elapsed(),
                "stopped": schedule.stopped,
            }
            leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
            self.checkpoint.save(leaves, about, len(self.records.pieces))


def _make_interruption(
    number: int, schedule: ChunkScheduler, checkpoint: Checkpoint | None
) -> RunInterrupted:
    """Return the error that ends a run at a signal."""
    remedy = f" The next run resumes from {checkpoint.folder}." if checkpoint else ""
    name = signal.Signals(number).name
    return RunInterrupted(
        f"stopped by {name} after {schedule.done} of {schedule.total} iterations.{remedy}"
    )


@contextmanager
def _catch_signals() -> Iterator[list[int]]:
    """Collect signals in place of ending the process at once; a second one ends it."""
    signals: list[int] = []
    handlers: dict[signal.Signals, Any] = {}

    def collect(number, frame):
        signals.append(number)
        signal.signal(number, handlers[signal.Signals(number)])

    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            handlers[number] = signal.signal(number, collect)
    except ValueError:  # not the main thread, as in some notebooks
        handlers = {}
    try:
        yield signals
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
