"""Merge and normalise nested settings."""

from typing import Any

# Of each set, one key replaces the others: a file replaces a simulation, a number a distribution.
ALTERNATIVE_KEYS = (
    {"file", "simulate"},
    {"file", "model"},
    {"linspace", "uniform"},
    {"warn", "fail"},
)


def normalise_values(value: Any) -> Any:
    """
    Return nested values in one normal form: sorted keys, and whole floats as integers.

    Two studies that mean the same have the same normal form: `1000.0` equals `1000`.
    """
    if isinstance(value, dict):
        return {str(key): normalise_values(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, list):
        return [normalise_values(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def merge_settings(defaults: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """
    Return `content`, completed key by key with `defaults`.

    A value of another kind replaces the default as a whole: a simulation replaces a file, and the
    settings of one method replace those of another.
    """
    merged = dict(defaults)
    for key, value in content.items():
        default = merged.get(key)
        if isinstance(value, dict) and isinstance(default, dict) and _is_same_kind(default, value):
            merged[key] = merge_settings(default, value)
        else:
            merged[key] = value
    return merged


def _is_same_kind(default: dict[str, Any], value: dict[str, Any]) -> bool:
    """Return whether two settings have the same method and the same alternative keys."""
    if value.get("method", default.get("method")) != default.get("method"):
        return False
    for alternatives in ALTERNATIVE_KEYS:
        chosen = alternatives & value.keys()
        replaced = alternatives & default.keys()
        if chosen and replaced and chosen != replaced:
            return False
    return True


def drop_nulls(content: dict[str, Any]) -> dict[str, Any]:
    """Return nested settings without the keys that are null."""
    return {
        key: drop_nulls(value) if isinstance(value, dict) else value
        for key, value in content.items()
        if value is not None
    }
