"""A small project in a temporary folder, and its study."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from posterity.config.study import load_study
from posterity.config.yaml import read_yaml

BASE = {
    "title": "A study",
    "data": {"file": "table.csv", "columns": {"x": "x", "e": "e", "y": "y"}},
    "models": {"line": {}},
    "fits": {"nuts": {"method": "nuts"}},
}


@pytest.fixture(scope="session")
def defaults() -> dict:
    """The defaults of config/config.yaml."""
    return read_yaml(ROOT / "config/config.yaml")["defaults"]


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A project's folder with one model and one table, as working directory."""
    (tmp_path / "config/studies").mkdir(parents=True)
    shutil.copytree(ROOT / "workflow/models/line", tmp_path / "workflow/models/line")
    (tmp_path / "table.csv").write_text("x,e,y\n1,2,3\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write_studies(place) -> Callable[..., None]:
    """A function that writes studies, given by name as changes of a small study, or as a whole."""

    def write(**studies: dict) -> None:
        for name, content in studies.items():
            (place / f"config/studies/{name}.yaml").write_text(yaml.safe_dump(content))

    return write


@pytest.fixture
def load(write_studies, defaults) -> Callable[..., dict]:
    """A function that loads a small study with some keys changed; None removes a key."""

    def load_changed(**changes) -> dict:
        content = {key: value for key, value in {**BASE, **changes}.items() if value is not None}
        write_studies(mine=content)
        return load_study("mine", defaults)

    return load_changed
