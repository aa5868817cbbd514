import pytest

from posterity.report.html import is_number, render_page
from posterity.report.status import STATUS_MARKS


@pytest.mark.parametrize("status", STATUS_MARKS)
def test_status_has_its_sign_and_class(status):
    page = render_page("", ("verdict",), [(status,)])
    assert f'<td class="{status}">{STATUS_MARKS[status]}</td>' in page


def test_numbers_are_aligned_and_texts_are_not():
    page = render_page("title", ("a", "b"), [("1.5e-3", "text"), ("nan", "n/a")])
    assert '<td class="number">1.5e-3</td><td>text</td>' in page
    assert '<td class="number">nan</td><td>n/a</td>' in page


def test_markup_in_texts_is_escaped():
    page = render_page("<title>", ("<b>",), [("<script>alert(1)</script> & more",)])
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page
    assert "<th>&lt;b&gt;</th>" in page
    assert page.count("&lt;title&gt;") == 2


def test_page_without_rows_is_complete():
    page = render_page("title", ("a",), [])
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")


@pytest.mark.parametrize(("text", "expected"), [("1", True), ("-1e5", True), ("1 m", False)])
def test_number_is_recognised(text, expected):
    assert is_number(text) == expected
