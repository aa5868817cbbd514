"""Write config/README.md, the description of every key, from the schemas: `python -m posterity.cli.reference > config/README.md`."""

import yaml

from posterity.config.schema import load_schema

INTRODUCTION = """# Every key of the configuration

Made from workflow/schemas/ by `python -m posterity.cli.reference > config/README.md`; do not edit it by hand.

`config/config.yaml` says which studies are run and holds defaults; each study is a file `config/studies/<study>.yaml`. A key that a
study leaves out is taken from `defaults`, key by key. An unknown key is refused, with the nearest known one. Paths start at the
project's folder. On the command line: `--config studies=mine`, or `--config studies='["line", "hogg"]'`, `--config strict=true`.
"""

TYPE_WORDS = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "object": "keys",
    "array": "list",
    "boolean": "true/false",
}


def resolve_reference(rule: dict) -> dict:
    """Follow a reference into `$defs`; keys beside the reference go before those behind it."""
    if "$ref" in rule:
        return load_schema("study")["$defs"][rule["$ref"].rpartition("/")[2]] | rule
    return rule


def describe_type(rule: dict) -> str:
    """Say what a value may be."""
    rule = resolve_reference(rule)
    if "enum" in rule:
        return " or ".join(
            dict.fromkeys(
                f"`{str(value).lower() if str(value) in ('True', 'False') else value}`"
                for value in rule["enum"]
            )
        )
    if "const" in rule:
        return f"`{rule['const']}`"
    if rule.get("$ref", "").endswith("threshold"):
        return "number, or {warn, fail}"
    if "oneOf" in rule:
        return " or ".join(dict.fromkeys(filter(None, map(describe_type, rule["oneOf"]))))
    kinds = rule.get("type", "")
    return TYPE_WORDS.get(kinds if isinstance(kinds, str) else kinds[0], "")


def make_rows(properties: dict, defaults: dict, required: list[str]) -> list[str]:
    """Make the lines of a table of keys."""
    lines = ["| key | value | default | what it is |", "|---|---|---|---|"]
    for key, rule in properties.items():
        given = defaults.get(key, resolve_reference(rule).get("default"))
        text = (
            yaml.safe_dump(given, default_flow_style=True, width=1000)
            .strip()
            .removesuffix("...")
            .strip()
        )
        default = (
            "required"
            if key in required
            else ""
            if given is None or (isinstance(given, dict) and len(given) > 3)
            else f"`{text}`"
        )
        lines.append(
            f"| `{key}` | {describe_type(rule)} | {default} | {resolve_reference(rule).get('description', '')} |"
        )
    return lines


def make_reference(defaults: dict) -> str:
    """Describe every key. `defaults` are those of config/config.yaml."""
    study, definitions = load_schema("study"), load_schema("study")["$defs"]
    lines = [
        INTRODUCTION,
        "## config/config.yaml",
        "",
        *make_rows(load_schema("config")["properties"], {}, ["studies"]),
        "",
    ]
    lines += [
        "## A study",
        "",
        study["description"],
        "",
        *make_rows(study["properties"], defaults, study["required"]),
        "",
    ]
    lines += [
        "Names of studies, models and fits have letters, digits and `_`. A study may not be called logs, benchmarks or"
    ]
    lines += ["checkpoints, a model not figures, tables, data, truth, comparison or verdict.", ""]
    for name, heading in (("file", "`data:` from a file"), ("simulation", "`data:` simulated")):
        lines += [
            f"### {heading}",
            "",
            *make_rows(definitions[name]["properties"], {}, definitions[name].get("required", [])),
            "",
        ]
    simulate = definitions["simulation"]["properties"]["simulate"]
    lines += [
        "### `data: simulate:`",
        "",
        *make_rows(simulate["properties"], {}, simulate["required"]),
        "",
    ]
    lines += [
        "Expressions of `derive` and `select` know the columns, numbers, texts, lists, `+ - * / % **`, comparisons, `in`,"
    ]
    lines += [
        "`& | ~` (and, or, not), `pi`, and the functions " + ", ".join(list_functions()) + ".",
        "",
    ]
    lines += [
        "### `models: <id>:`",
        "",
        definitions["model"].get("description", ""),
        *make_rows(definitions["model"]["properties"], {}, []),
        "",
    ]
    for method in study["properties"]["fits"]["additionalProperties"]["properties"]["method"][
        "enum"
    ]:
        rule = definitions[method]
        lines += [
            f"### `fits: <id>: method: {method}`",
            "",
            rule["description"],
            "",
            *make_rows(rule["properties"], {}, ["method"]),
            "",
        ]
    until = definitions["stop_when"]
    lines += [
        "### `fits: <id>: stop_when:`",
        "",
        until["description"],
        "",
        *make_rows(until["properties"], {}, []),
        "",
    ]
    for key in ("prior", "predict", "checks", "figures"):
        rule = study["properties"][key]
        lines += [
            f"### `{key}:`",
            "",
            rule["description"],
            "",
            *make_rows(rule["properties"], defaults.get(key, {}), []),
            "",
        ]
        for inner, nested in rule["properties"].items():
            if nested.get("additionalProperties") is False:
                lines += [
                    f"#### `{key}: {inner}:`",
                    "",
                    *make_rows(nested["properties"], defaults.get(key, {}).get(inner, {}), []),
                    "",
                ]
    return "\n".join(lines).replace("\n\n\n", "\n\n").rstrip() + "\n"


def list_functions() -> list[str]:
    """List the functions of the expression language."""
    from posterity.data.expression import FUNCTIONS

    return [f"`{name}`" for name in sorted(FUNCTIONS)]


if __name__ == "__main__":
    with open("config/config.yaml", encoding="utf-8") as file:
        print(make_reference(yaml.safe_load(file)["defaults"]), end="")
