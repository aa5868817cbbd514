import re

import numpy as np
import pytest
import xarray as xr
from conftest import LIMITS, ROOT

import gate as gates
from posterity.artefact.netcdf import write_artefact
from posterity.diagnostics.check import (
    STATUS_ORDER,
    Check,
    Outcome,
    apply_expectation,
    checks_from_dataset,
    checks_to_dataset,
    find_worst_status,
    judge_value,
    skip_check,
)
from posterity.diagnostics.convergence import check_convergence, check_sampler
from posterity.errors import UserError
from posterity.report.html import PAGE_STYLE, STATUS_MARKS, render_page
from posterity.report.overview import STATUS_ROLES
from posterity.stats.summary import summarise_draws


@pytest.mark.parametrize(
    ("value", "limits", "above", "status"),
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
def test_judging(value, limits, above, status):
    assert judge_value("x", value, limits, "", above).status == status


def test_the_worst_counts():
    assert find_worst_status(["pass", "n/a", "warn"]) == "warn"
    assert find_worst_status(["fail", "warn"]) == "fail"
    assert find_worst_status(["n/a"]) == find_worst_status([]) == "pass"
    assert find_worst_status(["pass", "expected", "n/a"]) == "expected"
    assert find_worst_status(["expected", "warn"]) == "warn"


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
def test_expected_failures(declared, status, outcome):
    assert apply_expectation(Check("ppc", 0, 0.01, status, "m"), declared) == outcome


def test_each_status_has_a_sign_and_a_colour_of_its_own():
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


def test_a_strict_run_stops_at_fail_alone(tmp_path):
    for verdict in ("pass", "expected", "warn", "fail"):
        fits = {"model": ["m"], "fit": ["f"], "verdict": [verdict], "reason": ["ppc: why"]}
        table = xr.Dataset(
            {name: ("row", np.array(values, dtype=object)) for name, values in fits.items()}
        )
        file = tmp_path / f"{verdict}.nc"
        write_artefact(file, {"fit_verdicts": table}, {"study": "s", "verdict": verdict})
        gate = tmp_path / f"{verdict}.txt"
        if verdict == "fail":
            with pytest.raises(UserError, match="model m, fit f: ppc: why"):
                gates.gate(str(file), str(gate), "s")
            assert not gate.exists()
        else:
            gates.gate(str(file), str(gate), "s")
            assert gate.read_text() == f"s: {verdict}\n"


def test_there_and_back():
    some = [Check("a", 1.0, 2.0, "pass", "fine"), skip_check("b", "because")]
    data = checks_to_dataset(some, model=["m", "m"])
    assert list(data["model"].values) == ["m", "m"]
    back = checks_from_dataset(data)
    assert back[0] == some[0]
    assert (back[1].name, back[1].status, back[1].message) == ("b", "n/a", "because")


def found(draws):
    posterior = xr.Dataset({"x": (("chain", "draw"), draws)})
    return {
        c.name: c
        for c in check_convergence(summarise_draws(posterior, "hdi", 0.9), draws.shape[0], LIMITS)
    }


def test_good_chains_pass():
    draws = np.random.default_rng(1).normal(size=(4, 1000))
    assert {c.status for c in found(draws).values()} == {"pass"}


def test_chains_that_disagree_fail():
    draws = np.random.default_rng(1).normal(size=(4, 1000)) + np.array([0, 0, 0, 1])[:, None]
    result = found(draws)
    assert result["rhat"].status == "fail"
    assert result["ess_bulk"].status == "fail"


def test_slow_chains_fail():
    noise = np.random.default_rng(1).normal(size=(4, 1000))
    draws = np.zeros_like(noise)
    for i in range(1, 1000):
        draws[:, i] = 0.99 * draws[:, i - 1] + noise[:, i]
    result = found(draws)
    assert {result[name].status for name in ("rhat", "ess_bulk", "mcse")} == {"fail"}


def test_a_stuck_chain_fails():
    draws = np.random.default_rng(1).normal(size=(4, 1000))
    draws[3] = 0.3
    assert found(draws)["rhat"].status == "fail"


def test_one_chain_warns_and_a_drifting_one_fails():
    draws = np.random.default_rng(1).normal(size=(1, 4000))
    assert found(draws)["rhat"].status == "warn"
    assert found(draws)["ess_bulk"].status == "pass"
    assert found(draws + np.linspace(0, 3, 4000))["rhat"].status == "fail"


def test_a_latent_site_that_never_moves_fails():
    posterior = xr.Dataset({"x": (("chain", "draw"), np.ones((4, 100)))})
    summary = summarise_draws(posterior, "hdi", 0.9)
    assert {c.status for c in check_convergence(summary, 4, LIMITS, {"x"})} == {"fail"}


def test_constants_of_a_cholesky_factor_are_not_judged():
    """As LKJCholesky has them: the first row is 1, 0."""
    draws = np.random.default_rng(1).uniform(-1, 1, size=(4, 1000))
    factor = np.stack(
        [np.ones_like(draws), np.zeros_like(draws), draws, np.sqrt(1 - draws**2)], axis=-1
    ).reshape(4, 1000, 2, 2)
    summary = summarise_draws(xr.Dataset({"L": (("chain", "draw", "i", "j"), factor)}), "hdi", 0.9)
    assert {c.status for c in check_convergence(summary, 4, LIMITS, {"L"})} == {"pass"}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_draws_that_are_not_finite_fail(value):
    draws = np.random.default_rng(1).normal(size=(4, 1000))
    draws[2, 5] = value
    assert {c.status for c in found(draws).values()} == {"fail"}


def test_draws_that_never_differ_are_not_judged():
    assert {c.status for c in found(np.ones((4, 100))).values()} == {"n/a"}


def test_sampler():
    rng = np.random.default_rng(1)
    lead = ("chain", "draw")
    good = xr.Dataset(
        {
            "diverging": (lead, np.zeros((2, 500), bool)),
            "energy": (lead, rng.normal(size=(2, 500))),
            "tree_depth": (lead, np.full((2, 500), 3)),
            "n_steps": (lead, np.full((2, 500), 7)),
        }
    )
    settings = {"max_tree_depth": 10}
    assert {
        c.status for c in check_sampler(good, settings, LIMITS) if c.name != "acceptance_rate"
    } == {"pass"}
    bad = good.copy(deep=True)
    bad["diverging"][0, 3] = True
    bad["energy"] = (lead, rng.normal(size=(2, 500)).cumsum(1))
    bad["n_steps"][0, :50] = 1023
    status = {
        c.name: c.status
        for c in check_sampler(bad, settings, LIMITS)
        if c.name != "acceptance_rate"
    }
    assert status == {"divergences": "fail", "e_bfmi": "fail", "tree_depth": "warn"}
    assert {c.status for c in check_sampler(xr.Dataset(), {}, LIMITS)} == {"n/a"}
