"""The documentation: everything that its pages name exists, and their examples work."""

import inspect
import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from conftest import ROOT

from posterity.artefact.netcdf import read_artefact
from posterity.config import registry
from posterity.config.registry import FIGURE_KINDS, TABLES
from posterity.config.schema import load_schema
from posterity.inference.methods import barker
from posterity.notebook import load_settings

NAMES = (
    "README.md",
    "CONTRIBUTING.md",
    "benchmarks/README.md",
    "config/models/README.md",
    "docs/artefacts.md",
    "docs/cluster.md",
    "docs/design.md",
    "docs/first_study.md",
    "docs/index.md",
    "docs/methods.md",
    "docs/notebook.md",
    "docs/other_clusters.md",
    "docs/verdicts.md",
    *(str(file.relative_to(ROOT)) for file in sorted(ROOT.glob("docs/decisions/*.md"))),
    *(str(file.relative_to(ROOT)) for file in sorted(ROOT.glob("workflow/models/*/README.md"))),
)
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in NAMES}
VERDICTS = PAGES["docs/verdicts.md"]
ARTEFACTS = PAGES["docs/artefacts.md"]
DESIGN = PAGES["docs/design.md"]
FOLDERS = "workflow|config|docs|envs|resources|tests|benchmarks"
# Files that a reader creates, or that a command makes.
PLACEHOLDERS = re.compile(
    r"((workflow|config)/models|config/studies)/(mine|boyle)\w*"
    r"|workflow/lib/posterity/inference/methods/my_method\.py"
    r"|tests/unit/inference/methods/test_my_method\.py"
    r"|tests/models/test_"
    r"|docs/_build"
)
# Groups whose variables are those of the model or of the data.
FREE_GROUPS = {
    "constant_data",
    "data",
    "initial_values",
    "log_likelihood",
    "log_prior",
    "observed_data",
    "point",
    "posterior",
    "posterior_predictive",
    "predictions",
    "predictions_constant_data",
    "prior",
    "prior_predictive",
    "test_statistics",
    "truth",
}


def find_blocks(text):
    """Return the fenced blocks: heading of the section, text before it, language and content."""
    heading = ""
    before = ""
    blocks = []
    for part in re.split(r"^(```\w*\n.*?^```)$", text, flags=re.M | re.S):
        if part.startswith("```"):
            language, _, content = part[3:-3].partition("\n")
            blocks.append((heading, before, language, content))
        else:
            headings = re.findall(r"^## (.*)$", part, flags=re.M)
            heading = headings[-1] if headings else heading
            before = part
    return blocks


def get_section(text, heading):
    """Return a section of a page."""
    return re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, flags=re.M | re.S)[1]


# Names on all pages


def list_links(page):
    """Return the files that a page links to."""
    links = re.findall(r"\]\(([^)\s]+)\)", PAGES[page])
    files = [link.partition("#")[0] for link in links if "://" not in link]
    return [file for file in files if file]


@pytest.mark.parametrize("page", NAMES)
def test_links_lead_to_files(page):
    folder = (ROOT / page).parent
    for link in list_links(page):
        assert (folder / link).exists(), link


@pytest.mark.parametrize("page", NAMES)
def test_paths_exist(page):
    paths = set(re.findall(rf"(?<![\w/.-])(?:{FOLDERS})/[\w/.-]*[\w-]", PAGES[page]))
    for path in paths - set(list_links(page)):
        assert (ROOT / path).exists() or PLACEHOLDERS.match(path), path


@pytest.mark.parametrize("page", NAMES)
def test_modules_of_the_library_exist(page):
    for name in set(re.findall(r"`posterity((?:\.[a-z_]+)+)`", PAGES[page])):
        path = ROOT / "workflow/lib/posterity" / name.strip(".").replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), name


@pytest.mark.parametrize("page", NAMES)
def test_make_targets_exist(page):
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.M)
    code = find_code(page)
    assert set(re.findall(r"\bmake ([a-z]\w*)", code)) <= set(targets)


@pytest.mark.parametrize("page", NAMES)
def test_snakemake_targets_exist(page):
    files = [*ROOT.glob("Snakefile"), *ROOT.glob("workflow/rules/*.smk")]
    text = "\n".join(file.read_text() for file in files)
    rules = set(re.findall(r"^rule (\w+):", text, flags=re.M))
    listed = re.search(r"Stages by name:(.*?)\. Only", PAGES[page], flags=re.S)
    targets = re.findall(r"`(\w+)`", listed[1] if listed else "")
    targets += re.findall(r"snakemake --cores \d+ ([a-z]\w*)(?=`|$)", find_code(page))
    assert set(targets) <= rules
    assert page != "README.md" or len(targets) > 9


def find_code(page):
    """Return the inline code and the indented lines of a page."""
    return " ".join(re.findall(r"`+[^`]+`+|^ {4}.*$", PAGES[page], flags=re.M))


@pytest.mark.parametrize("page", NAMES)
def test_lines_are_short(page):
    # The output of a command cannot be wrapped.
    lines = re.sub(r"^```text$.*?^```$", "", PAGES[page], flags=re.M | re.S).splitlines()
    # Nor can a row of a table. README.md and docs/ keep to the limit nevertheless.
    is_free = page.startswith("workflow/models/")
    assert [line for line in lines if len(line) > 140 and not (is_free and line[0] == "|")] == []


# docs/design.md


def test_design_describes_the_layers_of_the_import_contract():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = [re.findall(r"[\w.]+", layer) for layer in settings["contracts"][0]["layers"]]
    rows = re.findall(r"^\| (\d+) \| `(posterity\.\w+)` \|", DESIGN, flags=re.M)
    described = [
        [name for number, name in rows if int(number) == i + 1] for i in range(len(layers))
    ]
    assert list(map(sorted, described)) == list(map(sorted, layers))


def test_design_describes_every_part_of_the_library():
    names = {name for _, name in re.findall(r"^\| (\d+) \| `posterity\.(\w+)`", DESIGN, flags=re.M)}
    library = ROOT / "workflow/lib/posterity"
    folders = {file.parent.name for file in library.glob("*/__init__.py")}
    modules = {file.stem for file in library.glob("*.py")} - {"__init__", "__main__"}
    assert names == folders | modules


def test_every_decision_is_listed():
    records = {file.name for file in ROOT.glob("docs/decisions/0*.md")}
    listed = re.findall(r"\]\((0\w[\w.-]*)\)", PAGES["docs/decisions/README.md"])
    assert len(records) > 5
    assert sorted(listed) == sorted(records)


# docs/verdicts.md


def test_every_check_is_described_with_its_threshold():
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())["defaults"]["checks"]
    settings = {"max_scalars_per_site", "expect", "prior_coverage"}
    checks = set(load_schema("study")["properties"]["checks"]["properties"]) - settings
    described = {}
    for part in re.split(r"^(?=\*\*`)", get_section(VERDICTS, "The checks"), flags=re.M)[1:]:
        for name in re.findall(r"\*\*`(\w+)`\*\*", part.splitlines()[0]):
            described[name] = part
    assert set(described) == checks
    for name, text in described.items():
        limits = config["prior_coverage" if name == "prior_predictive" else name]
        limits = limits if isinstance(limits, dict) else {"fail": limits}
        for level, limit in limits.items():
            match = re.search(rf"{level}s (?:above|below) (-?[\d.]*\d)", text, flags=re.I)
            assert match, f"{name}: {level}"
            assert float(match[1]) == limit, name


def test_yaml_of_the_verdicts_loads(project, monkeypatch):
    monkeypatch.chdir(project)
    for i, (_, _, language, content) in enumerate(find_blocks(VERDICTS)):
        assert language == "yaml"
        (project / f"config/studies/variation{i}.yaml").write_text(f"extends: hogg\n{content}")
        load_settings(f"variation{i}")


# docs/artefacts.md


@pytest.mark.parametrize(
    "stage",
    [
        "data",
        "prior",
        "posterior",
        "predictive",
        "sensitivity",
        "diagnosis",
        "comparison",
        "verdict",
    ],
)
def test_every_group_and_variable_is_described(finished, stage):
    text = get_section(ARTEFACTS, f"{stage}.nc")
    text += get_section(ARTEFACTS, "posterior.nc") if stage == "predictive" else ""
    attributes = get_section(ARTEFACTS, "Attributes of every file") + text
    for path in finished.glob(f"results/**/{stage}.nc"):
        tree = read_artefact(path)
        for name in tree.attrs:
            assert f"`{name}`" in attributes, (path, name)
        for group, values in tree.children.items():
            assert f"`{group}`" in text, (path, group)
            for name in () if group in FREE_GROUPS else values.data_vars:
                assert re.search(rf"\b{name.removesuffix('_error')}\b", text), (path, group, name)


def test_every_path_of_an_artefact_exists(finished):
    paths = re.findall(r"^\| `(\S+)`(?:, `\S+`)* \|", ARTEFACTS, flags=re.M)
    for path in [path for path in paths if path.startswith("<study>") and "gate" not in path]:
        assert list(finished.glob("results/" + re.sub(r"<\w+>", "*", path))), path


def test_every_figure_and_table_is_described():
    for kind, record in FIGURE_KINDS.items():
        scope = getattr(record, "scope", None) or record[0]
        prefix = {"fit": "<model>_<fit>_", "model": "<model>_", "study": "comparison_"}[scope]
        assert f"`{prefix}{kind}`" in get_section(ARTEFACTS, "Figures"), kind
    tables = re.findall(r"^- `(\w+)`", get_section(ARTEFACTS, "Tables"), flags=re.M)
    assert set(tables) == set(TABLES)


# CONTRIBUTING.md


def test_skeleton_of_a_method_has_the_signature_of_the_methods():
    module = next(
        content
        for heading, before, language, content in find_blocks(PAGES["CONTRIBUTING.md"])
        if language == "python" and "1. The module" in before
    )
    namespace = {}
    exec(module, namespace)
    names = list(inspect.signature(barker.fit).parameters)
    assert list(inspect.signature(namespace["fit"]).parameters) == names


def test_record_of_a_method_is_valid():
    record = next(
        content
        for heading, before, language, content in find_blocks(PAGES["CONTRIBUTING.md"])
        if language == "python" and "2. The record" in before
    )
    methods = eval(f"{{{record}}}", vars(registry).copy())
    assert methods["my_method"].draw_kind == "chains"


# docs/notebook.md


@pytest.mark.long
def test_blocks_of_the_notebook_run(finished):
    """The blocks of the page run in order, on a small study, without a warning."""
    blocks = find_blocks(PAGES["docs/notebook.md"])
    program = "".join(content for *_, language, content in blocks if language == "python")
    names = 'study, model, fit = "line", "line", "nuts"'
    assert names in program
    program = program.replace(names, 'study, model, fit = "small", "line", "a"')
    program = f"import matplotlib; matplotlib.use('agg')\n{program}"
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=finished,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    assert not process.stderr
