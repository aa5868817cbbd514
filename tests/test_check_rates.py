"""The benchmark of the checks: its arithmetic, and, in its small form, what it measures."""

import subprocess
import sys

import pytest
from conftest import ROOT

from posterity.python_files import load_module

FOLDER = ROOT / "benchmarks/checks"
summary = load_module(FOLDER / "summary.py")
results = load_module(FOLDER / "results.py")
Case, Row = summary.Case, summary.Row


def make_rows(kind, replicate, **statuses):
    return [
        Row(kind, replicate, check, 1.5, float("nan"), status, f"why, {status}")
        for check, status in statuses.items()
    ]


def make_cases(**expected):
    return {
        name: Case(name, "lines.py: line", None, expected=checks, is_small=True)
        for name, checks in expected.items()
    }


def test_binomial_tail_is_exact():
    assert summary.compute_binomial_tail(0, 10, 0.1) == pytest.approx(1)
    assert summary.compute_binomial_tail(2, 3, 0.5) == pytest.approx(0.5)
    assert summary.compute_binomial_tail(10, 10, 0.1) == pytest.approx(1e-10)


@pytest.mark.parametrize(("alarms", "count"), [(1, 0), (3, 0), (6, 1)])
def test_false_alarms_violate_the_bound_beyond_chance_only(alarms, count):
    cases = make_cases(line=())
    rows = []
    for number in range(10):
        status = "warn" if number < alarms else "pass"
        rows += make_rows("line", number, ppc=status, rhat="n/a")
    violations = summary.find_violations(rows, cases)
    assert len(violations) == count
    assert all(text.startswith(f"ppc is warn in {alarms} of 10") for text in violations)


def test_a_stage_that_raises_on_a_right_model_is_a_violation():
    rows = make_rows("line", 0, **{"stage fit": "crash", "verdict": "crash"})
    assert summary.find_violations(rows, make_cases(line=())) == [
        "line, replicate 0: stage fit crash: why, crash"
    ]


def test_a_missed_defect_of_the_small_form_is_a_violation():
    cases = make_cases(bent=("ppc", "loo_pit"), steep=("refused",), odd=("data",))
    rows = [
        *make_rows("bent", 0, ppc="pass", loo_pit="warn"),
        *make_rows("steep", 0, **{"stage fit": "refused"}),
        *make_rows("odd", 0, data="pass", ppc="fail"),
    ]
    assert summary.find_violations(rows, cases) == [
        "odd, replicate 0: none of data sees the defect; ppc does"
    ]


def test_power_counts_the_expected_checks_only():
    cases = make_cases(bent=("ppc",))
    rows = [
        *make_rows("bent", 0, ppc="fail", rhat="warn", verdict="fail"),
        *make_rows("bent", 1, ppc="pass", rhat="fail", verdict="fail"),
    ]
    text = summary.summarise_power(rows, cases)
    assert "| bent | ppc | 1 of 2 | partly | ppc 1 | rhat 2 | fail 2 |" in text
    assert "Caught: 1 of 2, 50.0 ± 35.4 % (bound 90%: **does not hold**)" in text


def test_shares_of_alarms_leave_out_replicates_without_the_check():
    rows = [
        *make_rows("line", 0, ppc="warn", khat="n/a", verdict="warn"),
        *make_rows("line", 1, ppc="pass", khat="n/a", verdict="pass"),
        *make_rows("coin", 0, ppc="n/a", khat="fail", verdict="fail"),
    ]
    text = summary.summarise_alarms(rows)
    assert "| ppc | 2 | 50.0 ± 35.4 % | 0 | **does not hold** | line 50.0% |" in text
    assert "| khat | 1 | 0 | 100.0 ± 0.0 % | **does not hold** | coin 100.0% |" in text


def test_results_are_read_as_written_and_finished_replicates_are_known(tmp_path):
    path = tmp_path / "rows.csv"
    assert results.list_finished(path) == set()
    first = make_rows("line", 0, ppc="warn", verdict="warn")
    second = make_rows("line", 1, ppc="pass")
    results.append_rows(path, first)
    results.append_rows(path, second)
    assert list(map(str, results.read_rows(path))) == list(map(str, first + second))
    assert results.list_finished(path) == {("line", 0)}


@pytest.mark.long
def test_checks_are_quiet_on_right_models_and_see_planted_defects(tmp_path):
    command = [sys.executable, FOLDER / "run.py", "small", "--out", tmp_path / "small.csv"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
