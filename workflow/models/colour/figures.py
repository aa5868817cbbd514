"""Filters, spectra and colours of black bodies, and the temperatures of the stars."""

import matplotlib.pyplot as plt
import numpy as np

from posterity.artefact.groups import get_group
from posterity.plots.style import (
    BLACK,
    DATA_COLOUR,
    GREEN,
    MODEL_COLOUR,
    ORANGE,
    TRUTH_COLOUR,
    VERMILLION,
    describe_interval,
    make_label,
)
from posterity.stats.summary import compute_interval

KELVIN = 14387.768775039337  # h c / k in µm K
FILTERS = {"g": GREEN, "r": VERMILLION, "i": BLACK}
LINES = {"g": "-", "r": "--", "i": ":"}
TICKS = (2000, 3000, 5000, 10000, 20000, 40000)  # K


def _draw_filters(axes, data, scale=1.0):
    for name, colour in FILTERS.items():
        seen = data[name].values > 0
        wavelength, response = data["wavelength"].values[seen], scale * data[name].values[seen]
        axes.fill_between(wavelength, response, color=colour, alpha=0.18, lw=0)
        axes.plot(
            wavelength, response, color=colour, ls=LINES[name], lw=1.5, label=f"filter {name}"
        )


def _kelvin(axes):
    """Add an axis of temperatures above an axis of beta."""
    upper = axes.secondary_xaxis(
        "top", functions=(lambda beta: beta * KELVIN, lambda kelvin: kelvin / KELVIN)
    )
    upper.set_xlabel("temperature T (K)")


def filters(artefacts, settings):
    """The fraction of photons that the camera counts in its bands, below the atmosphere."""
    data = get_group(artefacts["data"], "data")
    figure, axes = plt.subplots(figsize=(6, 3.6))
    _draw_filters(axes, data)
    axes.set_ylim(0)
    axes.set_xlabel(make_label("wavelength", data["wavelength"], settings["options"]))
    axes.set_ylabel("response")
    axes.legend(loc="upper left")
    return figure


def spectra(artefacts, settings):
    """
    Spectra of black bodies at beta = 0.001 and 0.1 /µm (as published) and at 0.4 /µm (near the
    Sun), and the filters. Spectra and filters are relative to their largest values. The cooler the
    body, the more of its light is red.
    """
    data = get_group(artefacts["data"], "data")
    wavelength = np.linspace(0.36, 0.89, 2000)
    figure, panels = plt.subplots(1, 3, figsize=(9, 3.4), sharey=True)
    highest = max(float(data[name].max()) for name in FILTERS)
    for axes, beta in zip(panels, (1e-3, 1e-1, 0.4), strict=True):
        _draw_filters(axes, data, 1 / highest)
        x = 1 / (wavelength * beta)
        # exp(x) overflows beyond x = 709, so work with logarithms
        log = -2 * np.log(wavelength) - x - np.log(-np.expm1(-x))
        axes.plot(wavelength, np.exp(log - log.max()), color=MODEL_COLOUR, lw=2, label="black body")
        axes.set_title(f"beta = {beta:g} /µm, T = {beta * KELVIN:,.0f} K")
        axes.set_xlim(wavelength[0], wavelength[-1])
        axes.set_ylim(0, 1.05)
        axes.set_xlabel(make_label("wavelength", data["wavelength"], settings["options"]))
    panels[0].set_ylabel("relative to the largest")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def colour_of_beta(artefacts, settings):
    """
    The colour of a black body against beta, from red (below) to blue, and its gradient. The
    gradient is computed by automatic differentiation (line) and from differences of neighbouring
    colours (circles).
    """
    options = settings["options"]
    data = get_group(artefacts["data"], "data")
    beta, colour, slope = (data[name].values for name in ("beta", "colour", "slope"))
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(6, 5.4), sharex=True)
    upper.plot(beta, colour, color=MODEL_COLOUR, lw=1.8)
    upper.set_ylabel(make_label("colour", data["colour"], options))
    lower.plot(beta, slope, color=MODEL_COLOUR, lw=1.8, label="automatic differentiation")
    middle, differences = np.sqrt(beta[1:] * beta[:-1]), np.diff(colour) / np.diff(beta)
    chosen = slice(None, None, max(1, middle.size // 25))
    lower.plot(
        middle[chosen],
        differences[chosen],
        "o",
        mfc="none",
        color=ORANGE,
        ms=6,
        label="differences",
    )
    lower.set_yscale("log")
    lower.set_ylabel(make_label("slope", data["slope"], options))
    lower.legend(loc="upper right")
    lower.set_xscale("log")
    lower.set_xlim(beta[0], beta[-1])
    lower.set_xlabel(make_label("beta", data["beta"], options))
    _kelvin(upper)
    return figure


def temperatures(artefacts, settings):
    """
    The measured colour of each star with its error (vertical), and its temperature: median and
    interval (horizontal). The curve is the colour of a black body, crosses are the true
    temperatures. Where the curve is flat, the colour hardly limits the temperature on one side.
    """
    options = settings["options"]
    data, truth = get_group(artefacts["data"], "data"), get_group(artefacts["data"], "truth")
    draws = (
        get_group(artefacts["posterior"], "posterior")["temperature"]
        .transpose("star", "chain", "draw")
        .values
    )
    draws = draws.reshape(len(draws), -1)
    bounds, median = compute_interval(draws, **options["interval"]), np.median(draws, axis=1)
    g_r, kelvin = data["g_r"].values, data["beta"].values * KELVIN
    figure, axes = plt.subplots(figsize=(6.4, 4.4))
    low, high = bounds.min() / 1.25, bounds.max() * 1.15
    seen = (kelvin > low) & (kelvin < high)
    axes.plot(
        kelvin[seen],
        data["colour"].values[seen],
        color=MODEL_COLOUR,
        lw=1.5,
        label="black body",
        zorder=1,
    )
    axes.errorbar(
        median,
        g_r,
        data["error"].values,
        np.abs(bounds.T - median),
        fmt="o",
        ms=4,
        lw=1.3,
        capsize=2,
        color=DATA_COLOUR,
        zorder=3,
        label=f"stars: colour with 1 sigma,\ntemperature with {describe_interval(options)}",
    )
    if "temperature" in truth:
        axes.plot(
            truth["temperature"].values,
            g_r,
            "x",
            color=TRUTH_COLOUR,
            ms=8,
            mew=2,
            label="true temperature",
            zorder=4,
        )
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = [kelvin for kelvin in TICKS if low < kelvin < high]
    axes.set_xticks(ticks, [f"{kelvin:,}" for kelvin in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("temperature T (K)")
    axes.set_ylabel(make_label("g_r", data["g_r"], options))
    axes.legend(loc="lower right")
    return figure
