"""The files that a maintainer keeps in step: version, dependencies, hooks, YAML."""

import ast
import re
import shlex
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

BIN = Path(sys.executable).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DEPENDENCIES = [Requirement(text) for text in PROJECT["dependencies"]]
YAML_FILES = [
    *ROOT.glob(".github/**/*.yml"),
    *ROOT.glob(".*.y*ml"),
    ROOT / "CITATION.cff",
]


def read_yaml(name):
    """Return the content of a YAML file of the project."""
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def locked_versions():
    """Return the version of each package of envs/posterity.lock, by canonical name."""
    pins = re.findall(
        r"^([\w.-]+)==([\w.+-]+)", (ROOT / "envs/posterity.lock").read_text(), flags=re.M
    )
    return {canonicalize_name(name): version for name, version in pins}


def imported_modules(file):
    """Return the top-level names of the modules that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_citation_has_the_version_of_the_package():
    assert read_yaml("CITATION.cff")["version"] == PROJECT["version"]


def test_changelog_has_a_heading_for_the_next_change():
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), flags=re.M)
    assert headings[0] == "Unreleased"
    assert headings[1:2] in ([], [PROJECT["version"]])


@pytest.mark.parametrize("file", YAML_FILES, ids=lambda file: file.name)
def test_yaml_parses(file):
    assert isinstance(yaml.safe_load(file.read_text(encoding="utf-8")), dict)


def test_hooks_call_tools_of_the_environment():
    hooks = [
        hook for repo in read_yaml(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]
    ]
    assert len(hooks) >= 7
    for hook in hooks:
        tool = Path(shlex.split(hook["entry"])[0])
        assert tool.parent == Path(".venv/bin")
        assert (BIN / tool.name).exists(), tool


def test_package_declares_what_the_library_imports():
    declared = {canonicalize_name(dependency.name) for dependency in DEPENDENCIES}
    providers = packages_distributions()
    known = sys.stdlib_module_names | {"posterity"}
    for file in (ROOT / "workflow/lib/posterity").rglob("*.py"):
        for module in imported_modules(file) - known:
            assert declared & {canonicalize_name(name) for name in providers[module]}, (
                file.name,
                module,
            )


@pytest.mark.parametrize("dependency", DEPENDENCIES, ids=lambda dependency: dependency.name)
def test_lock_satisfies_the_dependencies(dependency):
    assert dependency.specifier.contains(locked_versions()[canonicalize_name(dependency.name)])
