"""What the fitted model predicts at covariates that were not measured."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from posterity.artefact.groups import group
from posterity.plots import style
from posterity.plots.axes import variables
from posterity.plots.data import ordered_interval

FEW = 10  # rows; fewer are drawn one by one
MOST = 4  # panels


def draw(artefacts: dict, settings: dict) -> Figure:
    """Draw median and interval of each observed and deterministic site along the new rows, and the data."""
    options, tree = settings["options"], artefacts["predictive"]
    data, covariates, predicted = (
        group(artefacts["data"], "data"), group(tree, "predictions_constant_data"), group(tree, "predictions"),
    )  # fmt: skip
    observed = group(tree, "observed_data")
    names = variables(data, observed, {key: name for key, name in options.get("data", {}).items() if key != "error"})
    rows = next(iter(values.dims[0] for values in covariates.data_vars.values() if values.dims))
    along = [str(name) for name, values in covariates.data_vars.items() if values.dims == (rows,) and np.ptp(values.values) > 0]
    x = names.x if names and names.x in along else next(iter(along), None)
    sites = {str(site): values for site, values in predicted.data_vars.items() if values.ndim == 3}
    shown = [site for site, values in sites.items() if _along(values, rows, covariates, data)]
    shown = sorted(shown, key=lambda site: site not in observed)[:MOST]  # observed ones first
    if not shown:
        figure, axes = plt.subplots(figsize=(6, 2.5))
        style.say(axes, "No site of the model lies along the new rows.")
        return figure
    figure, panels = plt.subplots(len(shown), 1, figsize=(6, 1.2 + 2.8 * len(shown)), squeeze=False, sharex=True)
    horizontal = covariates[x].values.astype(float) if x else np.arange(covariates.sizes[rows])
    order = np.argsort(horizontal, kind="stable")
    for site, axes in zip(shown, panels[:, 0], strict=True):
        bounds, median = ordered_interval(predicted[site], options)
        label = f"{style.interval_text(options)} predicted"
        if len(horizontal) >= FEW:
            axes.fill_between(horizontal[order], *bounds[order].T, color=style.MODEL, alpha=0.25, lw=0, label=label)
            axes.plot(horizontal[order], median[order], color=style.MODEL, lw=1.8, label="median predicted")
        else:
            axes.errorbar(horizontal, median, np.abs(bounds - median[:, None]).T, fmt="s", color=style.MODEL, label=label)
        y = str(observed[site].attrs.get("variable", site)) if site in observed else None
        if y in data and x in data and data[y].dims == data[x].dims:
            axes.plot(data[x].values, data[y].values, "o", ms=3.5, color=style.DATA, label="data", zorder=5)
        axes.set_ylabel(style.label(site, predicted[site], options))
        axes.legend(loc="best", fontsize=8)
    panels[-1, 0].set_xlabel(style.label(x, covariates[x], options) if x else "number of the new row")
    return figure


def _along(values: xr.DataArray, rows: str, covariates: xr.Dataset, data: xr.Dataset) -> bool:
    """Tell whether a site goes along the new rows: by the name of its dimension, or, if that is the plate's, by its length."""
    dim = values.dims[-1]
    return dim == rows or (dim not in data.dims and values.sizes[dim] == covariates.sizes[rows])
