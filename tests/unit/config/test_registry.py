import pytest
from conftest import ROOT

from posterity.config.registry import (
    ALL_KINDS,
    CHAIN_KINDS,
    DRAW_KINDS,
    FIGURE_KINDS,
    METHODS,
    list_enumerating_methods,
)
from posterity.config.schema import load_schema

LIBRARY = ROOT / "workflow/lib/posterity"


def list_definitions() -> set[str]:
    """Return the definitions of the study schema that describe a method."""
    definitions = load_schema("study")["$defs"]
    return {name for name, rule in definitions.items() if "method" in rule.get("properties", {})}


def test_registry_schema_and_modules_list_the_same_methods():
    fits = load_schema("study")["properties"]["fits"]["additionalProperties"]
    assert fits["properties"]["method"]["enum"] == list(METHODS)
    assert list_definitions() == set(METHODS)
    modules = {file.stem for file in (LIBRARY / "inference/methods").glob("*.py")}
    assert modules - {"__init__"} == set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_a_record_agrees_with_the_settings_of_its_method(name):
    method = METHODS[name]
    rule = load_schema("study")["$defs"][name]
    properties = rule["properties"]
    assert properties["method"] == {"const": name}
    assert rule["title"] == name
    assert method.draw_kind in ALL_KINDS
    assert ("chains" in properties) == (method.draw_kind in CHAIN_KINDS)
    assert ("draws" in properties) == (method.draw_kind in DRAW_KINDS)
    if method.threads_setting is not None:
        assert properties[method.threads_setting]["type"] == "integer"
    if method.pathfinder_start:
        assert properties["init"]["$ref"] == "#/$defs/start"


def test_registry_schema_and_modules_list_the_same_kinds_of_figures():
    kinds = load_schema("study")["properties"]["figures"]["properties"]["kinds"]
    assert kinds["items"]["enum"] == list(FIGURE_KINDS)
    modules = {file.stem for file in (LIBRARY / "plots").glob("*.py")}
    assert set(FIGURE_KINDS) <= modules


def test_nuts_and_hmc_marginalise_discrete_sites():
    assert list_enumerating_methods() == ["nuts", "hmc"]
