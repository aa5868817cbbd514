"""The checks `data` and `precision` judge what the stage prior has found."""

import numpy as np
import pytest
import xarray as xr

from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.diagnostics.data import check_data, check_precision, list_findings
from posterity.model.findings import Finding, findings_to_dataset

THRESHOLD = {"warn": 0.01, "fail": 0.5}


def judge(*findings):
    return check_data(findings_to_dataset(findings, 30), THRESHOLD)


def test_a_table_without_findings_passes_after_it_was_stored(tmp_path):
    group = findings_to_dataset([], 30)
    write_artefact(tmp_path / "prior.nc", {"data_checks": group}, {})
    stored = get_group(read_artefact(tmp_path / "prior.nc"), "data_checks")
    check = check_data(stored, THRESHOLD)
    assert (check.status, check.value) == ("pass", 0)
    assert check.message == "nothing found in 30 rows"


@pytest.mark.parametrize("group", [xr.Dataset(), findings_to_dataset([], 0)])
def test_without_data_the_check_does_not_apply(group):
    assert check_data(group, THRESHOLD).status == "n/a"


@pytest.mark.parametrize(
    ("share", "status"), [(0.005, "pass"), (0.1, "warn"), (0.5, "warn"), (1.0, "fail")]
)
def test_the_threshold_decides_on_copied_rows(share, status):
    check = judge(Finding("duplicates", "pass", "rows have copies", share))
    assert check.status == status
    assert check.value == share
    assert check.threshold == 0.5


def test_the_worst_finding_comes_first_and_three_are_named():
    findings = [Finding("constant", "warn", f"column {name}") for name in "abc"]
    check = judge(*findings, Finding("index", "fail", "label 8"))
    assert check.status == "fail"
    assert check.message == "label 8; column a; column b; and 1 more (`make check` lists them)"


def test_all_findings_are_listed_with_their_status():
    findings = [Finding("constant", "warn", "a"), Finding("duplicates", "pass", "b", 0.001)]
    assert list_findings(findings_to_dataset(findings, 30), THRESHOLD) == [("warn", "a")]


def make_precision(rounding, lost=1e-7):
    return xr.Dataset(
        {"rounding": rounding, "magnitude": 2e10, "site": "y", "column": "t", "lost": lost}
    )


@pytest.mark.parametrize(("rounding", "status"), [(1e-4, "pass"), (0.02, "fail"), (np.inf, "fail")])
def test_rounding_above_the_threshold_fails(rounding, status):
    check = check_precision(make_precision(rounding), 0.01)
    assert check.status == status
    assert "site 'y'" in check.message
    assert ("float_type: float64" in check.message) == (status == "fail")


def test_a_column_that_float32_cannot_hold_fails():
    check = check_precision(make_precision(1e-4, lost=0.03), 0.01)
    assert check.status == "fail"
    assert check.message.startswith("float32 changes 't' by up to 0.03 of its standard deviation")


@pytest.mark.parametrize("group", [xr.Dataset(), make_precision(np.nan)])
def test_precision_does_not_apply_without_a_number(group):
    assert check_precision(group, 0.01).status == "n/a"
