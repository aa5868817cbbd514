"""The first page of the report, and the table of verdicts for a terminal."""

import csv
from pathlib import Path

VERDICT_COLUMNS = ("study", "model", "fit", "verdict", "draws", "ess", "rhat", "seconds", "reason")
STATUS_ROLES = {  # not by colour alone
    "pass": ":pass:`✓ pass`",
    "expected": ":expected:`⊘ expected`",
    "warn": ":warn:`! warn`",
    "fail": ":fail:`✗ fail`",
}
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


def format_row(row: dict) -> list[str]:
    """Make the cells of one line of the table, as a reader wants them."""
    ess, rhat, seconds = (float(row[name]) for name in ("ess", "rhat", "seconds"))
    numbers = [str(row["draws"]), f"{ess:.0f}", f"{rhat:.4f}", f"{seconds:.1f}"]
    return [
        *(str(row[name]) for name in VERDICT_COLUMNS[:4]),
        *("-" if text in ("0", "nan") else text for text in numbers),
    ]


def render_first_page(rows: list[dict], studies: dict, pages: dict) -> list[str]:
    """Write the verdicts as reStructuredText: per study a table, what was found, and links."""
    lines = [line for name in STATUS_ROLES for line in (f".. role:: {name}", "")]
    for study, texts in studies.items():
        mine = [row for row in rows if row["study"] == study]
        lines += [
            "",
            texts["title"],
            "-" * max(4, len(texts["title"])),
            "",
            texts["description"],
            "",
        ]
        lines += [".. list-table::", "   :header-rows: 1", "   :class: verdicts", ""]
        for line in (VERDICT_HEADINGS[1:], *(format_row(row)[1:] for row in mine)):
            lines += [
                f"   {'*' if i == 0 else ' '} - {STATUS_ROLES.get(cell) or escape_rst(cell)}"
                for i, cell in enumerate(line)
            ]
        lines.append("")
        for row in mine:
            if row["reason"]:
                lines += [
                    f"* **{escape_rst(row['model'])}, {escape_rst(row['fit'])}: {row['verdict']}.** {escape_rst(row['reason'])}"
                ]
        lines.append("")
        for heading, links in pages[study].items():
            lines += [
                f"*{escape_rst(heading)}*: "
                + " · ".join(link_to_result(title, path) for title, path in links.items()),
                "",
            ]
    return lines


def link_to_result(title: str, path: str) -> str:
    """Link to a file in the report: show it, with its caption at the side."""
    content = {".svg": "img", ".html": "html"}[Path(path).suffix]
    view = f"navbarMode:'resultinfo',resultPath:'{path}',content:'{content}',contentPath:results['{path}'].data_uri"
    return f"`{title} <javascript:void(app.setView({{{view}}}))>`__"


def escape_rst(text: str) -> str:
    """Escape what reStructuredText would take for markup; a dash alone would begin a list."""
    return "\\-" if text == "-" else "".join(f"\\{c}" if c in "\\*`_|<>" else c for c in str(text))


def format_verdicts(csv_file: str) -> str:
    """Make the table of results/verdicts.csv for a terminal, and say why a verdict is not a plain pass."""
    with open(csv_file, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [list(VERDICT_HEADINGS), *(format_row(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(VERDICT_HEADINGS))]
    aligned = [
        "  ".join(
            c.ljust(w) if i < 4 else c.rjust(w)
            for i, (c, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    reasons = [
        f"{row['study']}, {row['model']}, {row['fit']}: {row['verdict']}. {row['reason']}"
        for row in rows
        if row["reason"]
    ]
    return "\n".join(
        [aligned[0], "-" * len(aligned[0]), *aligned[1:], *([""] if reasons else []), *reasons]
    )
