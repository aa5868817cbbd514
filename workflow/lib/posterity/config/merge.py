"""Merge and normalise nested settings."""

ALTERNATIVE_KEYS = (
    {"file", "simulate"},
    {"file", "model"},
    {"linspace", "uniform"},
    {"warn", "fail"},
)  # keys of which one replaces the others


def normalise_values(value):
    """Bring values to one form: keys sorted, whole floats as integers, so that 1000 and 1000.0 are one."""
    if isinstance(value, dict):
        return {str(key): normalise_values(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, list):
        return [normalise_values(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def merge_settings(defaults: dict, content: dict) -> dict:
    """
    Complete nested keys with defaults.

    What is of another kind than the default (a simulation for a file, another method) replaces it whole.
    """
    merged = dict(defaults)
    for key, value in content.items():
        old = merged.get(key)
        both = isinstance(value, dict) and isinstance(old, dict)
        other = both and (
            value.get("method", old.get("method")) != old.get("method")
            or any(
                kinds & {*value} and kinds & {*old} and (kinds & {*value} != kinds & {*old})
                for kinds in ALTERNATIVE_KEYS
            )
        )
        merged[key] = merge_settings(old, value) if both and not other else value
    return merged


def drop_nulls(content: dict) -> dict:
    """Leave out keys that are null."""
    return {
        key: drop_nulls(value) if isinstance(value, dict) else value
        for key, value in content.items()
        if value is not None
    }
