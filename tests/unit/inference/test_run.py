"""Runs that are killed, stopped by a signal, or ended by a rule."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.artefact.provenance import VOLATILE_ATTRIBUTES
from posterity.config.schema import complete_settings
from posterity.inference import run
from posterity.inference.checkpoint import Checkpoint
from posterity.inference.run import (
    ChunkScheduler,
    RunInterrupted,
    RunOptions,
    RunPosition,
    run_chunks,
)
from posterity.inference.stopping import StoppingRule

MODEL = """
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist


def model(x, y=None):
    m = numpyro.sample("m", dist.Normal(0, 10))
    c = numpyro.sample("c", dist.Normal(0, 10))
    far = numpyro.sample("far", dist.Normal(jnp.zeros(3), 1).to_event(1))
    numpyro.deterministic("sum", m + c + far.sum())
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Normal(m * x + c, 1.0), obs=y)
"""
NUTS = {
    "method": "nuts",
    "chains": 4,
    "warmup": 3000,
    "draws": 12000,
    "target_accept": 0.8,
    "max_tree_depth": 10,
    "dense_mass": False,
    "init": "uniform",
    "reparam": {},
    "stop_when": {},
    "retry": True,
}
RESUMED = "resuming from the checkpoint"


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a model and its data."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "model.py").write_text(MODEL)
    x = np.linspace(0, 10, 50)
    y = 2 * x + 1 + np.random.default_rng(1).normal(size=50)
    data = xr.Dataset({"x": ("row", x), "y": ("row", y)})
    attributes = {"study": "study", "source": "test", "data_hash": "1"}
    write_artefact(folder / "data.nc", {"data": data}, attributes)
    return folder


def start_fit(place, name, settings, checkpoint=True, threads=2):
    """Start a fit in a process."""
    folder = place / f"checkpoint-{name}" if checkpoint else "none"
    script = Path(__file__).with_name("fit_once.py")
    arguments = [place, place / f"{name}.nc", folder, json.dumps(settings), threads]
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, arguments)],
        env={key: value for key, value in os.environ.items() if key != "XLA_FLAGS"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process) -> str:
    """Wait for a fit to succeed, and return its output."""
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 0, text
    return text


def read_plain(path: Path) -> tuple[xr.DataTree, dict]:
    """Read the groups of an artefact without attributes, and its attributes but times and host."""
    tree = read_artefact(path)
    groups = tree.map_over_datasets(lambda data: data.drop_attrs(deep=False))
    kept = {name: value for name, value in tree.attrs.items() if name not in VOLATILE_ATTRIBUTES}
    return groups, kept


def assert_same_artefact(first: Path, second: Path) -> None:
    """Assert that two artefacts agree bit for bit, and in all attributes but times and host."""
    groups, attributes = read_plain(first)
    other_groups, other_attributes = read_plain(second)
    xr.testing.assert_identical(groups, other_groups)
    assert attributes == other_attributes


def parse_report(line: str) -> dict[str, int]:
    """Read a report of the fit from a line of its output; empty for another line."""
    try:
        report = json.loads(line)
    except ValueError:
        return {}
    return report if isinstance(report, dict) else {}


def interrupt_fit(place, name, settings, moment, number=signal.SIGKILL):
    """
    Start a fit and send it a signal at a moment, a fraction of the iterations that it reports.

    Returns its exit code and its output.
    """
    process = start_fit(place, name, settings)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if parse_report(line).get("done", -1) >= moment * (settings["warmup"] + settings["draws"]):
            time.sleep(random.Random(f"{name} {moment}").uniform(0, 0.03))
            process.send_signal(number)
            break
    rest, _ = process.communicate(timeout=300)
    return process.returncode, "".join(lines) + rest


@pytest.fixture(scope="module")
def uninterrupted(place) -> Path:
    """The artefact of a fit that nothing interrupted."""
    finish(start_fit(place, "uninterrupted", NUTS, checkpoint=False))
    return place / "uninterrupted.nc"


def test_resume_after_sigkill_is_bit_identical(place, uninterrupted):
    for moment in (0.03, 0.4, 0.9):
        code, output = interrupt_fit(place, "killed", NUTS, moment)
        assert code == -signal.SIGKILL, output
    assert RESUMED in finish(start_fit(place, "killed", NUTS))
    assert_same_artefact(place / "killed.nc", uninterrupted)
    assert not (place / "checkpoint-killed").exists()


@pytest.mark.long
def test_resume_after_twelve_random_kills_is_bit_identical(place, uninterrupted):
    """Six fits, each killed twice, in warm-up or in draws."""
    moments = random.Random(20)
    for fit in range(6):
        name = f"random{fit}"
        for moment in sorted([moments.uniform(0, 0.12), moments.uniform(0.05, 0.95)]):
            code, output = interrupt_fit(place, name, NUTS, moment)
            assert code == -signal.SIGKILL, output
        finish(start_fit(place, name, NUTS))
        assert_same_artefact(place / f"{name}.nc", uninterrupted)


@pytest.mark.long
def test_resume_after_sigterm_is_bit_identical(place, uninterrupted):
    code, output = interrupt_fit(place, "terminated", NUTS, 0.3, signal.SIGTERM)
    assert code == 1
    assert "stopped by SIGTERM after" in output
    assert "The next run resumes from" in output
    assert RESUMED in finish(start_fit(place, "terminated", NUTS))
    assert_same_artefact(place / "terminated.nc", uninterrupted)


@pytest.mark.long
@pytest.mark.parametrize("threads", [1, 4])
def test_result_does_not_depend_on_threads(place, uninterrupted, threads):
    name = f"threads{threads}"
    finish(start_fit(place, name, NUTS, threads=threads))
    assert_same_artefact(place / f"{name}.nc", uninterrupted)


@pytest.mark.long
def test_fit_does_not_resume_from_other_inputs(place):
    interrupt_fit(place, "other", NUTS, 0.3)
    changed = NUTS | {"target_accept": 0.9, "draws": 500}
    output = finish(start_fit(place, "other", changed))
    assert "has other inputs (settings differ). The fit starts again." in output
    finish(start_fit(place, "fresh", changed, checkpoint=False))
    assert_same_artefact(place / "other.nc", place / "fresh.nc")


@pytest.mark.long
def test_goals_end_a_fit_at_the_same_draw_each_time(place):
    settings = NUTS | {"warmup": 500, "stop_when": {"ess": 2000, "rhat": 1.01}}
    finish(start_fit(place, "goal", settings, threads=1))
    finish(start_fit(place, "goal-again", settings, threads=2))
    assert_same_artefact(place / "goal.nc", place / "goal-again.nc")
    fit = read_artefact(place / "goal.nc")
    assert fit.attrs["stopped"] == "ess and rhat"
    from posterity.stats.summary import summarise_draws

    summary = summarise_draws(get_group(fit, "posterior"), "hdi", 0.9)
    assert 2000 <= min(summary["ess_bulk"].min(), summary["ess_tail"].min()) < 5000
    assert summary["r_hat"].max() <= 1.01


@pytest.mark.long
def test_time_limit_cuts_a_long_warmup_and_leaves_draws(place):
    settings = NUTS | {"warmup": 2_000_000, "draws": 2_000_000, "stop_when": {"minutes": 0.02}}
    finish(start_fit(place, "minutes", settings))
    fit = read_artefact(place / "minutes.nc")
    draws = get_group(fit, "posterior")
    assert fit.attrs["stopped"] == "minutes"
    assert 0 < fit.attrs["warmup"] < 2_000_000
    assert 4 <= draws.sizes["draw"] < 2_000_000
    assert abs(float(draws["m"].mean()) - 2) < 0.2
    # The adaptation has ended in each chain.
    assert len(np.unique(get_group(fit, "sample_stats")["step_size"])) == 4


@pytest.mark.long
@pytest.mark.parametrize(
    "settings",
    [
        complete_settings("svi", steps=20000, tolerance=0, restarts=5),
        complete_settings("nested", live_points=500, runs=2),
    ],
    ids=["svi", "nested"],
)
def test_other_methods_resume_bit_identically(place, settings):
    name = settings["method"]
    finish(start_fit(place, f"{name}-uninterrupted", settings, checkpoint=False))
    process = start_fit(place, name, settings)
    reports = 0
    for line in process.stdout:
        reports += "done" in parse_report(line)
        if reports == 3:
            process.send_signal(signal.SIGKILL)
            break
    process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL
    assert RESUMED in finish(start_fit(place, name, settings))
    assert_same_artefact(place / f"{name}.nc", place / f"{name}-uninterrupted.nc")


class CountingProgram:
    """A program in plain NumPy: the state counts the iterations, and each draw is its number."""

    unit = "draws"
    chains = 1
    chunk_size = 7
    thin: dict = {}  # noqa: RUF012
    monitored = ()
    stopping_rule = None
    state_shapes = None

    def __init__(self, warmup=0, max_steps=20):
        self.warmup = warmup
        self.max_steps = max_steps
        self.counts = []

    def start(self):
        return np.zeros((), int)

    def advance(self, state, count, recording):
        self.counts.append(count)
        values = np.zeros((1, self.chunk_size))
        values[0, :count] = state + np.arange(count)
        return state + count, {"x": values}

    def cut_warmup(self, state):
        return state

    def is_followed(self, records):
        return False

    def count_evaluations(self, state):
        return 0


def test_chunks_never_exceed_the_chunk_size_or_the_warmup():
    program = CountingProgram(warmup=5)
    result = run_chunks(program, RunOptions())
    assert sum(program.counts) == 25
    assert max(program.counts) <= 7
    assert 5 in np.cumsum(program.counts)
    np.testing.assert_array_equal(result.records["x"][0], np.arange(5, 25))
    assert (result.warmup, result.draws, result.stopped) == (5, 20, "draws")


def test_stopping_rule_is_checked_at_its_draws_alone():
    program = CountingProgram()
    checks = []

    def is_reached(records):
        checks.append(records.draws)
        return records.draws == 12

    program.stopping_rule = StoppingRule("rule", lambda draws: draws // 6 * 6 + 6, is_reached)
    result = run_chunks(program, RunOptions())
    assert checks == [6, 12]
    assert (result.draws, result.stopped) == (12, "rule")


def test_scheduler_cuts_the_warmup_once_half_of_the_time_is_over():
    schedule = ChunkScheduler(CountingProgram(warmup=100), None, 60.0, RunPosition(0, 100))
    assert schedule.choose_count() == 1
    assert not schedule.finish_chunk(1, 0.1, elapsed=29.0)
    assert schedule.finish_chunk(7, 0.1, elapsed=31.0)
    assert schedule.warmup == 9


def test_scheduler_ends_at_the_limit_of_time_only_with_draws():
    schedule = ChunkScheduler(CountingProgram(), None, 60.0, RunPosition(3, 0))
    schedule.decide_stop(None, elapsed=61.0)
    assert schedule.stopped == ""
    schedule.done = 4
    schedule.decide_stop(None, elapsed=61.0)
    assert schedule.stopped == "minutes"


def test_chunk_grows_by_a_bounded_factor():
    schedule = ChunkScheduler(CountingProgram(max_steps=10**6), None, np.inf, RunPosition(0, 0))
    schedule.program.chunk_size = 10**6
    schedule.finish_chunk(schedule.choose_count(), 1e-9, elapsed=0.0)
    assert schedule.choose_count() == run.MAX_CHUNK_GROWTH


def test_signal_ends_a_run_with_a_checkpoint_from_which_it_resumes(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "restore_state", lambda leaves, shapes: leaves[0])
    checkpoint = Checkpoint(tmp_path / "checkpoint", {}, tmp_path / "posterior.nc")
    program = CountingProgram()
    advance = program.advance

    def advance_and_signal(state, count, recording):
        if state >= 8:
            signal.raise_signal(signal.SIGTERM)
        return advance(state, count, recording)

    program.advance = advance_and_signal
    with pytest.raises(RunInterrupted, match=r"stopped by SIGTERM after .* of 20 iterations\. The"):
        run_chunks(program, RunOptions(checkpoint))
    messages = []
    resumed = CountingProgram()
    result = run_chunks(resumed, RunOptions(checkpoint, messages.append))
    assert sum(resumed.counts) < 20
    assert messages[0].startswith(RESUMED)
    np.testing.assert_array_equal(result.records["x"][0], np.arange(20))
