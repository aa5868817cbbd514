import json
import platform

import xarray as xr

from posterity.artefact.provenance import (
    VOLATILE_ATTRIBUTES,
    collect_provenance,
    get_version,
    hash_dataset,
    hash_files,
    hash_values,
)

DATA = xr.Dataset({"x": ("a", [1.0, 2.0])})


def test_the_hash_of_data_ignores_attributes():
    same = xr.Dataset({"x": ("a", [1.0, 2.0], {"units": "m"})})
    assert hash_dataset(DATA) == hash_dataset(same)


def test_the_hash_of_data_depends_on_values_names_and_dimensions():
    others = [
        xr.Dataset({"x": ("a", [1.0, 3.0])}),
        xr.Dataset({"y": ("a", [1.0, 2.0])}),
        xr.Dataset({"x": ("b", [1.0, 2.0])}),
    ]
    assert len({hash_dataset(data) for data in [DATA, *others]}) == 4


def test_hashes_have_16_hexadecimal_digits_and_stay_equal_between_versions():
    assert hash_values({"b": 1, "a": [1, 2]}) == hash_values({"a": [1, 2], "b": 1})
    assert hash_values({"a": 1}) == "f9d86028c6e0d64e"
    assert hash_dataset(DATA) == "9bb2f53a000de5ae"


def test_the_hash_of_files_depends_on_content_and_order(tmp_path):
    files = [tmp_path / "a.py", tmp_path / "b.py"]
    for file in files:
        file.write_text(file.name)
    assert hash_files(map(str, files)) != hash_files(map(str, reversed(files)))
    first = hash_files(files)
    files[1].write_text("changed")
    assert hash_files(files) != first


def test_provenance_holds_ids_settings_versions_and_host():
    attributes = collect_provenance("fit", "line", {"draws": 5}, 3, ("numpy",), model="m", fit="f")
    assert list(attributes)[:4] == ["stage", "study", "model", "fit"]
    assert attributes["stage"] == "fit"
    assert attributes["model"] == "m"
    assert attributes["seed"] == 3
    assert json.loads(attributes["settings"]) == {"draws": 5}
    assert attributes["settings_hash"] == hash_values({"draws": 5})
    assert json.loads(attributes["versions"]) == {
        "python": platform.python_version(),
        "numpy": get_version("numpy"),
    }
    assert attributes["host"] == platform.node()


def test_attributes_that_name_a_run_are_volatile():
    assert {"host", "created_at"} <= set(VOLATILE_ATTRIBUTES)


def test_the_version_of_an_unknown_package():
    assert get_version("no-such-package") == "not installed"


def test_the_commit_outside_a_repository_is_unknown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert collect_provenance("data", "line", {}, 0)["git_commit"] == "unknown"
