import pytest
from conftest import ROOT

from posterity.cli.reference import describe_type, make_reference, make_rows
from posterity.config.registry import METHODS
from posterity.config.schema import load_schema
from posterity.config.yaml import read_yaml


@pytest.fixture(scope="module")
def reference() -> str:
    """The reference with the defaults of the project."""
    return make_reference(read_yaml(ROOT / "config/config.yaml")["defaults"])


def test_the_page_in_the_repository_is_up_to_date(reference):
    assert (ROOT / "config/README.md").read_text() == reference


def test_every_method_has_a_section_with_all_its_settings(reference):
    for method in METHODS:
        section = reference.partition(f"### `fits: <id>: method: {method}`\n")[2].partition("\n#")[
            0
        ]
        for key in load_schema("study")["$defs"][method]["properties"]:
            assert f"| `{key}` |" in section


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"type": "integer"}, "whole number"),
        ({"type": ["integer", "null"]}, "whole number"),
        ({"enum": [True, "True", "true"]}, "`true`"),
        ({"const": "none"}, "`none`"),
        ({"$ref": "#/$defs/threshold"}, "number, or {warn, fail}"),
        ({"oneOf": [{"type": "string"}, {"type": "array"}, {"type": "null"}]}, "text or list"),
    ],
)
def test_types_are_described_in_words(rule, words):
    assert describe_type(rule) == words


def test_a_default_of_the_configuration_replaces_that_of_the_schema():
    rows = make_rows(
        {"n": {"type": "integer", "default": 1}, "m": {"type": "string"}}, {"n": 2}, ["m"]
    )
    assert rows[2:] == ["| `n` | whole number | `2` |  |", "| `m` | text | required |  |"]
