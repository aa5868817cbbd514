"""How the report shows the status of a check and the verdict of a fit."""

from typing import NamedTuple


class StatusLook(NamedTuple):
    """A sign, so that colour is not the only difference, and a style of text."""

    mark: str
    css: str


# workflow/report/report.css repeats these styles for the first page of the report.
STATUS_LOOKS = {
    "pass": StatusLook("✓ pass", "color: #00664b"),
    "expected": StatusLook("⊘ expected", "color: #4040a8; white-space: nowrap"),
    "warn": StatusLook("! warn", "color: #8a5a00; font-weight: 600"),
    "fail": StatusLook("✗ fail", "color: #b34700; font-weight: 700"),
}
STATUS_MARKS = {status: look.mark for status, look in STATUS_LOOKS.items()}
