"""The first page of the report, and the table of verdicts for a terminal."""

import csv
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from posterity.report.status import STATUS_MARKS

VERDICT_COLUMNS = ("study", "model", "fit", "verdict", "draws", "ess", "rhat", "seconds", "reason")
VERDICT_HEADINGS = (
    "study",
    "model",
    "fit",
    "verdict",
    "draws",
    "smallest ESS",
    "largest R-hat",
    "seconds",
)
ALIGNMENT = ("left",) * 4 + ("right",) * 4
STATUS_ROLES = {status: f":{status}:`{mark}`" for status, mark in STATUS_MARKS.items()}
FAILURES_HEADING = "Failed jobs"
FAILURES_NOTE = "What depends on them is missing below. All else is up to date."
RST_SPECIAL = "\\*`_|<>"


def format_row(row: dict) -> list[str]:
    """Return the rounded cells of one fit; a dash stands for a missing number."""
    cells = [str(row[name]) for name in VERDICT_COLUMNS[:4]]
    numbers = [
        str(row["draws"]),
        f"{float(row['ess']):.0f}",
        f"{float(row['rhat']):.4f}",
        f"{float(row['seconds']):.1f}",
    ]
    return cells + ["-" if text in ("0", "nan") else text for text in numbers]


def format_verdicts(csv_file: str) -> str:
    """Return the table of results/verdicts.csv for a terminal, and the reasons of the verdicts."""
    with open(csv_file, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    table = tabulate(
        [format_row(row) for row in rows],
        headers=VERDICT_HEADINGS,
        colalign=ALIGNMENT if rows else None,
        disable_numparse=True,
    )
    reasons = [
        f"{row['study']}, {row['model']}, {row['fit']}: {row['verdict']}. {row['reason']}"
        for row in rows
        if row["reason"]
    ]
    return "\n".join([table, *([""] if reasons else []), *reasons])


def render_first_page(
    rows: list[dict], studies: dict, links: dict, failures: Sequence[str] = ()
) -> str:
    """
    Return the verdicts as reStructuredText: for each study a table, the reasons, and links.

    Parameters
    ----------
    rows : list of dict
        One per fit, with the keys `VERDICT_COLUMNS`.
    studies : dict
        `title` and `description` of each study.
    links : dict
        Files of each study in the report: {heading: {title: path}}.
    failures : sequence of str
        Messages of failed jobs, which the page lists first.
    """
    lines = []
    for status in STATUS_ROLES:
        lines += [f".. role:: {status}", ""]
    if failures:
        lines += ["", FAILURES_HEADING, "-" * len(FAILURES_HEADING), "", FAILURES_NOTE, ""]
        lines += [f"* {escape_rst(message)}" for message in failures]
    for study, texts in studies.items():
        title = texts["title"]
        fits = [row for row in rows if row["study"] == study]
        lines += ["", title, "-" * max(4, len(title)), "", texts["description"], ""]
        lines += render_table(fits)
        lines += [render_reason(row) for row in fits if row["reason"]]
        lines.append("")
        for heading, files in links[study].items():
            lines += [render_links(heading, files), ""]
    return "\n".join(lines)


def render_table(rows: list[dict]) -> list[str]:
    """Return the lines of a table of the verdicts of one study."""
    lines = [".. list-table::", "   :header-rows: 1", "   :class: verdicts", ""]
    for cells in (VERDICT_HEADINGS[1:], *(format_row(row)[1:] for row in rows)):
        for i, cell in enumerate(cells):
            text = STATUS_ROLES.get(cell) or escape_rst(cell)
            lines.append(f"   {' ' if i else '*'} - {text}")
    return [*lines, ""]


def render_reason(row: dict) -> str:
    """Return the list item that says why a verdict is not a plain pass."""
    fit = f"{escape_rst(row['model'])}, {escape_rst(row['fit'])}"
    return f"* **{fit}: {row['verdict']}.** {escape_rst(row['reason'])}"


def render_links(heading: str, files: dict[str, str]) -> str:
    """Return a line with links to files of the report, by their titles."""
    links = [link_to_result(title, path) for title, path in files.items()]
    return f"*{escape_rst(heading)}*: {' · '.join(links)}"


def link_to_result(title: str, path: str) -> str:
    """
    Return a link that opens a file of the report, with its caption at the side.

    Snakemake has no interface for such links. This calls the report's own JavaScript, as in
    Snakemake 9.27: `app.setView` and the table `results` of its HTML reporter
    (snakemake/report/html_reporter/template/components).
    """
    content = {".svg": "img", ".html": "html"}[Path(path).suffix]
    state = {
        "navbarMode": "'resultinfo'",
        "resultPath": f"'{path}'",
        "content": f"'{content}'",
        "contentPath": f"results['{path}'].data_uri",
    }
    view = ",".join(f"{key}:{value}" for key, value in state.items())
    return f"`{title} <javascript:void(app.setView({{{view}}}))>`__"


def escape_rst(text: str) -> str:
    """Return a text without markup of reStructuredText. A lone dash would begin a list."""
    if text == "-":
        return "\\-"
    return "".join(f"\\{letter}" if letter in RST_SPECIAL else letter for letter in str(text))
