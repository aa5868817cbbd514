import numpy as np
import pytest
import xarray as xr

import gate as gate_script
import verdict as verdict_script
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.diagnostics.check import Check, checks_to_dataset
from posterity.diagnostics.verdict import CHECK_HEADINGS, assemble_verdict
from posterity.errors import UserError

VALUES = {"rhat": 1.001, "ess_bulk": 900.0, "ess_tail": 700.0, "ppc": 0.5}


def make_diagnosis(model="m", fit="f", **statuses):
    """Return a diagnosis.nc in memory; checks pass unless a status is given."""
    checks = [
        Check(name, value, 1.0, statuses.get(name, "pass"), f"about {name}")
        for name, value in VALUES.items()
    ]
    tree = xr.DataTree.from_dict({"/checks": checks_to_dataset(checks)})
    tree.attrs = {"study": "s", "model": model, "fit": fit, "draws": 4000, "fit_seconds": 1.5}
    return tree


def test_verdict_on_a_fit_is_its_worst_check():
    fit = assemble_verdict([make_diagnosis(rhat="warn", ppc="fail")], {}).fits[0]
    assert (fit.model, fit.fit, fit.verdict, fit.draws) == ("m", "f", "fail", 4000)
    assert fit.reason == "rhat: about rhat; ppc: about ppc"


def test_fit_without_problems_has_no_reason():
    fit = assemble_verdict([make_diagnosis()], {}).fits[0]
    assert (fit.verdict, fit.reason) == ("pass", "")
    assert (fit.ess, fit.rhat) == (700.0, 1.001)


def test_unknown_tail_ess_leaves_the_bulk_ess():
    tree = make_diagnosis()
    data = tree["checks"].to_dataset()
    data["value"][2] = np.nan
    tree["checks"] = xr.DataTree(data)
    assert assemble_verdict([tree], {}).fits[0].ess == 900.0


def test_verdict_on_a_study_is_its_worst_fit():
    trees = [make_diagnosis(fit="f"), make_diagnosis(fit="g", ppc="warn")]
    result = assemble_verdict(trees, {})
    assert result.status == "warn"
    assert result.fit_seconds == {"m/f": 1.5, "m/g": 1.5}


def test_fits_are_sorted_by_model_and_fit():
    trees = [make_diagnosis("n", "a"), make_diagnosis("m", "g"), make_diagnosis("m", "f")]
    fits = assemble_verdict(trees, {}).fits
    assert [(fit.model, fit.fit) for fit in fits] == [("m", "f"), ("m", "g"), ("n", "a")]


def test_expected_failure_overrides_status_and_message():
    expect = {"m": {"f": {"ppc": "fail"}}}
    result = assemble_verdict([make_diagnosis(ppc="fail")], expect)
    assert result.status == "expected"
    row = next(row for row in result.checks if row.check.name == "ppc")
    assert row.cells[-3:] == ("fail", "expected", "ppc is expected to fail, and does: about ppc")


def test_groups_repeat_checks_and_verdicts():
    result = assemble_verdict([make_diagnosis(ppc="warn")], {})
    groups = result.to_groups()
    checks = groups["checks"]
    assert checks["check"].values.tolist() == list(VALUES)
    assert set(checks["stage"].values) == {"diagnose"}
    assert checks["effective_status"].values.tolist() == ["pass", "pass", "pass", "warn"]
    assert groups["fit_verdicts"]["verdict"].values.tolist() == ["warn"]
    assert groups["fit_verdicts"]["draws"].values.tolist() == [4000]


def test_cells_have_a_heading_each_and_are_sorted():
    trees = [make_diagnosis("n"), make_diagnosis("m")]
    cells = assemble_verdict(trees, {}).to_cells()
    assert {len(row) for row in cells} == {len(CHECK_HEADINGS)}
    assert cells == sorted(cells)
    assert cells[0] == ("m", "f", "ess_bulk", "900", "1", "pass", "pass", "about ess_bulk")


def write_tree(path, tree):
    groups = {name: node.to_dataset() for name, node in tree.children.items()}
    write_artefact(path, groups, tree.attrs)
    return str(path)


def test_script_writes_the_verdict_and_a_page(tmp_path):
    diagnosis = write_tree(tmp_path / "diagnosis.nc", make_diagnosis("b", ppc="warn"))
    output = str(tmp_path / "verdict.nc")
    page = tmp_path / "checks.html"
    verdict_script.verdict([diagnosis], output, str(page), "s", "A title", expect={})
    tree = read_artefact(output, study="s")
    assert tree.attrs["verdict"] == "warn"
    assert tree["fit_verdicts"]["model"].values.tolist() == ["b"]
    assert "A title: all checks" in page.read_text()
    assert "about ppc" in page.read_text()


def run_gate(folder, verdict):
    """Run the gate at a verdict; return the path of its output."""
    fits = {"model": ["m"], "fit": ["f"], "verdict": [verdict], "reason": ["ppc: why"]}
    table = xr.Dataset(
        {name: ("row", np.array(values, dtype=object)) for name, values in fits.items()}
    )
    file = folder / "verdict.nc"
    write_artefact(file, {"fit_verdicts": table}, {"study": "s", "verdict": verdict})
    output = folder / "gate.txt"
    gate_script.gate(str(file), str(output), "s")
    return output


@pytest.mark.parametrize("verdict", ["pass", "expected", "warn"])
def test_strict_run_continues_unless_the_verdict_is_fail(tmp_path, verdict):
    assert run_gate(tmp_path, verdict).read_text() == f"s: {verdict}\n"


def test_strict_run_stops_at_a_failed_verdict(tmp_path):
    with pytest.raises(UserError, match=r"model m, fit f: ppc: why.*Set `strict: false`"):
        run_gate(tmp_path, "fail")
    assert not (tmp_path / "gate.txt").exists()
