import re

import pytest
from conftest import ROOT

from posterity.diagnostics.check import STATUS_ORDER
from posterity.report.html import PAGE_STYLE
from posterity.report.overview import STATUS_ROLES
from posterity.report.status import STATUS_LOOKS, STATUS_MARKS

CSS = (ROOT / "workflow/report/report.css").read_text()


def test_every_status_of_a_verdict_has_a_look():
    assert list(STATUS_LOOKS) == [status for status in STATUS_ORDER if status != "n/a"]


def test_signs_and_colours_differ_between_statuses():
    signs = {look.mark.partition(" ")[0] for look in STATUS_LOOKS.values()}
    colours = {re.search(r"#\w+", look.css).group() for look in STATUS_LOOKS.values()}
    assert len(signs) == len(colours) == len(STATUS_LOOKS)


@pytest.mark.parametrize("status", STATUS_LOOKS)
def test_report_and_pages_have_the_style_of_the_status(status):
    rule = f".{status} {{ {STATUS_LOOKS[status].css} }}"
    assert f".prose {rule}" in CSS
    assert rule in PAGE_STYLE
    assert STATUS_ROLES[status] == f":{status}:`{STATUS_MARKS[status]}`"
