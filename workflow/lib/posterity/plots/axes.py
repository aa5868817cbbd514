"""Which variables a figure of the data shows."""

from dataclasses import dataclass

import xarray as xr

from posterity.errors import UserError, hint

COVARIATE_NAMES = ("x", "t", "time")
ERROR_NAMES = (
    "e",
    "err",
    "error",
    "sig",
    "sigma",
    "sd",
    "d{y}",
    "e_{y}",
    "sig_{y}",
    "sigma_{y}",
    "{y}_err",
    "{y}_error",
    "{y}err",
    "{y}_sigma",
)


@dataclass(frozen=True)
class AxisVariables:
    """Names of what is drawn: the observed site, its variable y in the data, and x and the errors of both where there are such."""

    site: str
    y: str
    x: str | None
    error: str | None
    x_error: str | None


def choose_variables(data: xr.Dataset, observed: xr.Dataset, given: dict) -> AxisVariables | None:
    """
    Choose what is drawn. What `given` (the study's `figures: data:`) does not name is found by name and shape.

    `observed` is the group `observed_data`, by site; a site's attribute `variable` is its variable in the data. Returns None if no
    site is observed point by point. Raises UserError for a name that is no variable.
    """
    for key, name in given.items():
        if name not in data and not (key == "y" and name in observed):
            raise UserError(
                f"figures: data: {key}: there is no variable '{name}' in the data: {hint(name, data.data_vars)}"
            )
    sites = {
        str(site): str(values.attrs.get("variable", site))
        for site, values in observed.items()
        if values.ndim == 1
    }
    sites = {site: y for site, y in sites.items() if y in data}
    site = next((site for site, y in sites.items() if given.get("y") in (None, site, y)), None)
    if site is None:
        return None
    y = sites[site]
    along = [
        str(name)
        for name, values in data.data_vars.items()
        if values.dims == data[y].dims and values.dtype.kind in "iuf"
    ]
    single = [str(name) for name, values in data.data_vars.items() if values.ndim == 0]
    by_name = {name.lower(): name for name in along + single if name != y}
    error = given.get(
        "error",
        next(
            (by_name[p] for p in (e.format(y=y.lower()) for e in ERROR_NAMES) if p in by_name), None
        ),
    )
    free = [name for name in along if name not in (y, error, given.get("x_error"))]
    x = given.get(
        "x",
        next((name for name in free if name.lower() in COVARIATE_NAMES), free[0] if free else None),
    )
    of_x = [pattern.format(y=x.lower()) for pattern in ERROR_NAMES if "{y}" in pattern] if x else []
    x_error = given.get(
        "x_error", next((by_name[pattern] for pattern in of_x if pattern in by_name), None)
    )
    return AxisVariables(site, y, x, error, x_error)
