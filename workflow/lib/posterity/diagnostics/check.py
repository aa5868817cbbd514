"""Checks: a named number with a threshold, and its status: pass, warn, fail or n/a. All checks together are a verdict."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

STATUS_ORDER = ("n/a", "pass", "expected", "warn", "fail")  # from best to worst


@dataclass(frozen=True)
class Check:
    """One criterion: its value, the threshold that was used, its status, and a sentence for the reader."""

    name: str
    value: float
    threshold: float
    status: str
    message: str


@dataclass(frozen=True)
class Outcome:
    """
    What a check counts as in a verdict.

    `overridden` is true if the declaration in `expect:` decides the status, and not the check. `message` is empty if a reader
    needs none.
    """

    status: str
    overridden: bool
    message: str


def judge_value(
    name: str, value: float, limits: float | dict, message: str, above: bool = True
) -> Check:
    """
    Judge a value by its limits: a number (beyond it: fail), or {"warn": a, "fail": b}.

    With `above` what lies above a limit is bad, else what lies below. A value that is not a number fails.
    """
    limits = limits if isinstance(limits, dict) else {"fail": limits}
    status = "pass"
    for level in ("warn", "fail"):
        if level in limits and (
            not np.isfinite(value) or (value > limits[level] if above else value < limits[level])
        ):
            status = level
    return Check(
        name, float(value), float(limits.get("fail", limits.get("warn", np.nan))), status, message
    )


def skip_check(name: str, reason: str) -> Check:
    """Record that a check makes no sense here, and why."""
    return Check(name, np.nan, np.nan, "n/a", reason)


def find_worst_status(statuses: list[str]) -> str:
    """Take the worst of some statuses; `pass` where nothing applies."""
    found = max(statuses, key=STATUS_ORDER.index, default="pass")
    return "pass" if found == "n/a" else found


def checks_to_dataset(checks: list[Check], **coords: list[str]) -> xr.Dataset:
    """Put checks into the group `checks` of an artefact: value, threshold, status, message over the dimension `check`."""
    texts = {
        key: np.array([getattr(check, key) for check in checks], dtype=object)
        for key in ("status", "message")
    }
    data = xr.Dataset(
        {
            "value": ("check", [check.value for check in checks]),
            "threshold": ("check", [check.threshold for check in checks]),
            "status": ("check", texts["status"]),
            "message": ("check", texts["message"]),
        },
        {"check": np.array([check.name for check in checks], dtype=object)},
    )
    return data.assign_coords(
        {name: ("check", np.array(values, dtype=object)) for name, values in coords.items()}
    )


def checks_from_dataset(data: xr.Dataset) -> list[Check]:
    """Read checks back from the group `checks` of an artefact."""
    columns = [
        data[key].values.tolist() for key in ("check", "value", "threshold", "status", "message")
    ]
    return [Check(*row) for row in zip(*columns, strict=True)]


def apply_expectation(check: Check, declared: str | None) -> Outcome:
    """
    Compare a check with the outcome that `expect:` declares, and return what the check counts as.

    Parameters
    ----------
    check
        The check as the diagnosis found it.
    declared
        `warn`, `fail`, `any` (the check is ignored), or None if nothing is declared.
    """
    bad = check.status in ("warn", "fail")
    if declared is None:
        return Outcome(check.status, False, f"{check.name}: {check.message}" if bad else "")
    if declared == "any":
        if not bad:
            return Outcome(check.status, False, "")
        ignored = f"{check.name} is ignored, as the fit is expected to fail"
        return Outcome("expected", True, f"{ignored} (status {check.status}): {check.message}")
    if check.status == declared:
        return Outcome(
            "expected", True, f"{check.name} is expected to {declared}, and does: {check.message}"
        )
    found = f"but its status is {check.status}: {check.message}"
    return Outcome("fail", True, f"{check.name} is expected to {declared} (`expect:`), {found}")
