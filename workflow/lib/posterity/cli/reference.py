"""
Write config/README.md, the description of every key, from the schemas.

Usage: `python -m posterity reference > config/README.md`
"""

from typing import Any

import yaml

from posterity.config.registry import METHODS
from posterity.config.schema import load_schema
from posterity.config.study import RESERVED_MODELS, RESERVED_STUDIES
from posterity.config.yaml import read_yaml

INTRODUCTION = """# Every key of the configuration

This page is made from workflow/schemas/. Do not edit it by hand, but run
`PYTHONPATH=workflow/lib python -m posterity reference > config/README.md`.

`config/config.yaml` lists the studies to run and holds defaults. Each study is a file
`config/studies/<study>.yaml`. A key that a study omits comes from `defaults`, key by key. An
unknown key is an error, and the message names the nearest known key. Paths start at the project's
folder. Values on the command line have priority over those of `config/config.yaml`:
`--config studies=mine`, `--config studies='["line", "hogg"]'`, `--config strict=true`.

All files follow YAML 1.2: `1e-3` is a number, `no` and `on` are words, and a repeated key is an
error.
"""

TYPE_WORDS = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "object": "keys",
    "array": "list",
    "boolean": "true/false",
}
MAX_SHOWN_DEFAULTS = 3  # keys of a nested default that still fit into a cell of a table


def resolve_reference(rule: dict[str, Any]) -> dict[str, Any]:
    """Return a rule with its reference into `$defs` resolved; the rule's own keys have priority."""
    if "$ref" not in rule:
        return rule
    definition: dict[str, Any] = load_schema("study")["$defs"][rule["$ref"].rpartition("/")[2]]
    return definition | rule


def describe_type(rule: dict[str, Any]) -> str:
    """Return in words which values a key can have."""
    rule = resolve_reference(rule)
    if "enum" in rule:
        return _join_distinct([_format_value(value) for value in rule["enum"]])
    if "const" in rule:
        return f"`{rule['const']}`"
    if rule.get("$ref", "").endswith("threshold"):
        return "number, or {warn, fail}"
    if "oneOf" in rule:
        return _join_distinct([describe_type(alternative) for alternative in rule["oneOf"]])
    types = rule.get("type", "")
    return TYPE_WORDS.get(types if isinstance(types, str) else types[0], "")


def _format_value(value: object) -> str:
    """Return a value of an enum as code; booleans and their spellings are one."""
    text = str(value)
    return f"`{text.lower() if text in ('True', 'False') else text}`"


def _join_distinct(words: list[str]) -> str:
    """Return distinct words, joined by `or`; empty ones are left out."""
    return " or ".join(dict.fromkeys(filter(None, words)))


def make_rows(
    properties: dict[str, dict[str, Any]], defaults: dict[str, Any], required: list[str]
) -> list[str]:
    """Return the lines of a table of keys; `defaults` replace the defaults of the schema."""
    lines = ["| key | value | default | description |", "|---|---|---|---|"]
    for key, rule in properties.items():
        complete = resolve_reference(rule)
        default = _format_default(defaults.get(key, complete.get("default")))
        if key in required:
            default = "required"
        text = complete.get("description", "")
        lines.append(f"| `{key}` | {describe_type(rule)} | {default} | {text} |")
    return lines


def _format_default(value: Any) -> str:
    """Return a default as code; "" if there is none, or if it is too long for a table."""
    if value is None or (isinstance(value, dict) and len(value) > MAX_SHOWN_DEFAULTS):
        return ""
    text = yaml.safe_dump(value, default_flow_style=True, width=1000)
    return f"`{text.strip().removesuffix('...').strip()}`"


def _make_section(
    heading: str, rule: dict[str, Any], defaults: dict[str, Any] | None = None
) -> list[str]:
    """Return heading, description and table of a schema object."""
    description = rule.get("description", "")
    rows = make_rows(rule["properties"], defaults or {}, rule.get("required", []))
    return [heading, "", *([description, ""] if description else []), *rows, ""]


def make_reference(defaults: dict[str, Any]) -> str:
    """Return the description of every key. `defaults` are those of config/config.yaml."""
    study = load_schema("study")
    definitions = study["$defs"]
    simulation = definitions["simulation"]
    lines = [
        INTRODUCTION,
        *_make_section("## config/config.yaml", load_schema("config")),
        *_make_section("## A study", study, defaults),
        "Names of studies, models and fits have letters, digits and `_`.",
        f"Reserved names of studies: {_list_code(RESERVED_STUDIES)}.",
        f"Reserved names of models: {_list_code(RESERVED_MODELS)}.",
        "",
        *_make_section("### `data:` from a file", definitions["file"]),
        *_make_section("### `data:` simulated", simulation),
        *_make_section("### `data: simulate:`", simulation["properties"]["simulate"]),
        "Expressions of `derive` and `select` can use columns, numbers, texts, lists,",
        "`+ - * / % **`, comparisons, `in`, `& | ~` (and, or, not), `pi`, and these functions:",
        f"{_list_code(_list_functions())}.",
        "",
        *_make_section("### `models: <id>:`", definitions["model"]),
    ]
    for method in METHODS:
        rule = definitions[method] | {"required": ["method"]}
        lines += _make_section(f"### `fits: <id>: method: {method}`", rule)
    lines += _make_section("### `fits: <id>: stop_when:`", definitions["stop_when"])
    for key in ("prior", "predict", "checks", "figures"):
        lines += _make_nested_sections(key, study["properties"][key], defaults.get(key, {}))
    return "\n".join(lines).replace("\n\n\n", "\n\n").rstrip() + "\n"


def _make_nested_sections(key: str, rule: dict[str, Any], defaults: dict[str, Any]) -> list[str]:
    """Return the section of a key of a study, and those of the keys that it nests."""
    lines = _make_section(f"### `{key}:`", rule, defaults)
    for name, nested in rule["properties"].items():
        if nested.get("additionalProperties") is False:
            rows = make_rows(nested["properties"], defaults.get(name, {}), [])
            lines += [f"#### `{key}: {name}:`", "", *rows, ""]
    return lines


def _list_code(words: tuple[str, ...] | list[str]) -> str:
    """Return words as code, with commas."""
    return ", ".join(f"`{word}`" for word in words)


def _list_functions() -> list[str]:
    """Return the functions of the expression language."""
    from posterity.data.expression import FUNCTIONS  # slow, and for this page only

    return sorted(FUNCTIONS)


if __name__ == "__main__":
    print(make_reference(read_yaml("config/config.yaml")["defaults"]), end="")
