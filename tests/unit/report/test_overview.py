import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import snakemake
from conftest import ROOT

from posterity.report.overview import (
    VERDICT_COLUMNS,
    escape_rst,
    format_row,
    format_verdicts,
    link_to_result,
    render_first_page,
)

ROW = {
    "study": "s",
    "model": "m_1",
    "fit": "nuts",
    "verdict": "pass",
    "draws": 4000,
    "ess": 1234.5,
    "rhat": 1.00049,
    "seconds": 12.34,
    "reason": "",
}
POINT = ROW | {"fit": "map", "draws": 0, "ess": float("nan"), "rhat": float("nan")}
WARNING = ROW | {"fit": "svi", "verdict": "warn", "reason": "khat: 0.6 | see *k*"}
STUDIES = {"s": {"title": "A study", "description": "Its question."}}
LINKS = {"s": {"m_1, nuts": {"trace and ranks": "results/s/figures/m_1_nuts_trace.svg"}}}


@pytest.fixture
def csv_file(tmp_path):
    with (tmp_path / "verdicts.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, VERDICT_COLUMNS)
        writer.writeheader()
        writer.writerows([ROW, POINT, WARNING])
    return tmp_path / "verdicts.csv"


def test_numbers_are_rounded_and_missing_ones_are_dashes():
    assert format_row(ROW)[4:] == ["4000", "1234", "1.0005", "12.3"]
    assert format_row(POINT)[4:] == ["-", "-", "-", "12.3"]


def test_terminal_table_is_aligned_and_ends_with_the_reasons(csv_file):
    lines = format_verdicts(str(csv_file)).splitlines()
    assert lines[0].split()[:4] == ["study", "model", "fit", "verdict"]
    assert set(lines[1]) == {"-", " "}
    assert lines[2].split() == ["s", "m_1", "nuts", "pass", "4000", "1234", "1.0005", "12.3"]
    assert {len(line) for line in lines[1:5]} == {len(lines[0])}
    assert lines[-1] == "s, m_1, svi: warn. khat: 0.6 | see *k*"


def test_terminal_table_without_rows_has_its_headings(csv_file):
    csv_file.write_text(",".join(VERDICT_COLUMNS) + "\n")
    assert "smallest ESS" in format_verdicts(str(csv_file))


def test_verdicts_are_printed_where_only_a_path_leads_to_the_library(csv_file, tmp_path):
    shutil.copytree(ROOT / "workflow/lib", tmp_path / "workflow/lib")
    shutil.copytree(ROOT / "workflow/scripts", tmp_path / "workflow/scripts")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    program = (
        "import runpy, sys; sys.path = [p for p in sys.path if not p.endswith('workflow/lib')];"
        "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__');"
        "print(sys.modules['posterity'].__file__)"
    )
    command = [sys.executable, "-c", program, "workflow/scripts/verdicts.py", str(csv_file)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert "1.0005" in done.stdout
    assert str(tmp_path) in done.stdout.splitlines()[-1]


def test_first_page_has_title_table_reasons_and_links():
    page = render_first_page([ROW, POINT, WARNING], STUDIES, LINKS)
    lines = page.splitlines()
    assert "A study" in lines
    assert "Its question." in lines
    assert page.count("   * - ") == 4
    assert "     - :pass:`✓ pass`" in lines
    assert "     - :warn:`! warn`" in lines
    assert "     - \\-" in lines
    assert r"* **m\_1, svi: warn.** khat: 0.6 \| see \*k\*" in lines
    assert any(line.startswith(r"*m\_1, nuts*: `trace and ranks <javascript:") for line in lines)


@pytest.mark.parametrize(("text", "escaped"), [("-", "\\-"), ("a_b", "a\\_b"), ("a - b", "a - b")])
def test_markup_is_escaped(text, escaped):
    assert escape_rst(text) == escaped


def test_links_use_the_javascript_of_the_installed_snakemake():
    link = link_to_result("trace", "results/s/figures/trace.svg")
    assert "app.setView({navbarMode:'resultinfo'" in link
    assert "contentPath:results['results/s/figures/trace.svg'].data_uri" in link
    folder = Path(snakemake.__file__).parent / "report/html_reporter/template"
    scripts = "\n".join(file.read_text() for file in folder.rglob("*.js*"))
    for word in ("setView", "navbarMode", "resultinfo", "resultPath", "contentPath", "data_uri"):
        assert word in scripts, word
    assert "window.app" in scripts or "var app" in scripts or "app =" in scripts


def test_only_figures_and_pages_can_be_linked():
    with pytest.raises(KeyError):
        link_to_result("data", "results/s/data.nc")
