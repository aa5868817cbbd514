"""The JSON schemas of the configuration: validation, error messages and defaults."""

from functools import cache
from pathlib import Path

import jsonschema
import yaml

from posterity.errors import UserError, hint, raise_errors

SCHEMA_FOLDER = Path(__file__).resolve().parents[3] / "schemas"


@cache
def load_schema(name: str) -> dict:
    """Read one of the schemas: `config` or `study`."""
    return yaml.safe_load((SCHEMA_FOLDER / f"{name}.schema.yaml").read_text(encoding="utf-8"))


def validate_content(content: dict, rules: dict, where: str) -> None:
    """Check values against a schema. Raises UserError that names the place, what is wrong and the nearest known word."""
    errors = jsonschema.Draft202012Validator(rules).iter_errors(content)
    errors = sorted(
        errors,
        key=lambda error: (
            error.validator != "additionalProperties",
            len(error.path),
            str(error.path),
        ),
    )
    raise_errors(
        [
            UserError(sentence)
            for sentence in dict.fromkeys(f"{where}: {_explain_error(error)}" for error in errors)
        ]
    )


def _explain_error(error: jsonschema.ValidationError) -> str:
    """Turn the first fault found by the schema into one sentence."""
    if (
        error.validator == "oneOf"
    ):  # choose the alternative that fits best: the one that fails deepest, or on other than its type
        branches = {}
        for sub in error.context:
            branches.setdefault(sub.schema_path[0], []).append(sub)
        fitting = [
            subs
            for subs in branches.values()
            if all(sub.validator not in ("type", "const") or sub.path for sub in subs)
        ]
        if len(fitting) > 1 and isinstance(error.instance, dict):
            fitting = [
                subs
                for subs in fitting
                if all(sub.validator != "required" or sub.path for sub in subs)
            ] or fitting
        if fitting:
            sub = min(
                fitting[0], key=lambda sub: (sub.validator != "additionalProperties", len(sub.path))
            )
            return _explain_error(sub)
    place = ": ".join(map(str, error.absolute_path))
    place = f"{place}: " if place else ""
    value = repr(error.instance) if not isinstance(error.instance, dict | list) else "this value"
    match error.validator:
        case "additionalProperties":
            known = error.schema.get("properties", {})
            unknown = [key for key in error.instance if key not in known]
            return place + "; ".join(f"unknown key '{key}': {hint(key, known)}" for key in unknown)
        case "required":
            missing = next(key for key in error.validator_value if key not in error.instance)
            return f"{place}the key '{missing}' is missing; add it ({error.schema.get('title', 'see config/README.md')})"
        case "enum" | "const":
            choices = (
                error.validator_value if error.validator == "enum" else [error.validator_value]
            )
            return f"{place}{value} is not known: {hint(error.instance, choices)}"
        case "type":
            words = {
                "integer": "a whole number",
                "number": "a number",
                "string": "a text",
                "object": "keys with values",
            }
            words |= {"array": "a list", "boolean": "true or false"}
            quote = (
                " (put it in quotes if it holds a comma or a colon)"
                if error.validator_value == "string"
                else ""
            )
            return f"{place}{value} should be {words.get(error.validator_value, error.validator_value)}{quote}"
        case "pattern" | "propertyNames":
            return f"{place}{value} may have letters, digits and _ only"
        case "oneOf":
            threshold = error.schema == load_schema("study")["$defs"]["threshold"]
            kinds = (
                "numbers or {warn: a, fail: b}" if threshold else "the forms in config/README.md"
            )
            return f"{place}{value} fits none of {kinds}"
        case "minimum" | "exclusiveMinimum":
            more = "at least" if error.validator == "minimum" else "above"
            return f"{place}{value} should be {more} {error.validator_value}"
        case "maximum" | "exclusiveMaximum":
            less = "at most" if error.validator == "maximum" else "below"
            return f"{place}{value} should be {less} {error.validator_value}"
        case "minItems" | "minProperties":
            return f"{place}at least {error.validator_value} should be given"
        case "maxItems":
            return f"{place}at most {error.validator_value} should be given"
    return f"{place}{error.message}"


def fill_defaults(content: dict, definition: str) -> dict:
    properties = load_schema("study")["$defs"][definition]["properties"]
    return {key: rule["default"] for key, rule in properties.items() if "default" in rule} | content


def complete_settings(method: str, **given) -> dict:
    """Give the settings of a method, with the defaults of the schema where nothing is given."""
    return fill_defaults(given, method) | {"method": method}
