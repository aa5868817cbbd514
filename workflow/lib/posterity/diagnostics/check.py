"""Checks: a named value with a threshold and a status, and what a check counts as in a verdict."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import xarray as xr

Status = Literal["n/a", "pass", "expected", "warn", "fail"]
STATUS_ORDER: tuple[Status, ...] = get_args(Status)  # from best to worst
Threshold = float | dict[str, float]  # a threshold for `fail`, or {"warn": a, "fail": b}


@dataclass(frozen=True)
class Check:
    """
    One criterion of a fit.

    Attributes
    ----------
    name : str
        The name of the check, as in `checks:` of a study.
    value, threshold : float
        The value and the threshold for `fail` (for `warn` if there is none); NaN if not applicable.
    status : {"n/a", "pass", "warn", "fail"}
        The result.
    message : str
        A sentence for the reader: the worst scalar or site, and a remedy.
    """

    name: str
    value: float
    threshold: float
    status: Status
    message: str


@dataclass(frozen=True)
class Outcome:
    """
    What a check counts as in a verdict.

    `overridden` is true if the declaration in `expect:` decides the status, and not the check.
    `message` is empty if the reader needs none.
    """

    status: Status
    overridden: bool
    message: str


def judge_value(
    name: str,
    value: float,
    threshold: Threshold,
    message: str,
    *,
    lower_is_better: bool = True,
    remedy: str = "",
) -> Check:
    """
    Compare a value with its threshold and return the check.

    Parameters
    ----------
    name : str
        The name of the check.
    value : float
        The value. A value that is not finite exceeds each threshold.
    threshold : float or dict
        A threshold for `fail`, or one for each of `warn` and `fail`. The threshold itself passes.
    message : str
        What the check found, without a remedy.
    lower_is_better : bool
        Whether values above the threshold are bad; otherwise those below it are.
    remedy : str
        What to do. The message ends with it if the check warns or fails.

    Returns
    -------
    Check
        The check with status `pass`, `warn` or `fail`.
    """
    levels = threshold if isinstance(threshold, dict) else {"fail": threshold}
    status: Status = "pass"
    if "warn" in levels and _exceeds(value, levels["warn"], lower_is_better):
        status = "warn"
    if "fail" in levels and _exceeds(value, levels["fail"], lower_is_better):
        status = "fail"
    if remedy and status != "pass":
        message = f"{message}; {remedy}"
    stated = levels.get("fail", levels.get("warn", np.nan))
    return Check(name, float(value), float(stated), status, message)


def _exceeds(value: float, threshold: float, lower_is_better: bool) -> bool:
    if not np.isfinite(value):
        return True
    return value > threshold if lower_is_better else value < threshold


def skip_check(name: str, reason: str) -> Check:
    """Return a check that is not applicable (`n/a`), with the reason."""
    return Check(name, np.nan, np.nan, "n/a", reason)


def downgrade_pass(check: Check, note: str = "") -> Check:
    """Return the check with `warn` in place of `pass`, and a note on why a pass proves little."""
    if check.status != "pass":
        return check
    message = f"{check.message}; {note}" if note else check.message
    return replace(check, status="warn", message=message)


def describe_extreme(
    quantity: str, value: str, label: str, count: int, unit: str = "scalars"
) -> str:
    """
    Describe the worst of several values, such as "largest R-hat of 9 scalars: 1.0123 (m)".

    Parameters
    ----------
    quantity : str
        What is extreme: "largest R-hat".
    value : str
        The formatted value.
    label : str
        The scalar or chain that has it, and what else belongs into the brackets.
    count : int
        How many values there are. The text leaves out a count of one.
    unit : str
        What is counted.

    Returns
    -------
    str
        The description.
    """
    among = f" of {count} {unit}" if count > 1 else ""
    return f"{quantity}{among}: {value} ({label})"


def find_worst_status(statuses: Iterable[Status]) -> Status:
    """Return the worst status; `pass` if no check is applicable."""
    best: Status = "pass"
    worst = max(statuses, key=STATUS_ORDER.index, default=best)
    return "pass" if worst == "n/a" else worst


def checks_to_dataset(checks: Sequence[Check], **coords: Sequence[str]) -> xr.Dataset:
    """Return the group `checks`: value, threshold, status and message, over `check`."""
    columns = {
        "value": np.array([check.value for check in checks]),
        "threshold": np.array([check.threshold for check in checks]),
        "status": np.array([check.status for check in checks], dtype=object),
        "message": np.array([check.message for check in checks], dtype=object),
    }
    labels = {"check": [check.name for check in checks], **coords}
    return xr.Dataset(
        {name: ("check", values) for name, values in columns.items()},
        {name: ("check", np.array(values, dtype=object)) for name, values in labels.items()},
    )


def checks_from_dataset(data: xr.Dataset) -> list[Check]:
    """Return the checks of the group `checks` of an artefact."""
    fields = ("check", "value", "threshold", "status", "message")
    columns = [data[field].values.tolist() for field in fields]
    return [Check(*row) for row in zip(*columns, strict=True)]


def apply_expectation(check: Check, declared: str | None) -> Outcome:
    """
    Compare a check with the outcome that `expect:` declares, and return what the check counts as.

    Parameters
    ----------
    check : Check
        The check of the diagnosis.
    declared : str or None
        `warn`, `fail`, `any` (the check is ignored), or None if nothing is declared.
    """
    is_bad = check.status in ("warn", "fail")
    if declared is None:
        return Outcome(check.status, False, f"{check.name}: {check.message}" if is_bad else "")
    if declared == "any":
        if not is_bad:
            return Outcome(check.status, False, "")
        ignored = f"{check.name} is ignored, as the fit is expected to fail"
        return Outcome("expected", True, f"{ignored} (status {check.status}): {check.message}")
    if check.status == declared:
        confirmed = f"{check.name} is expected to {declared}, and does"
        return Outcome("expected", True, f"{confirmed}: {check.message}")
    contrast = f"but its status is {check.status}: {check.message}"
    return Outcome("fail", True, f"{check.name} is expected to {declared} (`expect:`), {contrast}")
