"""The choice of variables that a figure of the data shows."""

from dataclasses import dataclass

import xarray as xr

from posterity.errors import UserError, hint

COVARIATE_NAMES = ("x", "t", "time")
# Names of a variable that holds errors, in order of preference. {y} is the observed variable.
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
    """
    Names of the variables that a figure of the data shows.

    Attributes
    ----------
    site : str
        The observed site.
    y : str
        Its variable in the data.
    x : str or None
        The covariate.
    error, x_error : str or None
        The errors of y and x.
    """

    site: str
    y: str
    x: str | None
    error: str | None
    x_error: str | None


def choose_variables(data: xr.Dataset, observed: xr.Dataset, given: dict) -> AxisVariables | None:
    """
    Return the variables that a figure shows, or None if no site has one value per data point.

    Parameters
    ----------
    data : xr.Dataset
        Group `data` of data.nc.
    observed : xr.Dataset
        Group `observed_data`, by site. The attribute `variable` is the site's variable in `data`.
    given : dict
        Names that the study sets in `figures: data:`. The others follow from names and shapes.

    Raises
    ------
    UserError
        A given name is not a variable of the data.
    """
    _check_names(data, observed, given)
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
    columns = [
        str(name)
        for name, values in data.data_vars.items()
        if values.dims == data[y].dims and values.dtype.kind in "iuf"
    ]
    scalars = [str(name) for name, values in data.data_vars.items() if values.ndim == 0]
    candidates = [name for name in columns + scalars if name != y]
    error = given.get("error", _find_errors(candidates, y, ERROR_NAMES))
    free = [name for name in columns if name not in (y, error, given.get("x_error"))]
    x = given.get("x", _find_covariate(free))
    own_names = tuple(pattern for pattern in ERROR_NAMES if "{y}" in pattern)
    x_error = given.get("x_error", _find_errors(candidates, x, own_names) if x else None)
    return AxisVariables(site, y, x, error, x_error)


def _check_names(data: xr.Dataset, observed: xr.Dataset, given: dict) -> None:
    """Raise UserError if a name in `figures: data:` is not a variable of the data."""
    for key, name in given.items():
        if name in data or (key == "y" and name in observed):
            continue
        raise UserError(
            f"figures: data: {key}: there is no variable '{name}' in the data. "
            f"Change the name: {hint(name, map(str, data.data_vars))}"
        )


def _find_errors(candidates: list[str], variable: str, patterns: tuple[str, ...]) -> str | None:
    """Return the first candidate whose name marks it as the errors of a variable."""
    by_name = {name.lower(): name for name in candidates}
    names = [pattern.format(y=variable.lower()) for pattern in patterns]
    return next((by_name[name] for name in names if name in by_name), None)


def _find_covariate(candidates: list[str]) -> str | None:
    """Return the candidate with the name of a covariate, or the first one."""
    named = (name for name in candidates if name.lower() in COVARIATE_NAMES)
    return next(named, candidates[0] if candidates else None)
