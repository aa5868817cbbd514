"""
Collect the verdicts of all studies of a run.

Reads verdict.nc of each study. Writes results/verdicts.csv (one line per fit) and results/verdicts.rst (the same as the first page
of the report, with links to figures and tables). As a program (`python workflow/scripts/verdicts.py results/verdicts.csv`) it
prints the table.
"""

import csv
import json
import sys
from pathlib import Path

COLUMNS = ("study", "model", "fit", "verdict", "draws", "ess", "rhat", "seconds", "reason")
MARKS = {  # not by colour alone
    "pass": ":pass:`✓ pass`",
    "expected": ":expected:`⊘ expected`",
    "warn": ":warn:`! warn`",
    "fail": ":fail:`✗ fail`",
}
HEADINGS = ("study", "model", "fit", "verdict", "draws", "smallest ESS", "largest R-hat", "seconds")


def verdicts(paths: list[str], csv_file: str, rst_file: str, studies: dict, pages: dict) -> None:
    """
    Write the verdicts of all studies.

    `studies` has title and description by study; `pages` lists, by study, the files of the report as {title: path}.
    """
    from posterity import artefact
    from posterity.writing import replaced

    rows = []
    for path in paths:
        tree = artefact.read(path)
        table = artefact.group(tree, "fits")
        for row in range(table.sizes["row"]):
            values = {name: table[name].values[row] for name in table.data_vars}
            seconds = json.loads(tree.attrs["fit_seconds"])[f"{values['model']}/{values['fit']}"]
            rows.append({"study": tree.attrs["study"], **values, "seconds": seconds})
    with replaced(csv_file) as beside, open(beside, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    with replaced(rst_file) as beside:
        Path(beside).write_text("\n".join(first_page(rows, studies, pages)), encoding="utf-8")


def cells(row: dict) -> list[str]:
    """Make the cells of one line of the table, as a reader wants them."""
    ess, rhat, seconds = (float(row[name]) for name in ("ess", "rhat", "seconds"))
    numbers = [str(row["draws"]), f"{ess:.0f}", f"{rhat:.4f}", f"{seconds:.1f}"]
    return [*(str(row[name]) for name in COLUMNS[:4]), *("-" if text in ("0", "nan") else text for text in numbers)]


def first_page(rows: list[dict], studies: dict, pages: dict) -> list[str]:
    """Write the verdicts as reStructuredText: per study a table, what was found, and links."""
    lines = [line for name in MARKS for line in (f".. role:: {name}", "")]
    for study, texts in studies.items():
        mine = [row for row in rows if row["study"] == study]
        lines += ["", texts["title"], "-" * max(4, len(texts["title"])), "", texts["description"], ""]
        lines += [".. list-table::", "   :header-rows: 1", "   :class: verdicts", ""]
        for line in (HEADINGS[1:], *(cells(row)[1:] for row in mine)):
            lines += [f"   {'*' if i == 0 else ' '} - {MARKS.get(cell) or escape(cell)}" for i, cell in enumerate(line)]
        lines.append("")
        for row in mine:
            if row["reason"]:
                lines += [f"* **{escape(row['model'])}, {escape(row['fit'])}: {row['verdict']}.** {escape(row['reason'])}"]
        lines.append("")
        for heading, links in pages[study].items():
            lines += [f"*{escape(heading)}*: " + " · ".join(link(title, path) for title, path in links.items()), ""]
    return lines


def link(title: str, path: str) -> str:
    """Link to a file in the report: show it, with its caption at the side."""
    content = {".svg": "img", ".html": "html"}[Path(path).suffix]
    view = f"navbarMode:'resultinfo',resultPath:'{path}',content:'{content}',contentPath:results['{path}'].data_uri"
    return f"`{title} <javascript:void(app.setView({{{view}}}))>`__"


def escape(text: str) -> str:
    """Escape what reStructuredText would take for markup; a dash alone would begin a list."""
    return "\\-" if text == "-" else "".join(f"\\{c}" if c in "\\*`_|<>" else c for c in str(text))


def show(csv_file: str) -> str:
    """Make the table of results/verdicts.csv for a terminal, and say why a verdict is not a plain pass."""
    with open(csv_file, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [list(HEADINGS), *(cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    aligned = [
        "  ".join(c.ljust(w) if i < 4 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))) for line in lines
    ]
    reasons = [f"{row['study']}, {row['model']}, {row['fit']}: {row['verdict']}. {row['reason']}" for row in rows if row["reason"]]
    return "\n".join([aligned[0], "-" * len(aligned[0]), *aligned[1:], *([""] if reasons else []), *reasons])


if __name__ == "__main__":
    if "snakemake" in globals():
        from posterity.job import job

        with job(snakemake):
            verdicts(list(snakemake.input.verdicts), snakemake.output.csv, snakemake.output.rst, **snakemake.params)
    else:
        print(show(sys.argv[1]))
