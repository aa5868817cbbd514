"""Predictions of the fitted model at new covariates."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from posterity.artefact.groups import get_group
from posterity.plots.axes import choose_variables
from posterity.plots.data import compute_pointwise_interval, mark_missing_bounds
from posterity.plots.style import (
    DATA_COLOUR,
    MODEL_COLOUR,
    describe_interval,
    draw_note_figure,
    hide_large_values,
    make_label,
)

MIN_BAND_ROWS = 10  # new rows for a band; fewer are drawn one by one
MAX_PANELS = 4


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """Return a figure of each observed and deterministic site along the new rows.

    It shows median and interval of the predictions, and the data.
    """
    options = settings["options"]
    tree = artefacts["predictive"]
    data = get_group(artefacts["data"], "data")
    covariates = get_group(tree, "predictions_constant_data")
    predicted = get_group(tree, "predictions")
    observed = get_group(tree, "observed_data")
    row_dim = find_row_dim(covariates)
    sites = list_row_sites(predicted, row_dim, covariates, data)
    sites = sorted(sites, key=lambda site: site not in observed)[:MAX_PANELS]  # observed first
    if not sites:
        return draw_note_figure(
            "No observed or deterministic site has one value per new row.", (6, 2.5)
        )
    x = choose_covariate(data, observed, covariates, row_dim, options)
    horizontal = covariates[x].values.astype(float) if x else np.arange(covariates.sizes[row_dim])
    figure, panels = plt.subplots(
        len(sites), 1, figsize=(6, 1.2 + 2.8 * len(sites)), squeeze=False, sharex=True
    )
    for site, axes in zip(sites, panels[:, 0], strict=True):
        draw_predictions(axes, horizontal, predicted[site], options)
        y = str(observed[site].attrs.get("variable", site)) if site in observed else None
        if y in data and x in data and data[y].dims == data[x].dims:
            look: dict[str, Any] = {"ms": 3.5, "color": DATA_COLOUR, "label": "data", "zorder": 5}
            axes.plot(data[x].values, data[y].values, "o", **look)
        axes.set_ylabel(make_label(site, predicted[site], options))
        axes.legend(loc="best", fontsize=8)
    panels[-1, 0].set_xlabel(make_label(x, covariates[x], options) if x else "new row")
    return figure


def find_row_dim(covariates: xr.Dataset) -> str:
    """Return the dimension of the new rows."""
    return next(str(values.dims[0]) for values in covariates.data_vars.values() if values.dims)


def choose_covariate(
    data: xr.Dataset, observed: xr.Dataset, covariates: xr.Dataset, row_dim: str, options: dict
) -> str | None:
    """
    Return the covariate against which predictions are drawn, or None if none varies.

    Parameters
    ----------
    data, observed : xr.Dataset
        The data, and the observed sites.
    covariates : xr.Dataset
        The new covariates.
    row_dim : str
        Dimension of the new rows.
    options : dict
        Settings `figures` of the study.

    Returns
    -------
    str or None
        The covariate of the figure of the data if it varies among the new rows, otherwise the
        first one that does.
    """
    given = {key: name for key, name in options.get("data", {}).items() if key != "error"}
    names = choose_variables(data, observed, given)
    varying = [
        str(name)
        for name, values in covariates.data_vars.items()
        if values.dims == (row_dim,) and np.ptp(values.values) > 0
    ]
    if names is not None and names.x in varying:
        return names.x
    return varying[0] if varying else None


def draw_predictions(
    axes: Axes, horizontal: np.ndarray, predicted: xr.DataArray, options: dict
) -> None:
    """
    Draw median and interval of predictions, as a band or, for few rows, as error bars.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    horizontal : np.ndarray
        Place of each new row, shape (row,).
    predicted : xr.DataArray
        Predictions, with dimensions chain, draw and one for the rows.
    options : dict
        Settings `figures` of the study.
    """
    bounds, median = map(hide_large_values, compute_pointwise_interval(predicted, options))
    mark_missing_bounds(axes, bounds)
    label = f"{describe_interval(options)} of predictions"
    if len(horizontal) < MIN_BAND_ROWS:
        errors = np.abs(bounds - median[:, None]).T
        axes.errorbar(horizontal, median, errors, fmt="s", color=MODEL_COLOUR, label=label)
        return
    order = np.argsort(horizontal, kind="stable")
    look: dict[str, Any] = {"color": MODEL_COLOUR, "alpha": 0.25, "lw": 0, "label": label}
    axes.fill_between(horizontal[order], *bounds[order].T, **look)
    label = "median of predictions"
    axes.plot(horizontal[order], median[order], color=MODEL_COLOUR, lw=1.8, label=label)


def list_row_sites(
    predicted: xr.Dataset, row_dim: str, covariates: xr.Dataset, data: xr.Dataset
) -> list[str]:
    """
    Return the predicted sites with one value per new row.

    Parameters
    ----------
    predicted : xr.Dataset
        Predictions, with dimensions chain, draw and the site's own.
    row_dim : str
        Dimension of the new rows.
    covariates, data : xr.Dataset
        The new covariates, and the data.

    Returns
    -------
    list of str
        Sites along `row_dim`, or along a plate of the model (no dimension of the data) of the
        same length.
    """
    sites = []
    for site, values in predicted.data_vars.items():
        if values.ndim != 3:
            continue
        dim = values.dims[-1]
        is_plate = dim not in data.dims and values.sizes[dim] == covariates.sizes[row_dim]
        if dim == row_dim or is_plate:
            sites.append(str(site))
    return sites
