"""The curve of a regression, and the figure of the published example."""

import matplotlib.pyplot as plt
import numpy as np

from posterity.artefact.groups import get_group
from posterity.plots.data import compute_pointwise_interval
from posterity.plots.style import (
    DATA_COLOUR,
    MODEL_COLOUR,
    TRUTH_COLOUR,
    describe_interval,
    make_label,
)


def curve(u, w, b):
    """Return the mean of y at u."""
    return w * u + b


def posterior_mean(artefacts, settings):
    """
    The posterior of the mean of y at the observed u: its mean and interval (dark). Pale: the
    interval of new data, which includes the noise. The pale band, not the dark one, should hold
    most points.
    """
    options = settings["options"]
    data, truth = get_group(artefacts["data"], "data"), get_group(artefacts["data"], "truth")
    mu = get_group(artefacts["posterior"], "posterior")["mu"]
    order = np.argsort(data["u"].values, kind="stable")
    u, y = data["u"].values[order], data["y"].values[order]
    mean, text = mu.mean(("chain", "draw")).values[order], describe_interval(options)
    of_mean, _ = compute_pointwise_interval(mu, options)
    of_data, _ = compute_pointwise_interval(
        get_group(artefacts["predictive"], "posterior_predictive")["y"], options
    )

    figure, axes = plt.subplots(figsize=(6, 4.4))
    axes.fill_between(
        u, *of_data[order].T, color=MODEL_COLOUR, alpha=0.15, lw=0, label=f"{text} of new data"
    )
    axes.fill_between(
        u, *of_mean[order].T, color=MODEL_COLOUR, alpha=0.45, lw=0, label=f"{text} of the line"
    )
    axes.plot(u, mean, color=MODEL_COLOUR, lw=1.8, label="posterior mean of the line")
    if "mu" in truth:
        axes.plot(u, truth["mu"].values[order], color=TRUTH_COLOUR, ls="--", lw=1.8, label="truth")
    axes.plot(u, y, "o", ms=3.5, color=DATA_COLOUR, label="data", zorder=5)
    axes.set_xlabel(make_label("u", data["u"], options))
    axes.set_ylabel(make_label("y", data["y"], options))
    figure.legend(loc="outside upper center", ncols=2)
    return figure
