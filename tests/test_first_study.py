"""docs/first_study.md: a reader who follows it gets what it shows."""

import csv
import math
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT, snakemake
from test_docs import find_blocks

from posterity.notebook import load_settings

PAGE = (ROOT / "docs/first_study.md").read_text(encoding="utf-8")


class Reader:
    """Somebody who follows the page in a copy of the project."""

    study = "config/studies/boyle.yaml"
    model = "config/models/boyle/model.py"

    def __init__(self, project):
        self.project = project

    def follow(self, before, language, content):
        """Write, change or run the content of a block; return what is printed, else None."""
        match language:
            case "csv" | "python" | "yaml" if path := re.search(
                r"\b(?:Write|Paste this into) `([\w/.]+)`:\s*$", before
            ):
                (self.project / path[1]).write_text(content, encoding="utf-8")
            case "yaml":
                self.replace_keys(content)
            case "python" if "change the line" in before:
                self.replace_line(content)
            case "python" if "Add a function" in before:
                with (self.project / self.model).open("a") as file:
                    file.write(content)
            case "python":
                return self.run(sys.executable, "-W", "error", "-c", content)
            case "sh":
                return "".join(self.run_line(*shlex.split(line)) for line in content.splitlines())
        return None

    def replace_line(self, content):
        """Replace the line of the model that assigns the same name."""
        file = self.project / self.model
        lines = file.read_text().splitlines(keepends=True)
        start = content.partition("=")[0]
        changed = [content if line.startswith(start) else line for line in lines]
        assert changed != lines
        file.write_text("".join(changed))

    def replace_keys(self, content):
        """Add top-level keys to the study, or replace those of the same name."""
        file = self.project / self.study
        text = f"{file.read_text()}{content}"
        entries = re.findall(r"^\S.*\n(?: .*\n)*", text, flags=re.M)
        keys = {entry.partition(":")[0]: entry for entry in entries}
        file.write_text("".join(keys.values()))

    def run(self, *command):
        """Run a command with the library of the project; return what it prints."""
        process = subprocess.run(
            command,
            cwd=self.project,
            env=os.environ | {"PYTHONPATH": str(self.project / "workflow/lib")},
            capture_output=True,
            text=True,
            check=False,
        )
        return process.stdout + process.stderr

    def run_line(self, *words):
        """Run a line of the shell; for `make`, what its targets run. Return what is printed."""
        match words:
            case "make", "check", setting:
                names = setting.partition("=")[2].split()
                return self.run(sys.executable, "-m", "posterity", "check", *names)
            case "make", "run", setting:
                self.run_studies(setting.partition("=")[2])
                script = "workflow/scripts/verdicts.py"
                return self.run(sys.executable, script, "results/verdicts.csv")
            case "mkdir", "-p", *folders:
                for folder in folders:
                    (self.project / folder).mkdir(parents=True, exist_ok=True)
                return ""
            case "rm", "-r", *paths:
                for path in map(self.project.joinpath, paths):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                return ""
        raise AssertionError(f"no test for: {shlex.join(words)}")

    def run_studies(self, names):
        """Run studies. Only the last run of the page, of two studies, draws the figures."""
        targets = [] if " " in names else ["--", "verdicts", "all_tables"]
        process = snakemake(self.project, "--config", f"studies={names}", *targets)
        assert process.returncode == 0, process.stdout[-3000:]

    def read_rows(self, study, table):
        """Return the rows of a table of a study."""
        path = self.project / f"results/{study}/tables/{table}.csv"
        with path.open(newline="") as file:
            return list(csv.DictReader(file))

    def find_parameter(self, study, model, fit, parameter):
        """Return the row of a parameter in the table of a study."""
        key = (model, fit, parameter)
        rows = self.read_rows(study, "parameters")
        return next(row for row in rows if (row["model"], row["fit"], row["parameter"]) == key)


@pytest.mark.long
def test_study_loads_and_passes_the_check_at_every_step(project, monkeypatch):
    """The output of `make check`, with and without the mistake, is that of the page."""
    monkeypatch.chdir(project)
    reader = Reader(project)
    printed = ""
    for heading, before, language, content in find_blocks(PAGE):
        if heading.startswith("4."):
            study = project / reader.study
            correct = study.read_text()
            study.write_text(correct.replace("pressure: p", "presure: p"))
            assert content in reader.run_line("make", "check", "STUDY=boyle")
            study.write_text(correct)
        elif content.startswith("make run"):
            for name in shlex.split(content)[2].partition("=")[2].split():
                assert load_settings(name)["data"]["file"] == "data/boyle.csv"
            printed = ""
        elif language == "text":
            assert printed in ("", content)
        elif not content.startswith(("import", "rm")):
            printed = reader.follow(before, language, content) or printed
    assert "no errors found" in reader.run_line("make", "check", "STUDY=boyle boyle_low")


def is_close(row, mean, sd):
    """Return whether numbers of the page agree with a row, as closely as the page promises."""
    half_digit = 0.5 * 10.0 ** -len(mean.partition(".")[2])
    half_digit_sd = 0.5 * 10.0 ** -len(sd.partition(".")[2])
    mcse = float(row["mcse"])
    if math.isnan(mcse):  # draws of a guide are independent
        mcse = float(row["sd"]) / math.sqrt(4000)
    mean_error = abs(float(mean) - float(row["mean"]))
    sd_error = abs(float(sd) - float(row["sd"]))
    return mean_error < 4 * mcse + half_digit and sd_error < 0.1 * float(row["sd"]) + half_digit_sd


def check_verdicts(shown, printed):
    """Compare a table of verdicts of the page with the printed one, and the reasons below it."""
    shown = shown.splitlines()
    printed = printed.splitlines()
    assert shown[0].split() == printed[0].split()
    end = shown.index("") if "" in shown else len(shown)
    for shown_line, printed_line in zip(shown[2:end], printed[2:], strict=False):
        expected = shown_line.split()
        cells = printed_line.split()
        assert expected[:5] == cells[:5]
        if expected[5] == "-":
            assert cells[5] == "-"
        else:
            assert 0.5 < float(cells[5]) / float(expected[5]) < 2
    assert list_reasons(shown) == list_reasons(printed)


def list_reasons(lines):
    """Return the reasons among the lines of a table of verdicts, without numbers."""
    return [re.sub(r"[\d.]+", "#", line) for line in lines if ". " in line]


def check_first_fit(reader):
    """Compare the numbers of section 5 with the table of parameters."""
    row = reader.find_parameter("boyle", "boyle", "nuts", "p48")
    pattern = r"`p48` \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) to ([\d.]+) \| ([\d.]+)"
    mean, sd, lower, upper, mcse = re.search(pattern, PAGE).groups()
    assert is_close(row, mean, sd)
    assert abs(float(lower) - float(row["lower"])) < 0.01
    assert abs(float(upper) - float(row["upper"])) < 0.01
    assert float(mcse) == pytest.approx(float(row["mcse"]), rel=0.5)
    exact = re.search(r"(29\.\d+) ± (0\.\d+)\. A barometer", PAGE).groups()
    assert is_close(row, *exact)


def check_second_model(reader):
    """Compare the numbers of section 8 with the tables."""
    pattern = r"n = ([\d.]+) ± ([\d.]+) by `nuts`, ([\d.]+) ± ([\d.]+) by `svi`"
    values = re.search(pattern, PAGE).groups()
    assert is_close(reader.find_parameter("boyle", "power", "nuts", "n"), *values[:2])
    assert is_close(reader.find_parameter("boyle", "power", "svi", "n"), *values[2:])
    best, other = reader.read_rows("boyle", "models")
    assert best["model"] == "boyle"
    assert "the stacking weight is not determined" in best["message"]
    difference, error = re.search(r"is lower by (\d+\.\d+) ± (\d+\.\d+)", PAGE).groups()
    assert float(other["elpd_diff"]) == pytest.approx(-float(difference), abs=0.15)
    assert float(other["dse"]) == pytest.approx(float(error), abs=0.15)
    assert {row["agree"] for row in reader.read_rows("boyle", "fits")} == {"true"}


def check_variation(reader):
    """Compare the exponent of section 9 with the table of parameters."""
    values = re.search(r"n = ([\d.]+) ± ([\d.]+): not quite", PAGE).groups()
    assert is_close(reader.find_parameter("boyle_low", "power", "nuts", "n"), *values)


CHECKS = {"5": check_first_fit, "8": check_second_model, "9": check_variation}


@pytest.mark.long
def test_results_are_those_of_the_page(project):
    reader = Reader(project)
    printed = ""
    tables = 0
    for heading, before, language, content in find_blocks(PAGE):
        if heading.startswith("4."):
            continue
        if content.startswith("rm"):
            reader.follow(before, language, content)
            assert not (project / "results/boyle").exists()
            assert not (project / reader.study).exists()
        elif language != "text":
            printed = reader.follow(before, language, content) or printed
        elif content.startswith("study  "):
            check_verdicts(content, printed)
            tables += 1
        elif "latent" not in content:
            expected = [float(number) for number in re.findall(r"\d+\.\d*", content)]
            numbers = [float(number) for number in re.findall(r"\d+\.\d*", printed)]
            assert numbers == pytest.approx(expected, rel=0.05)
        section = heading.partition(".")[0]
        if language == "text" and section in CHECKS:
            CHECKS[section](reader)
    assert tables == 5
