"""Tables as HTML pages, for the report."""

from jinja2 import Environment, StrictUndefined

from posterity.report.status import STATUS_LOOKS, STATUS_MARKS

_STATUS_RULES = "\n".join(f".{status} {{ {look.css} }}" for status, look in STATUS_LOOKS.items())
PAGE_STYLE = f"""
body {{ font: 14px/1.45 system-ui, sans-serif; color: #222; margin: 1.5rem }}
table {{ border-collapse: collapse }}
caption {{ text-align: left; font-weight: 600; font-size: 17px; padding-bottom: .6rem }}
th, td {{
  text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #ddd;
  vertical-align: top
}}
td.number {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }}
{_STATUS_RULES}
"""
PAGE = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{{ title }}</title><style>{{ style|safe }}</style>
<table><caption>{{ title }}</caption>
<thead><tr>{% for heading in headings %}<th>{{ heading }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}
<tr>
{%- for cell in row -%}
{% if cell in marks %}<td class="{{ cell }}">{{ marks[cell] }}</td>
{%- elif cell is number_text %}<td class="number">{{ cell }}</td>
{%- else %}<td>{{ cell }}</td>
{%- endif %}
{%- endfor -%}
</tr>
{% endfor %}
</tbody></table></html>
"""


def render_page(title: str, headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a page with one table. Numbers are aligned; the words of a status get a sign."""
    environment = Environment(
        autoescape=True, trim_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined
    )
    environment.tests["number_text"] = is_number
    template = environment.from_string(PAGE)
    return template.render(
        title=title, headings=headings, rows=rows, marks=STATUS_MARKS, style=PAGE_STYLE
    )


def is_number(text: str) -> bool:
    """Return whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
