"""
Drive a compiled program in chunks: progress, checkpoints, stopping rules and bounded memory are this one mechanism.

A program advances a state by any number of iterations and gives what it recorded. Between two calls the state and the records go to
the checkpoint, the log hears how far it is, and the rules are looked at. How an iteration comes out depends on the state alone, so
that neither the lengths of the chunks, which follow the clock, nor a restart change a result.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import jax
import numpy as np

from posterity.errors import UserError
from posterity.inference.checkpoint import Checkpoint
from posterity.inference.progress import ProgressReporter
from posterity.inference.records import (
    GOAL_SCALARS,
    MAX_BUFFER_BYTES,
    MONITORED_SCALARS,
    DrawBuffer,
)

CHUNK_SECONDS = (
    1.0,
    15.0,
)  # s that a chunk should take: from the first to the second, a hundredth of the time so far
MAX_CHUNK_GROWTH = 8  # a chunk has at most so many times the iterations of the last one
GOAL_CHECKS = (
    100,
    1.25,
)  # the first look at the goals of `stop_when`, and how much later the next one is; never by the clock


class RunInterrupted(UserError):
    """The process was asked to end; the checkpoint is written."""


@dataclass(frozen=True)
class StoppingRule:
    """When it is enough: `next(draws)` says after how many draws that is looked at, `reached(records)` whether it is."""

    name: str
    next: Callable[[int], int]
    reached: Callable[["DrawBuffer"], bool]


@dataclass(frozen=True)
class ChunkedProgram:
    """
    What is to be driven.

    `start()` gives the first state; `advance(state, count, recording)` the state after `count` iterations and, by name, the records
    of them, shape (chain, size, ...), of which the first `count` count; `like` is the state's tree with shapes and places.
    `warmup` iterations are not recorded, then come `draws`, at most `size` in a chunk. `cut_warmup(state)` ends the warm-up at the
    next iteration. `evaluations(state)` counts the work so far, of all `chains`. `thin` gives every how many-th record of a name is
    kept; the convergence of those in `watch` is told. `rule` is one of the method's own. `lasting`: the
    end is written to the checkpoint too, since more follows.
    """

    start: Callable
    advance: Callable
    like: object
    warmup: int
    draws: int
    size: int
    unit: str = "draws"
    cut_warmup: Callable | None = None
    evaluations: Callable = lambda state: 0
    thin: dict[str, int] = field(default_factory=dict)
    watch: tuple[str, ...] = ()
    chains: int = 1
    rule: StoppingRule | None = None
    lasting: bool = False


@dataclass(frozen=True)
class RunOptions:
    """
    How it is driven: where checkpoints go, who is told of the progress, until when (`ess`, `rhat`, `minutes`, `draws`), and every
    how many-th draw of a site is recorded (`keep`; of each site all, where None).
    """

    checkpoint: Checkpoint | None = None
    on_progress: Callable[[str], None] = lambda text: None
    stop_when: dict = field(default_factory=dict)
    thin: dict[str, int] | None = None

    def recorded_sites(self, model) -> dict[str, int]:
        """Give the sites of a model that are recorded, and every how many-th draw of each."""
        return (
            dict.fromkeys([*model.site_names("latent"), *model.site_names("deterministic")], 1)
            if self.thin is None
            else self.thin
        )

    def for_phase(self, name: str) -> "RunOptions":
        """How a part of the fit is driven, which has a checkpoint of its own."""
        kept = self.checkpoint
        return replace(
            self, checkpoint=kept and Checkpoint(kept.folder / name, kept.inputs, kept.output)
        )


@dataclass(frozen=True)
class RunResult:
    """What came out: the last state, the records, iterations of warm-up and draws, why it stopped, and seconds."""

    state: object
    records: "DrawBuffer"
    warmup: int
    draws: int
    stopped: str
    seconds: float


def run_chunks(work: ChunkedProgram, options: RunOptions) -> RunResult:
    """
    Advance a program until all draws are there, or a rule of `options.stop_when` says that it is enough.

    Goes on from the checkpoint of the run, if it has one. Raises `Stopped`, after writing the checkpoint, when the process is asked
    to end (SIGTERM, SIGINT), and UserError when another job has taken the output over.
    """
    goals = {name: options.stop_when[name] for name in ("ess", "rhat") if name in options.stop_when}
    rule = work.rule or (
        StoppingRule(
            " and ".join(goals), _next_goal_check, lambda records: _goals_reached(goals, records)
        )
        if goals
        else None
    )
    records = DrawBuffer(work.thin, work.watch, GOAL_SCALARS if goals else MONITORED_SCALARS)
    saved, sentence = options.checkpoint.load() if options.checkpoint else (None, "")
    if sentence:
        options.on_progress(sentence)
    before, done, warmup = 0.0, 0, work.warmup
    if saved:
        done, warmup, before = (saved.about[name] for name in ("done", "warmup", "seconds"))
        state = _restore_state(saved.leaves, work.like)
        records.restore(saved, max(0, done - warmup))
        if saved.about["stopped"]:
            return RunResult(state, records, warmup, done - warmup, saved.about["stopped"], before)
        options.on_progress(
            f"going on from the checkpoint in {options.checkpoint.folder}, after {done} of {warmup + work.draws} iterations"
        )
    else:
        if options.checkpoint:
            options.checkpoint.clear()
        state = work.start()
    progress = ProgressReporter(work, options.on_progress, before)
    limit, pace, stopped = 60 * options.stop_when.get("minutes", np.inf), 1, ""
    with _catch_signals() as asked:
        while not stopped:
            recording = done >= warmup
            look = warmup + rule.next(done - warmup) if recording and rule else np.inf
            end = min(warmup + work.draws, look) if recording else warmup
            count = int(min(end - done, work.size, pace))
            clock = time.perf_counter()
            state, values = work.advance(state, count, recording)
            state = jax.block_until_ready(state)
            if recording:
                records.add(jax.tree.map(np.asarray, values), count)
            done += count
            took, elapsed = time.perf_counter() - clock, progress.elapsed()
            wish = min(
                CHUNK_SECONDS[1], max(CHUNK_SECONDS[0], elapsed / 100), max(0.1, limit - elapsed)
            )
            pace = max(1, int(min(MAX_CHUNK_GROWTH * count, wish * count / max(took, 1e-9))))
            if not recording and elapsed > limit / 2 and work.cut_warmup and done < warmup - 1:
                state, warmup = work.cut_warmup(state), done + 1
            drawn = max(0, done - warmup)
            if drawn >= work.draws:
                stopped = "draws"
            elif done == look and rule.reached(records):
                stopped = rule.name
            elif elapsed > limit and drawn >= 4:
                stopped = "minutes"
            ends = (
                work.lasting
                if stopped
                else progress.due("saved") or records.waiting() > MAX_BUFFER_BYTES / 2 or asked
            )
            if options.checkpoint and ends:
                with progress.noted("saved"):
                    records.flush(options.checkpoint)
                    about = {
                        "done": done,
                        "warmup": warmup,
                        "seconds": progress.elapsed(),
                        "stopped": stopped,
                    }
                    options.checkpoint.save(
                        [np.asarray(leaf) for leaf in jax.tree.leaves(state)],
                        about,
                        len(records.files),
                    )
            if asked and (work.lasting or not stopped):
                kept = (
                    f"; the next run goes on from {options.checkpoint.folder}"
                    if options.checkpoint
                    else ""
                )
                raise RunInterrupted(
                    f"stopped by {signal.Signals(asked[0]).name} after {done} of {warmup + work.draws} iterations{kept}"
                )
            if progress.due("told"):
                with progress.noted("told"):
                    progress.report(state, records, done, warmup)
            if progress.first is None or (
                recording != (done >= warmup)
            ):  # the first chunk, or the last one of the warm-up
                progress.first = (done, time.perf_counter())
    return RunResult(state, records, warmup, max(0, done - warmup), stopped, progress.elapsed())


@contextmanager
def _catch_signals() -> Iterator[list[int]]:
    """Note signals that ask the process to end, rather than end at once; a second one ends it."""
    asked: list[int] = []
    before = {}

    def note(number, frame):
        asked.append(number)
        signal.signal(number, before[number])

    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, note)
    except ValueError:  # not the main thread, as in some notebooks
        before = {}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _restore_state(leaves: list[np.ndarray], like) -> object:
    """Put the leaves of a state back into its tree, each to its place."""
    shapes, tree = jax.tree.flatten(like)
    if [(leaf.shape, leaf.dtype) for leaf in leaves] != [
        (shape.shape, shape.dtype) for shape in shapes
    ]:
        raise UserError(
            "the state in the checkpoint has another shape; delete the folder results/checkpoints and run again"
        )
    return tree.unflatten(
        [jax.device_put(leaf, shape.sharding) for leaf, shape in zip(leaves, shapes, strict=True)]
    )


def _next_goal_check(drawn: int) -> int:
    """Give the number of draws at which the goals are looked at next."""
    look, factor = GOAL_CHECKS
    while look <= drawn:
        look = int(look * factor)
    return look


def _goals_reached(goals: dict, records: DrawBuffer) -> bool:
    """Tell whether all goals are reached: by the smallest ESS (bulk and tail) and the largest R-hat of all scalars that move."""
    from posterity.stats.arviz_bridge import import_array_stats  # half a second, for those who ask

    draws = records.scalars()
    draws = draws[np.ptp(draws, axis=(1, 2)) > 0] if len(draws) else draws
    if not len(draws) or not np.isfinite(draws).all():
        return False
    half = draws.shape[2] // 2
    chains = (
        draws
        if draws.shape[1] > 1
        else np.concatenate([draws[:, :, :half], draws[:, :, half : 2 * half]], axis=1)
    )
    ess = [
        import_array_stats().ess(draws, method="bulk"),
        import_array_stats().ess(draws, method="tail", prob=(0.05, 0.95)),
    ]
    return bool(
        np.min(ess) >= goals.get("ess", 0)
        and np.max(import_array_stats().rhat(chains)) <= goals.get("rhat", np.inf)
    )


GOAL_DRAWS_FACTOR = (
    20  # times the draws of the fit, at most, where `stop_when` has goals and no number of draws
)


def compute_max_draws(settings: dict) -> int:
    """Give the draws per chain that a fit has at most: those of `stop_when`, or its own, with a goal twenty times those."""
    until = settings["stop_when"]
    return until.get(
        "draws", settings["draws"] * (GOAL_DRAWS_FACTOR if "ess" in until or "rhat" in until else 1)
    )
