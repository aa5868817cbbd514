"""Lint, format, environment, and limits for the size and the names of code."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, snakemake

BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["snakefmt", "--check", "workflow"],
        ["codespell"],
    ],
    ids=["ruff", "ruff-format", "snakefmt", "codespell"],
)
def test_linter_passes(command):
    done = subprocess.run(
        [BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_snakemake_lint(project):
    run = snakemake(project, "--lint")
    assert run.returncode == 0, run.stdout


def test_conda_file_has_the_pins_of_the_lock():
    pins = re.findall(r"^[\w.-]+==[^\\\n]+", (ROOT / "envs/posterity.lock").read_text(), flags=re.M)
    listed = yaml.safe_load((ROOT / "envs/posterity.yaml").read_text())["dependencies"][-1]["pip"]
    assert listed == [pin.strip() for pin in pins]
    assert len(pins) > 50


def test_locks_have_hashes_and_no_address():
    for lock in (ROOT / "envs").glob("*.lock"):
        text = lock.read_text()
        assert "://" not in text
        packages = re.split(r"^(?=[\w.-]+==)", text, flags=re.M)[1:]
        assert packages
        assert all("--hash=sha256:" in package for package in packages), lock


# Limits and names

LIBRARY = ROOT / "workflow/lib/posterity"
RULES = ROOT / "workflow/rules"
SCRIPTS = ROOT / "workflow/scripts"
MAX_FUNCTION_LINES = 60  # without the docstring
MAX_LINES = {
    "module": (list(LIBRARY.rglob("*.py")), 400),
    "script": (list(SCRIPTS.glob("*.py")), 80),
    "rules": (list(RULES.glob("*.smk")), 110),
    "common": ([RULES / "common.smk"], 60),
    "Snakefile": ([ROOT / "Snakefile", ROOT / "workflow/Snakefile"], 60),
}
MAX_STAGE_PARAMETERS = 8
# Each method is a module with `fit`, each kind of figure one with `draw_figure`.
PLUGIN_INTERFACES = {"fit", "draw_figure"}
ENTRY_POINTS = {"main"}  # of modules that run as programs
SINGLE_VERBS = {"hint", "reparametrise"}  # their object is their argument
NOT_VERBS = {
    "a", "all", "an", "as", "at", "by", "every", "for", "from", "in", "into", "of", "on", "one",
    "own", "the", "to", "with",
}  # fmt: skip


def list_functions(folder):
    """Return (file, name, node) of each function in a folder, methods and inner ones included."""
    functions = []
    for file in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.FunctionDef):
                functions.append((file, node.name, node))
    return functions


def count_lines(node):
    """Count the lines of a function without its docstring."""
    first = node.body[0]
    has_docstring = ast.get_docstring(node) is not None
    docstring = first.end_lineno - first.lineno + 1 if has_docstring else 0
    return node.end_lineno - node.lineno + 1 - docstring


def list_public_functions():
    """Return (module, name) of each public function at module level of the library."""
    return [
        (file.relative_to(LIBRARY).as_posix(), node.name)
        for file in sorted(LIBRARY.rglob("*.py"))
        for node in ast.parse(file.read_bytes()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]


@pytest.mark.parametrize("folder", [LIBRARY, SCRIPTS], ids=["library", "scripts"])
def test_functions_are_short(folder):
    sizes = [(file.name, name, count_lines(node)) for file, name, node in list_functions(folder)]
    assert [size for size in sizes if size[2] > MAX_FUNCTION_LINES] == []


@pytest.mark.parametrize("kind", MAX_LINES)
def test_files_are_short(kind):
    files, limit = MAX_LINES[kind]
    sizes = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in files}
    assert sizes, kind
    assert {file: lines for file, lines in sizes.items() if lines > limit} == {}


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.py")), ids=lambda path: path.stem)
def test_a_script_is_a_docstring_and_one_function_of_its_name(script):
    tree = ast.parse(script.read_bytes())
    assert ast.get_docstring(tree)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert [function.name for function in functions] == [script.stem]
    parameters = functions[0].args
    names = parameters.posonlyargs + parameters.args + parameters.kwonlyargs
    assert len(names) <= MAX_STAGE_PARAMETERS
    assert parameters.vararg is None
    assert parameters.kwarg is None


def test_public_functions_have_unique_names():
    modules = {}
    for module, name in list_public_functions():
        if name not in PLUGIN_INTERFACES | ENTRY_POINTS:
            modules.setdefault(name, []).append(module)
    assert {name: where for name, where in modules.items() if len(where) > 1} == {}


def test_plugin_interfaces_are_methods_and_kinds_of_figures():
    folders = {"fit": "inference/methods/", "draw_figure": "plots/"}
    for module, name in list_public_functions():
        if name in folders:
            assert module.startswith(folders[name]), module


def test_public_functions_are_called_by_verb_and_object():
    names = {name for _, name in list_public_functions()}
    names -= PLUGIN_INTERFACES | ENTRY_POINTS | SINGLE_VERBS
    assert sorted(name for name in names if name.split("_")[0] in NOT_VERBS) == []
    assert sorted(name for name in names if "_" not in name) == []


def test_each_stage_is_a_rule_and_a_script_of_one_name():
    stages = [file for file in RULES.glob("*.smk") if file.stem not in ("common", "targets")]
    text = "".join(file.read_text() for file in stages)
    rules = re.findall(r"^rule (\w+):", text, flags=re.M)
    scripts = re.findall(r'"\.\./scripts/(\w+)\.py"', text)
    assert rules == scripts
    assert sorted(rules) == sorted(file.stem for file in SCRIPTS.glob("*.py"))
    for key in ("log", "benchmark", "threads", "resources", "conda", "message"):
        assert len(re.findall(rf"^    {key}:", text, flags=re.M)) == len(rules), key


def test_each_rule_has_a_docstring():
    """`snakemake --list` shows it."""
    files = [ROOT / "workflow/Snakefile", *RULES.glob("*.smk")]
    text = "".join(file.read_text() for file in files)
    rules = re.findall(r"^rule \w+:", text, flags=re.M)
    docstrings = re.findall(r'^rule \w+:\n    """[A-Z].*\."""$', text, flags=re.M)
    assert len(docstrings) == len(rules) > 20


# The environment


@pytest.mark.parametrize("broken", ["none", "shim", "old"])
def test_python_is_found_by_running_candidates(tmp_path, broken):
    """Failing shims and older versions are skipped. Without any version there is one message."""
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs/setup.sh").write_text(
        re.sub(r" *\\?\n +/usr/bin/\S+ .*; do", "; do", (ROOT / "envs/setup.sh").read_text())
    )
    (tmp_path / "bin").mkdir()
    scripts = {"none": "", "shim": "#!/bin/sh\nexit 127\n", "old": "#!/bin/sh\nexit 1\n"}
    for name in ("python3", "python3.13"):
        (tmp_path / "bin" / name).write_text(scripts[broken] or "#!/bin/sh\nexit 126\n")
        (tmp_path / "bin" / name).chmod(0o755)
    environment = {
        "PATH": f"{tmp_path / 'bin'}:/nowhere",
        "HOME": str(tmp_path),
        "PYENV_ROOT": str(tmp_path / "pyenv"),
    }
    command = ["/bin/sh", "envs/setup.sh", "find"]
    environment["PATH"] += (
        ":/usr/bin:/bin"
        if not Path("/usr/bin/python3.13").exists() and not Path("/usr/bin/python3.12").exists()
        else ""
    )
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "needs Python 3.12 or 3.13" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1

    version = tmp_path / "pyenv/versions/3.13.0/bin"
    version.mkdir(parents=True)
    (version / "python3").symlink_to(sys.executable)
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).exists()
