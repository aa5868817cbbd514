"""Which variables a figure of the data shows."""

import xarray as xr

ERROR_NAMES = ("e", "err", "error", "sigma", "sigma_{y}", "e_{y}", "{y}_err", "{y}_error", "{y}err")


def variables(data: xr.Dataset, observed: xr.Dataset, given: dict) -> tuple[str | None, str, str | None] | None:
    """Choose what is drawn: x (or None), y and its error (or None). What the study does not name is found by name and shape."""
    candidates = [name for name in observed.data_vars if name in data and data[name].ndim == 1]
    y = given.get("y", candidates[0] if candidates else None)
    if y not in data or data[y].ndim != 1:
        return None
    numeric = [str(name) for name, values in data.data_vars.items() if values.dims == data[y].dims and values.dtype.kind in "iuf"]
    known = [pattern.format(y=y) for pattern in ERROR_NAMES]
    single = [str(name) for name, values in data.data_vars.items() if values.ndim == 0]
    error = given.get("error", next((name for name in known if name in numeric + single and name != y), None))
    x = given.get("x", next((name for name in numeric if name not in (y, error)), None))
    return x if x in data else None, y, error if error in data else None
