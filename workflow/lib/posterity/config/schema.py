"""The JSON schemas of the configuration: validation, error messages and defaults."""

from functools import cache
from pathlib import Path
from typing import Any, cast

import jsonschema
import yaml

from posterity.errors import UserError, hint, raise_errors

SCHEMA_FOLDER = Path(__file__).resolve().parents[3] / "schemas"

# Former names of keys, and those that replace them. `precision` had two meanings.
RENAMED_KEYS = {
    "precision": ("float_type", "dlogz"),
    # settings of fits
    "until": ("stop_when",),
    "live": ("live_points",),
    "estimates": ("elbo_samples",),
    "points": ("adapt_points",),
    "starts": ("restarts",),
    # checks
    "loss": ("elbo_convergence",),
    "optimum": ("optimum_restarts",),
    "evidence": ("evidence_error",),
    "acceptance": ("acceptance_rate",),
    "prior_inside": ("prior_coverage",),
    "sensitivity": ("prior_sensitivity",),
    "scalars": ("max_scalars_per_site",),
}
RENAMED_VALUES = {"draws": "all"}  # of `store`
# `checks:` holds these keys, too, which are not checks.
CHECK_OPTIONS = ("max_scalars_per_site", "prior_predictive", "expect")

TYPE_WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "object": "keys with values",
    "array": "a list",
    "boolean": "true or false",
    "null": "null",
}


@cache
def load_schema(name: str) -> dict[str, Any]:
    """Return one of the schemas: `config` or `study`."""
    schema: dict[str, Any] = yaml.safe_load(
        (SCHEMA_FOLDER / f"{name}.schema.yaml").read_text(encoding="utf-8")
    )
    return schema


def list_checks() -> list[str]:
    """Return the names of all checks."""
    properties = load_schema("study")["properties"]["checks"]["properties"]
    return [name for name in properties if name not in CHECK_OPTIONS]


def validate_content(content: dict[str, Any], rules: dict[str, Any], where: str) -> None:
    """
    Check values against a schema.

    Parameters
    ----------
    content : dict
        The values.
    rules : dict
        The schema.
    where : str
        The place for messages: a file, and keys in it.

    Raises
    ------
    UserError
        For the first error, with the others as related errors. Each names the place, what is
        wrong, and the nearest known word.
    """
    messages = []
    for error in sorted(jsonschema.Draft202012Validator(rules).iter_errors(content), key=_rank):
        messages += _explain_error(error)
    raise_errors([UserError(f"{where}: {message}") for message in dict.fromkeys(messages)])


def _get_rules(error: jsonschema.ValidationError) -> dict[str, Any]:
    """Return the part of the schema that an error violates."""
    return cast(dict[str, Any], error.schema)


def _rank(error: jsonschema.ValidationError) -> tuple[bool, int, str]:
    """Return the sort key of an error: unknown keys first, then outer before inner places."""
    return error.validator != "additionalProperties", len(error.path), str(error.path)


def _explain_error(error: jsonschema.ValidationError) -> list[str]:
    """Return place, problem and remedy of a schema error: one message for each unknown key."""
    while error.validator == "oneOf":
        nested = _choose_nested_error(error)
        if nested is None:
            break
        error = nested
    place = "".join(f"{key}: " for key in error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(_get_rules(error).get("properties", {}))
        instance: Any = error.instance
        unknown = [key for key in instance if key not in known]
        return [place + explain_unknown_key(key, known) for key in unknown]
    return [place + _describe_problem(error)]


def _choose_nested_error(error: jsonschema.ValidationError) -> jsonschema.ValidationError | None:
    """
    Return the error of the alternative that the user most likely had in mind, or None.

    `jsonschema.exceptions.best_match` would be shorter. But it compares single errors rather than
    alternatives, and gives up if two are equally deep: an unknown key in `data:` and a misspelled
    word in `store:` would lead to the message that the value fits none of the forms.
    """
    alternatives: dict[Any, list[jsonschema.ValidationError]] = {}
    for nested in error.context or ():
        alternatives.setdefault(nested.schema_path[0], []).append(nested)
    fitting = [errors for errors in alternatives.values() if not any(map(_is_other_kind, errors))]
    complete = [errors for errors in fitting if not any(map(_is_missing_key, errors))]
    candidates = complete if complete and len(fitting) > 1 else fitting
    return min(candidates[0], key=_rank) if candidates else None


def _is_other_kind(error: jsonschema.ValidationError) -> bool:
    """Return whether a value is of another kind than an alternative: a text rather than keys."""
    if error.path:
        return False
    is_nested = isinstance(error.instance, dict | list)
    return error.validator in ("type", "const") or (error.validator == "enum" and is_nested)


def _is_missing_key(error: jsonschema.ValidationError) -> bool:
    """Return whether a value lacks a key that an alternative requires."""
    return error.validator == "required" and not error.path


def explain_unknown_key(key: str, known: list[str], kind: str = "unknown key") -> str:
    """Return problem and remedy for a key that is not known: its new name, or a hint."""
    for name in RENAMED_KEYS.get(key, ()):
        if name in known:
            return f"'{key}' is now called '{name}'. Rename the key."
    return f"{kind} '{key}': {hint(key, known)}"


def _describe_problem(error: jsonschema.ValidationError) -> str:
    """Return problem and remedy of a schema error other than an unknown key."""
    rule: Any = error.validator_value
    instance: Any = error.instance
    value = "this value" if isinstance(instance, dict | list) else repr(instance)
    match error.validator:
        case "required":
            missing = next(key for key in rule if key not in instance)
            return f"the key '{missing}' is missing. Add it; config/README.md describes it."
        case "enum":
            return _explain_choice(instance, rule)
        case "const":
            return _explain_choice(instance, [rule])
        case "type":
            return f"{value} should be {_describe_types(rule)}."
        case "pattern" | "propertyNames":
            return f"{value} may have letters, digits and _ only. Rename it."
        case "oneOf":
            forms = _get_rules(error).get("title", "the forms in config/README.md")
            return f"{value} fits none of {forms}."
        case "minimum":
            return f"{value} should be at least {rule}."
        case "exclusiveMinimum":
            return f"{value} should be above {rule}."
        case "maximum":
            return f"{value} should be at most {rule}."
        case "exclusiveMaximum":
            return f"{value} should be below {rule}."
        case "multipleOf":
            return f"{value} should be a multiple of {rule}."
        case "minItems" | "minProperties":
            return f"there should be at least {rule}, but there are {len(instance)}."
        case "maxItems" | "maxProperties":
            return f"there should be at most {rule}, but there are {len(instance)}."
    return f"{error.message}."


def _explain_choice(value: Any, choices: list[Any]) -> str:
    """Return problem and remedy for a value that is none of the choices."""
    name = RENAMED_VALUES.get(str(value))
    if name in choices:
        return f"'{value}' is now called '{name}'. Rename the value."
    return f"{value!r} is not valid: {hint(value, choices)}"


def _describe_types(types: str | list[str]) -> str:
    """Return in words which types a value may have."""
    names = [types] if isinstance(types, str) else types
    words = " or ".join(TYPE_WORDS[name] for name in names)
    quotes = " (put it in quotes if it holds a comma or a colon)" if "string" in names else ""
    return words + quotes


def fill_defaults(content: dict[str, Any], definition: str) -> dict[str, Any]:
    """Return values, completed with the defaults of a definition of the study schema."""
    return _list_defaults(load_schema("study")["$defs"][definition]) | content


def fill_simulation_defaults(content: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of `data: simulate:`, completed with their defaults."""
    simulation = load_schema("study")["$defs"]["simulation"]
    return _list_defaults(simulation["properties"]["simulate"]) | content


def _list_defaults(rules: dict[str, Any]) -> dict[str, Any]:
    """Return the defaults of the keys of a schema object."""
    properties = rules["properties"]
    return {key: rule["default"] for key, rule in properties.items() if "default" in rule}


def complete_settings(method: str, **given: Any) -> dict[str, Any]:
    """Return the settings of a method; those that are not given have the defaults of the schema."""
    return fill_defaults(given, method) | {"method": method}
