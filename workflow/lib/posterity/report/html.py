"""Tables as pages of their own, for the report."""

from html import escape

PAGE_STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; color: #222; margin: 1.5rem }
table { border-collapse: collapse } caption { text-align: left; font-weight: 600; font-size: 17px; padding-bottom: .6rem }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #ddd; vertical-align: top }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.pass { color: #00664b } .expected { color: #4040a8; white-space: nowrap }
.warn { color: #8a5a00; font-weight: 600 } .fail { color: #b34700; font-weight: 700 }
"""
STATUS_MARKS = {
    "pass": "✓ pass",
    "expected": "⊘ expected",
    "warn": "! warn",
    "fail": "✗ fail",
}  # not by colour alone


def render_page(title: str, headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Make a page with one table. Numbers are aligned, and the words pass, expected, warn and fail marked."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "\n".join("<tr>" + "".join(map(_render_cell, row)) + "</tr>" for row in rows)
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{PAGE_STYLE}</style>\n'
        f"<table><caption>{escape(title)}</caption><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></html>\n"
    )


def _render_cell(text: str) -> str:
    if text in STATUS_MARKS:
        return f'<td class="{text}">{STATUS_MARKS[text]}</td>'
    try:
        float(text)
    except ValueError:
        return f"<td>{escape(text)}</td>"
    return f'<td class="number">{escape(text)}</td>'
