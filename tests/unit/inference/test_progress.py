"""Progress messages of a running fit."""

from types import SimpleNamespace

import numpy as np
import pytest

from posterity.inference import progress as progress_module
from posterity.inference.progress import ProgressReporter
from posterity.inference.records import DrawBuffer


class Clock:
    """A clock that a test sets."""

    def __init__(self):
        self.now = 100.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress_module, "time", clock)
    return clock


@pytest.fixture
def messages():
    return []


def make_reporter(messages, evaluations=0, earlier=0.0):
    program = SimpleNamespace(
        max_steps=100, unit="draws", chains=2, count_evaluations=lambda state: evaluations
    )
    return ProgressReporter(program, messages.append, earlier)


def make_records(draws=50):
    buffer = DrawBuffer({}, ("x",), 20)
    x = np.random.default_rng(0).normal(size=(2, draws, 2))
    buffer.add({"x": x, ".diverging": np.arange(2 * draws).reshape(2, draws) < 3}, draws)
    return buffer


def test_elapsed_time_includes_that_before_a_restart(clock, messages):
    reporter = make_reporter(messages, earlier=7.0)
    clock.now += 2
    assert reporter.elapsed() == 9.0


def test_report_of_the_warmup_has_the_remaining_time(clock, messages):
    reporter = make_reporter(messages)
    reporter.finish_chunk(10, is_phase_end=False)
    clock.now += 10
    reporter.report(None, make_records(), 20, 40)
    assert messages == ["warm-up 20 of 40, about 120 s left, 3 divergences"]


def test_report_of_the_draws_has_convergence_divergences_and_leapfrogs(clock, messages):
    reporter = make_reporter(messages, evaluations=700)
    reporter.report(None, make_records(), 70, 20)
    parts = messages[0].split(", ")
    assert parts[0] == "50 of 100 draws"
    assert parts[1].startswith("smallest ESS ")
    assert parts[1].endswith(("(x[0])", "(x[1])"))
    assert parts[2].startswith("largest R-hat ")
    assert parts[3:] == ["3 divergences", "5 leapfrogs per draw"]


def test_few_draws_have_no_convergence(clock, messages):
    make_reporter(messages).report(None, make_records(7), 7, 0)
    assert messages == ["7 of 100 draws, 3 divergences"]


def test_remaining_time_starts_again_after_the_warmup(clock, messages):
    reporter = make_reporter(messages)
    reporter.finish_chunk(10, is_phase_end=False)
    clock.now += 50
    reporter.finish_chunk(20, is_phase_end=True)
    assert reporter.phase_start == (20, 150.0)
    reporter.finish_chunk(30, is_phase_end=False)
    assert reporter.phase_start == (20, 150.0)


def test_costly_task_is_due_less_often(clock, messages):
    reporter = make_reporter(messages)
    assert not reporter.is_due("checkpoint")
    clock.now += 1
    assert reporter.is_due("checkpoint")
    with reporter.measure("checkpoint"):
        clock.now += 2
    clock.now += 99
    assert not reporter.is_due("checkpoint")
    assert reporter.is_due("report")
    clock.now += 1
    assert reporter.is_due("checkpoint")


def test_report_waits_until_it_is_due(clock, messages):
    reporter = make_reporter(messages)
    reporter.report_if_due(None, make_records(), 10, 40)
    assert messages == []
    clock.now += 1
    reporter.report_if_due(None, make_records(), 10, 40)
    assert len(messages) == 1
