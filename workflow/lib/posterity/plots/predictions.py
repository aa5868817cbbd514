"""What the fitted model predicts at covariates that were not measured."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from posterity.artefact.groups import get_group
from posterity.plots.axes import choose_variables
from posterity.plots.data import compute_pointwise_interval
from posterity.plots.style import (
    DATA_COLOUR,
    MODEL_COLOUR,
    describe_interval,
    make_label,
    write_note,
)

MIN_BAND_ROWS = 10  # rows; fewer are drawn one by one
MAX_PANELS = 4  # panels


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """Draw median and interval of each observed and deterministic site along the new rows, and the data."""
    options, tree = settings["options"], artefacts["predictive"]
    data, covariates, predicted = (
        get_group(artefacts["data"], "data"), get_group(tree, "predictions_constant_data"), get_group(tree, "predictions"),
    )  # fmt: skip
    observed = get_group(tree, "observed_data")
    names = choose_variables(
        data,
        observed,
        {key: name for key, name in options.get("data", {}).items() if key != "error"},
    )
    rows = next(iter(values.dims[0] for values in covariates.data_vars.values() if values.dims))
    along = [
        str(name)
        for name, values in covariates.data_vars.items()
        if values.dims == (rows,) and np.ptp(values.values) > 0
    ]
    x = names.x if names and names.x in along else next(iter(along), None)
    sites = {str(site): values for site, values in predicted.data_vars.items() if values.ndim == 3}
    shown = [
        site for site, values in sites.items() if _follows_rows(values, rows, covariates, data)
    ]
    shown = sorted(shown, key=lambda site: site not in observed)[:MAX_PANELS]  # observed ones first
    if not shown:
        figure, axes = plt.subplots(figsize=(6, 2.5))
        write_note(axes, "No site of the model lies along the new rows.")
        return figure
    figure, panels = plt.subplots(
        len(shown), 1, figsize=(6, 1.2 + 2.8 * len(shown)), squeeze=False, sharex=True
    )
    horizontal = covariates[x].values.astype(float) if x else np.arange(covariates.sizes[rows])
    order = np.argsort(horizontal, kind="stable")
    for site, axes in zip(shown, panels[:, 0], strict=True):
        bounds, median = compute_pointwise_interval(predicted[site], options)
        label = f"{describe_interval(options)} predicted"
        if len(horizontal) >= MIN_BAND_ROWS:
            axes.fill_between(
                horizontal[order],
                *bounds[order].T,
                color=MODEL_COLOUR,
                alpha=0.25,
                lw=0,
                label=label,
            )
            axes.plot(
                horizontal[order],
                median[order],
                color=MODEL_COLOUR,
                lw=1.8,
                label="median predicted",
            )
        else:
            axes.errorbar(
                horizontal,
                median,
                np.abs(bounds - median[:, None]).T,
                fmt="s",
                color=MODEL_COLOUR,
                label=label,
            )
        y = str(observed[site].attrs.get("variable", site)) if site in observed else None
        if y in data and x in data and data[y].dims == data[x].dims:
            axes.plot(
                data[x].values,
                data[y].values,
                "o",
                ms=3.5,
                color=DATA_COLOUR,
                label="data",
                zorder=5,
            )
        axes.set_ylabel(make_label(site, predicted[site], options))
        axes.legend(loc="best", fontsize=8)
    panels[-1, 0].set_xlabel(
        make_label(x, covariates[x], options) if x else "number of the new row"
    )
    return figure


def _follows_rows(
    values: xr.DataArray, rows: str, covariates: xr.Dataset, data: xr.Dataset
) -> bool:
    """Tell whether a site goes along the new rows: by the name of its dimension, or, if that is the plate's, by its length."""
    dim = values.dims[-1]
    return dim == rows or (dim not in data.dims and values.sizes[dim] == covariates.sizes[rows])
