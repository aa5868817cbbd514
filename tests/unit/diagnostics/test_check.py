import re

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from posterity.diagnostics.check import (
    STATUS_ORDER,
    Check,
    Outcome,
    apply_expectation,
    checks_from_dataset,
    checks_to_dataset,
    describe_extreme,
    downgrade_pass,
    find_worst_status,
    judge_value,
    skip_check,
)
from posterity.report.html import PAGE_STYLE, STATUS_MARKS, render_page
from posterity.report.overview import STATUS_ROLES


@pytest.mark.parametrize(
    ("value", "threshold", "lower_is_better", "status"),
    [
        (1.0, 1.01, True, "pass"),
        (1.01, 1.01, True, "pass"),
        (1.02, 1.01, True, "fail"),
        (1.02, {"warn": 1.01}, True, "warn"),
        (1.02, {"warn": 1.01, "fail": 1.05}, True, "warn"),
        (1.06, {"warn": 1.01, "fail": 1.05}, True, "fail"),
        (300, 400, False, "fail"),
        (np.nan, 400, False, "fail"),
        (np.inf, {"warn": 1}, True, "warn"),
    ],
)
def test_status_follows_from_the_threshold(value, threshold, lower_is_better, status):
    assert judge_value("x", value, threshold, "", lower_is_better=lower_is_better).status == status


def test_threshold_for_fail_is_stated():
    assert judge_value("x", 0, {"warn": 1, "fail": 2}, "").threshold == 2
    assert judge_value("x", 0, {"warn": 1}, "").threshold == 1
    assert judge_value("x", 0, 3, "").threshold == 3


def test_remedy_follows_a_warning_or_failure_only():
    assert judge_value("x", 1, 2, "large", remedy="shrink it").message == "large"
    assert judge_value("x", 3, 2, "large", remedy="shrink it").message == "large; shrink it"
    check = judge_value("x", 3, {"warn": 2}, "large", remedy="shrink it")
    assert check.message == "large; shrink it"


def test_skipped_check_has_no_value():
    check = skip_check("x", "because")
    assert (check.status, check.message) == ("n/a", "because")
    assert np.isnan([check.value, check.threshold]).all()


def test_only_a_pass_is_downgraded():
    passed = Check("x", 1.0, 2.0, "pass", "fine")
    assert downgrade_pass(passed, "but") == Check("x", 1.0, 2.0, "warn", "fine; but")
    assert downgrade_pass(passed) == Check("x", 1.0, 2.0, "warn", "fine")
    failed = Check("x", 1.0, 2.0, "fail", "bad")
    assert downgrade_pass(failed, "but") == failed


def test_count_of_one_is_not_mentioned():
    assert describe_extreme("largest R-hat", "1.2", "m", 9) == "largest R-hat of 9 scalars: 1.2 (m)"
    assert describe_extreme("largest R-hat", "1.2", "m", 1) == "largest R-hat: 1.2 (m)"


@pytest.mark.parametrize(
    ("statuses", "worst"),
    [
        (["pass", "n/a", "warn"], "warn"),
        (["fail", "warn"], "fail"),
        (["n/a"], "pass"),
        ([], "pass"),
        (["pass", "expected", "n/a"], "expected"),
        (["expected", "warn"], "warn"),
    ],
)
def test_worst_status_counts(statuses, worst):
    assert find_worst_status(statuses) == worst


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.lists(st.sampled_from(STATUS_ORDER)))
def test_no_status_is_worse_than_the_worst(statuses):
    worst = STATUS_ORDER.index(find_worst_status(statuses))
    assert all(STATUS_ORDER.index(status) <= worst for status in statuses)


@pytest.mark.parametrize(
    ("declared", "status", "outcome"),
    [
        (None, "n/a", Outcome("n/a", False, "")),
        (None, "pass", Outcome("pass", False, "")),
        (None, "warn", Outcome("warn", False, "ppc: m")),
        (None, "fail", Outcome("fail", False, "ppc: m")),
        (
            "warn",
            "n/a",
            Outcome("fail", True, "ppc is expected to warn (`expect:`), but its status is n/a: m"),
        ),
        (
            "warn",
            "pass",
            Outcome("fail", True, "ppc is expected to warn (`expect:`), but its status is pass: m"),
        ),
        ("warn", "warn", Outcome("expected", True, "ppc is expected to warn, and does: m")),
        (
            "warn",
            "fail",
            Outcome("fail", True, "ppc is expected to warn (`expect:`), but its status is fail: m"),
        ),
        (
            "fail",
            "n/a",
            Outcome("fail", True, "ppc is expected to fail (`expect:`), but its status is n/a: m"),
        ),
        (
            "fail",
            "pass",
            Outcome("fail", True, "ppc is expected to fail (`expect:`), but its status is pass: m"),
        ),
        (
            "fail",
            "warn",
            Outcome("fail", True, "ppc is expected to fail (`expect:`), but its status is warn: m"),
        ),
        ("fail", "fail", Outcome("expected", True, "ppc is expected to fail, and does: m")),
        ("any", "n/a", Outcome("n/a", False, "")),
        ("any", "pass", Outcome("pass", False, "")),
        (
            "any",
            "warn",
            Outcome(
                "expected", True, "ppc is ignored, as the fit is expected to fail (status warn): m"
            ),
        ),
        (
            "any",
            "fail",
            Outcome(
                "expected", True, "ppc is ignored, as the fit is expected to fail (status fail): m"
            ),
        ),
    ],
)
def test_expectation_decides_what_a_check_counts_as(declared, status, outcome):
    assert apply_expectation(Check("ppc", 0, 0.01, status, "m"), declared) == outcome


def test_each_status_has_its_own_sign_and_colour():
    rules = (ROOT / "workflow/report/report.css").read_text() + PAGE_STYLE
    signs = {status: mark.partition(" ")[0] for status, mark in STATUS_MARKS.items()}
    assert list(signs) == [status for status in STATUS_ORDER if status != "n/a"]
    assert len(set(signs.values())) == len(signs)
    for status, mark in STATUS_MARKS.items():
        assert STATUS_ROLES[status] == f":{status}:`{mark}`"
        assert f'<td class="{status}">{mark}</td>' in render_page("", (), [(status,)])
    colours = [re.findall(rf"\.{status} {{ color: (#\w+)", rules) for status in signs]
    assert all(of_report == of_page for of_report, of_page in colours)
    assert len({of_report for of_report, _ in colours}) == len(signs)


def test_checks_survive_a_round_trip():
    checks = [Check("a", 1.0, 2.0, "pass", "fine"), skip_check("b", "because")]
    data = checks_to_dataset(checks, model=["m", "m"])
    assert list(data["model"].values) == ["m", "m"]
    first, second = checks_from_dataset(data)
    assert first == checks[0]
    assert (second.name, second.status, second.message) == ("b", "n/a", "because")
