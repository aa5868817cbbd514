"""The documentation: what its pages name is there, and what they say to do works and gives what they show."""

import csv
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT, snakemake

from posterity.artefact.netcdf import read_artefact
from posterity.config.registry import FIGURE_KINDS, TABLES
from posterity.config.schema import load_schema
from posterity.notebook import load_settings

OWN = (
    "README.md",
    *(
        f"docs/{page}.md"
        for page in (
            "first_study",
            "verdicts",
            "artefacts",
            "methods",
            "notebook",
            "cluster",
            "other_clusters",
        )
    ),
)
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in OWN}
FIRST, VERDICTS, ARTEFACTS = (
    PAGES["docs/first_study.md"],
    PAGES["docs/verdicts.md"],
    PAGES["docs/artefacts.md"],
)
MADE = re.compile(r"(workflow/models|config/studies)/(mine|boyle)\w*")  # by the reader of a page


def blocks(text):
    """The fenced blocks of a page: heading of the section, text before the block, language, content."""
    heading, before, found = "", "", []
    for part in re.split(r"^(```\w*\n.*?^```)$", text, flags=re.M | re.S):
        if part.startswith("```"):
            language, _, content = part[3:-3].partition("\n")
            found.append((heading, before, language, content))
        else:
            headings = re.findall(r"^## (.*)$", part, flags=re.M)
            heading, before = (headings[-1] if headings else heading), part
    return found


def section(text, heading):
    """A section of a page."""
    return re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, flags=re.M | re.S)[1]


# What is named is there


@pytest.mark.parametrize("page", OWN)
def test_files_that_a_page_names_exist(page):
    text, folder = PAGES[page], (ROOT / page).parent
    links = [
        link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link
    ]
    for link in links:
        assert (folder / link).exists(), link
    parts = "workflow|config|docs|envs|resources|tests|benchmarks"
    for path in set(re.findall(rf"(?<![\w/.-])(?:{parts})/[\w/.-]*[\w-]", text)) - set(links):
        assert (ROOT / path).exists() or MADE.match(path), path


@pytest.mark.parametrize("page", OWN)
def test_targets_that_a_page_names_exist(page):
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.M)
    code = " ".join(re.findall(r"`+[^`]+`+|^ {4}.*$", PAGES[page], flags=re.M))
    assert set(re.findall(r"\bmake (\w+)", code)) <= set(targets)
    files = (ROOT / "workflow/rules").glob("*.smk")
    rules = {
        rule for file in files for rule in re.findall(r"^rule (\w+):", file.read_text(), flags=re.M)
    }
    listed = re.search(r"Stages by name:(.*?)\. Only", PAGES[page], flags=re.S)
    named = re.findall(r"snakemake --cores \d+ ([a-z]\w*)(?=`|$)", code) + re.findall(
        r"`(\w+)`", listed[1] if listed else ""
    )
    assert set(named) <= rules
    assert page != "README.md" or len(named) > 9


@pytest.mark.parametrize("page", OWN)
def test_lines_are_short(page):
    assert [line for line in PAGES[page].splitlines() if len(line) > 140] == []


# docs/verdicts.md


def test_every_check_is_described_with_its_threshold():
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())["defaults"]["checks"]
    known = set(load_schema("study")["properties"]["checks"]["properties"]) - {
        "max_scalars_per_site",
        "expect",
        "prior_coverage",
    }
    parts = re.split(r"^(?=\*\*`)", section(VERDICTS, "The checks"), flags=re.M)[1:]
    described = {
        name: part
        for part in parts
        for name in re.findall(r"\*\*`(\w+)`\*\*", part.splitlines()[0])
    }
    assert set(described) == known
    for name, text in described.items():
        limits = config["prior_inside" if name == "prior_predictive" else name]
        limits = limits if isinstance(limits, dict) else {"fail": limits}
        for level, limit in limits.items():
            said = re.search(rf"{level}s (?:above|below) ([\d.]*\d)", text, flags=re.I)
            assert said, f"{name}: {level}"
            assert float(said[1]) == limit, name


def test_yaml_of_the_verdicts_loads(project, monkeypatch):
    monkeypatch.chdir(project)
    for i, (_, _, language, content) in enumerate(blocks(VERDICTS)):
        assert language == "yaml"
        (project / f"config/studies/variation{i}.yaml").write_text(f"extends: hogg\n{content}")
        load_settings(f"variation{i}")


# docs/artefacts.md


def test_every_group_and_variable_is_described(finished):
    stages = (
        "data",
        "prior",
        "posterior",
        "predictive",
        "sensitivity",
        "diagnosis",
        "comparison",
        "verdict",
    )
    free = (
        "data",
        "truth",
        "prior",
        "prior_predictive",
        "posterior",
        "point",
        "posterior_predictive",
        "log_likelihood",
        "log_prior",
    )
    free += (
        "observed_data",
        "constant_data",
        "predictions",
        "predictions_constant_data",
        "test_statistics",
    )
    for stage in stages:
        text = section(ARTEFACTS, f"{stage}.nc")
        text += section(ARTEFACTS, "posterior.nc") if stage == "predictive" else ""
        for path in finished.glob(f"results/**/{stage}.nc"):
            tree = read_artefact(path)
            for name in tree.attrs:
                assert f"`{name}`" in section(ARTEFACTS, "Attributes of every file") + text, (
                    path,
                    name,
                )
            for group, values in tree.children.items():
                assert f"`{group}`" in text, (path, group)
                for name in () if group in free else values.data_vars:
                    assert re.search(rf"\b{name.removesuffix('_error')}\b", text), (
                        path,
                        group,
                        name,
                    )
    paths = re.findall(r"^\| `(\S+)`(?:, `\S+`)* \|", ARTEFACTS, flags=re.M)
    for path in [path for path in paths if path.startswith("<study>") and "gate" not in path]:
        assert list(finished.glob("results/" + re.sub(r"<\w+>", "*", path))), path


def test_every_figure_and_table_is_described():
    for kind, record in FIGURE_KINDS.items():
        name = {"fit": "<model>_<fit>_", "model": "<model>_", "study": "comparison_"}[record.scope] + kind
        assert f"`{name}`" in section(ARTEFACTS, "Figures"), name
    assert set(re.findall(r"^- `(\w+)`", section(ARTEFACTS, "Tables"), flags=re.M)) == set(TABLES)


# docs/notebook.md


@pytest.mark.long
def test_notebook(finished):
    """The blocks of the page, in order, on a small study; no warning is shown."""
    program = "".join(
        content
        for *_, language, content in blocks(PAGES["docs/notebook.md"])
        if language == "python"
    )
    named = 'study, model, fit = "line", "line", "nuts"'
    assert named in program
    program = program.replace(named, 'study, model, fit = "small", "line", "a"')
    command = [
        sys.executable,
        "-W",
        "error",
        "-c",
        f"import matplotlib; matplotlib.use('agg')\n{program}",
    ]
    done = subprocess.run(command, cwd=finished, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert not done.stderr


# docs/first_study.md


class Reader:
    """Somebody who does what docs/first_study.md says, in a copy of the project."""

    study, model = "config/studies/boyle.yaml", "workflow/models/boyle/model.py"

    def __init__(self, project):
        self.project = project

    def follow(self, before, language, content):
        """Write, change or run what a block says. Returns what is printed, else None."""
        match language:
            case "csv" | "python" | "yaml" if path := re.search(
                r"\b(?:Write|Paste this into) `([\w/.]+)`:\s*$", before
            ):
                (self.project / path[1]).write_text(content, encoding="utf-8")
            case "yaml":
                self.replace_keys(content)
            case "python" if "change the line" in before:
                lines = (self.project / self.model).read_text().splitlines(keepends=True)
                changed = [
                    content if line.startswith(content.partition("=")[0]) else line
                    for line in lines
                ]
                assert changed != lines
                (self.project / self.model).write_text("".join(changed))
            case "python" if "Add a function" in before:
                with (self.project / self.model).open("a") as file:
                    file.write(content)
            case "python":
                return self.run(sys.executable, "-W", "error", "-c", content)
            case "sh":
                return "".join(self.command(*shlex.split(line)) for line in content.splitlines())
        return None

    def replace_keys(self, content):
        """Put top-level keys into the study, in place of those of the same name."""
        file = self.project / self.study
        lines = "".join(
            re.findall(r"^\S.*\n(?: .*\n)*", f"{file.read_text()}{content}", flags=re.M)
        )
        keys = {
            text.partition(":")[0]: text
            for text in re.findall(r"^\S.*\n(?: .*\n)*", lines, flags=re.M)
        }
        file.write_text("".join(keys.values()))

    def run(self, *command):
        done = subprocess.run(
            command, cwd=self.project, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    def command(self, *words):
        """What a line for the shell does; for `make`, what its targets do."""
        match words:
            case "make", "check", names:
                return self.run(sys.executable, "-m", "posterity", *names.partition("=")[2].split())
            case "make", "run", names:
                studies = names.partition("=")[2]
                targets = (
                    [] if " " in studies else ["--", "verdicts", "all_tables"]
                )  # the last run of the page draws the figures
                done = snakemake(self.project, "--config", f"studies={studies}", *targets)
                assert done.returncode == 0, done.stdout[-3000:]
                return self.run(
                    sys.executable, "workflow/scripts/verdicts.py", "results/verdicts.csv"
                )
            case "mkdir", "-p", *folders:
                for folder in folders:
                    (self.project / folder).mkdir(parents=True, exist_ok=True)
                return ""
            case "rm", "-r", *paths:
                for path in map(self.project.joinpath, paths):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                return ""
        raise AssertionError(f"no test for: {shlex.join(words)}")


@pytest.mark.long
def test_first_study_before_anything_is_computed(project, monkeypatch):
    """Its files load at every step; what `make check` says, with and without the mistake, is what the page shows."""
    monkeypatch.chdir(project)
    reader, printed = Reader(project), ""
    for heading, before, language, content in blocks(FIRST):
        if heading.startswith("4."):
            study = project / reader.study
            right = study.read_text()
            study.write_text(right.replace("pressure: p", "presure: p"))
            assert content in reader.command("make", "check", "STUDY=boyle")
            study.write_text(right)
        elif content.startswith("make run"):
            for name in shlex.split(content)[2].partition("=")[2].split():
                assert load_settings(name)["data"]["file"] == "data/boyle.csv"
            printed = ""
        elif language == "text":
            assert printed in ("", content)
        elif not content.startswith(("import", "rm")):
            printed = reader.follow(before, language, content) or printed
    assert "no errors found" in reader.command("make", "check", "STUDY=boyle boyle_low")


def parameters(project, study):
    """The table of parameters of a study, by model, fit and parameter."""
    with (project / f"results/{study}/tables/parameters.csv").open(newline="") as file:
        return {(row["model"], row["fit"], row["parameter"]): row for row in csv.DictReader(file)}


def is_close(row, mean, sd):
    """Whether numbers of the page are those of a row, as closely as the page says (and to the digits that it gives)."""
    digits = 0.5 * 10.0 ** -len(mean.partition(".")[2])
    return abs(float(mean) - float(row["mean"])) < 4 * float(row["mcse"]) + digits and abs(
        float(sd) - float(row["sd"])
    ) < 0.1 * float(row["sd"]) + 0.5 * 10.0 ** -len(sd.partition(".")[2])


@pytest.mark.long
def test_first_study_as_a_whole(project):
    reader, printed, compared = Reader(project), "", 0
    for heading, before, language, content in blocks(FIRST):
        if heading.startswith("4."):
            continue
        if content.startswith("rm"):
            reader.follow(before, language, content)
            assert not (project / "results/boyle").exists()
            assert not (project / reader.study).exists()
        elif language != "text":
            printed = reader.follow(before, language, content) or printed
        elif content.startswith("study  "):
            shown, found = content.splitlines(), printed.splitlines()
            assert shown[0].split() == found[0].split()
            end = shown.index("") if "" in shown else len(shown)
            for said, seen in zip(shown[2:end], found[2:], strict=False):
                said, seen = said.split(), seen.split()
                assert said[:5] == seen[:5]
                assert 0.5 < float(seen[5]) / float(said[5]) < 2
            reasons = [
                [re.sub(r"[\d.]+%", "%", line) for line in lines if ". " in line]
                for lines in (shown, found)
            ]
            assert reasons[0] == reasons[1]
            compared += 1
        elif "latent" not in content:
            said, seen = (
                [float(n) for n in re.findall(r"\d+\.\d*", text)] for text in (content, printed)
            )
            assert seen == pytest.approx(said, rel=0.05)
        if heading.startswith("5.") and language == "text":
            row = parameters(project, "boyle")["boyle", "nuts", "p48"]
            mean, sd, lower, upper, mcse = re.search(
                r"`p48` \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) to ([\d.]+) \| ([\d.]+)", FIRST
            ).groups()
            assert is_close(row, mean, sd)
            assert abs(float(lower) - float(row["lower"])) < 0.01
            assert abs(float(upper) - float(row["upper"])) < 0.01
            assert float(mcse) == pytest.approx(float(row["mcse"]), rel=0.5)
            exact = re.search(r"(29\.\d+) ± (0\.\d+)\. A barometer", FIRST).groups()
            assert is_close(row, *exact)
        if heading.startswith("8.") and language == "text":
            values = re.search(
                r"n = ([\d.]+) ± ([\d.]+) by `nuts`, ([\d.]+) ± ([\d.]+) by `svi`", FIRST
            ).groups()
            assert is_close(parameters(project, "boyle")["power", "nuts", "n"], *values[:2])
            assert is_close(parameters(project, "boyle")["power", "svi", "n"], *values[2:])
            with (project / "results/boyle/tables/models.csv").open(newline="") as file:
                best, other = csv.DictReader(file)
            assert best["model"] == "boyle"
            assert float(best["weight"]) > 0.95
            said = re.search(
                r"cannot be told from\s+boyle \(elpd (-[\d.]+) ± ([\d.]+)", FIRST
            ).groups()
            assert [float(other["elpd_diff"]), float(other["dse"])] == pytest.approx(
                [*map(float, said)], abs=0.15
            )
            with (project / "results/boyle/tables/fits.csv").open(newline="") as file:
                assert {row["agree"] for row in csv.DictReader(file)} == {"true"}
        if heading.startswith("9.") and language == "text":
            values = re.search(r"n = ([\d.]+) ± ([\d.]+): not quite", FIRST).groups()
            assert is_close(parameters(project, "boyle_low")["power", "nuts", "n"], *values)
    assert compared == 5
