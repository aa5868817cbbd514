"""The measurements, the estimates from single measurements, and the results of the model."""

import matplotlib.pyplot as plt
import numpy as np
from hr_constants import E_parallax, gain, logtemp0, mag0, max_dist, min_dist
from scipy.stats import truncnorm

from posterity.artefact.groups import align_draws, get_group
from posterity.plots.style import (
    COLOUR_CYCLE,
    DATA_COLOUR,
    MODEL_COLOUR,
    PALE_BLUE,
    TRUTH_COLOUR,
    describe_interval,
    make_label,
)
from posterity.runtime.rng import Stream
from posterity.stats.summary import compute_interval

MARKERS = "osD^vP"


def _data(artefacts):
    return get_group(artefacts["data"], "data"), get_group(artefacts["data"], "truth")


def _recovered(artefacts, settings, site):
    """
    Return the median of each element of a site, and its distances to the ends of the interval.
    """
    draws = align_draws(artefacts["posterior"], [site])[site].transpose(..., "chain", "draw").values
    draws = np.ascontiguousarray(draws.reshape(draws.shape[0], -1))
    median, bounds = (
        np.median(draws, axis=1),
        compute_interval(draws, **settings["options"]["interval"]),
    )
    return median, np.maximum(np.abs(bounds.T - median), 0)


def _from_parallax(parallax, probability):
    """Return quantiles of the distance (pc) from a parallax alone.

    The prior is uniform in parallax between the nearest and the farthest distance.
    """
    ends = (np.array([[1 / max_dist], [1 / min_dist]]) - parallax) / E_parallax
    return 1 / truncnorm.ppf(
        1 - np.asarray(probability)[..., None], *ends, loc=parallax, scale=E_parallax
    )


def counts(artefacts, settings):
    """
    The measured counts and temperatures of the stars of six clusters, from bright to faint. Hollow:
    clusters without a parallax. Bars: the square root of the counts. Stars without a count are at
    the bottom.
    """
    options, (data, _) = settings["options"], _data(artefacts)
    index, n = data["cluster_index"].values, data["fluxcounts"].values
    bright = np.argsort(
        [-np.median(n[index == cluster]) for cluster in range(data.sizes["cluster"])], kind="stable"
    )
    figure, axes = plt.subplots(figsize=(6.4, 4.4))
    floor = 0.4
    for place, cluster in enumerate(bright[np.linspace(0, bright.size - 1, 6).round().astype(int)]):
        colour, stars = COLOUR_CYCLE[place], index == cluster
        x, y, parallax = data["logtemps"].values[stars], n[stars], float(data["parallax"][cluster])
        face = colour if parallax > 0 else "white"
        text = f"cluster {cluster}, {f'{parallax:g} arcsec' if parallax > 0 else 'no parallax'}"
        bars = np.stack(
            [np.where(y > 0, np.minimum(np.sqrt(y), 0.9 * y), 0), np.where(y > 0, np.sqrt(y), 0)]
        )
        axes.errorbar(
            x,
            np.where(y > 0, y, floor),
            bars,
            fmt=MARKERS[place],
            ms=6.5,
            mfc=face,
            mec=colour,
            mew=1.5,
            ecolor=colour,
            lw=1,
            label=text,
            clip_on=False,
        )
    axes.set_yscale("log")
    axes.set_ylim(floor, None)
    axes.set_xlabel(make_label("logtemps", data["logtemps"], options))
    axes.set_ylabel(make_label("fluxcounts", data["fluxcounts"], options))
    figure.legend(
        loc="outside right center", title="median counts fall\nfrom top to bottom", title_fontsize=9
    )
    return figure


def parallax_distances(artefacts, settings):
    """
    The distances of the clusters from their parallaxes alone, sorted: median and 16 to 84 %, for
    distances between 1 and 1,000 pc. Hollow: no parallax was measured, which only excludes small
    distances.
    """
    options, (data, truth) = settings["options"], _data(artefacts)
    parallax, true = data["parallax"].values, truth["distance"].values
    low, middle, high = _from_parallax(parallax, [0.16, 0.5, 0.84])
    order = np.lexsort((true, middle))
    figure, axes = plt.subplots(figsize=(6.4, 4.2))
    for seen, face, text in (
        (True, MODEL_COLOUR, "parallax measured"),
        (False, "white", "no parallax"),
    ):
        places = np.flatnonzero((parallax[order] > 0) == seen)
        chosen = order[places]
        bars = np.stack([middle - low, high - middle])[:, chosen]
        axes.errorbar(
            places,
            middle[chosen],
            bars,
            fmt="o",
            ms=5,
            mfc=face,
            mec=MODEL_COLOUR,
            color=MODEL_COLOUR,
            lw=1.2,
            label=text,
        )
    axes.plot(
        np.arange(order.size),
        true[order],
        "x",
        color=TRUTH_COLOUR,
        ms=6,
        mew=1.6,
        label="truth",
        zorder=5,
    )
    axes.set_yscale("log")
    axes.set_xticks([])
    axes.set_xlabel("clusters, sorted by the distance from their parallax")
    axes.set_ylabel(make_label("distance", truth["distance"].assign_attrs(units="pc"), options))
    axes.legend(loc="upper left")
    return figure


def luminosities(artefacts, settings):
    """
    The luminosities of the stars of three clusters from counts and parallax alone, in units of a
    star of absolute magnitude 0. The clusters have the largest, a middle and the smallest measured
    parallax. Thick bars: 16 to 84 %; thin bars: 5 to 99.5 %. The stars of a cluster share the error
    of the distance.
    """
    options, (data, truth) = settings["options"], _data(artefacts)
    parallax, index = data["parallax"].values, data["cluster_index"].values
    seen = np.flatnonzero(parallax > 0)
    seen = seen[np.argsort(-parallax[seen], kind="stable")]
    rng = Stream(0).generator("luminosities")
    figure, panels = plt.subplots(1, 3, figsize=(9, 3.8), sharey=True)
    for axes, cluster in zip(panels, seen[[0, seen.size // 2, -1]], strict=True):
        stars = np.flatnonzero(index == cluster)
        n, x = data["fluxcounts"].values[stars], data["logtemps"].values[stars]
        distance = _from_parallax(parallax[[cluster]], rng.uniform(size=4000))[:, 0]
        flux = rng.gamma(n + 0.5, size=(4000, n.size)) / gain  # Jeffreys' prior of a Poisson rate
        luminosity = flux * 10 ** (-0.4 * mag0) * (distance[:, None] / 10) ** 2
        bottom, low, middle, high, top = np.quantile(
            luminosity, [0.05, 0.16, 0.5, 0.84, 0.995], axis=0
        )
        axes.vlines(x, bottom, top, color=MODEL_COLOUR, lw=1)
        axes.vlines(x, low, high, color=MODEL_COLOUR, lw=4, alpha=0.6)
        axes.plot(x, middle, "o", color=MODEL_COLOUR, ms=4.5, label="median, 16-84 %, 5-99.5 %")
        true = 10 ** (-0.4 * truth["absolute_magnitude"].values[stars])
        axes.plot(x, true, "x", color=TRUTH_COLOUR, ms=7, mew=1.8, label="truth", zorder=5)
        axes.set_yscale("log")
        axes.margins(x=0.12)
        axes.set_title(f"cluster {cluster}: {parallax[cluster]:g} ± {E_parallax:g} arcsec")
        axes.set_xlabel(make_label("logtemps", data["logtemps"], options))
    panels[0].set_ylabel("luminosity (of a star with magnitude 0)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return figure


def main_sequence(artefacts, settings):
    """
    The Hertzsprung-Russell diagram that the model recovers: absolute magnitudes of all stars
    (median and interval), and the line with its interval and the spread around it (pale). Dashed
    and dotted: the true line and the true spread around it.
    """
    options, (data, truth) = settings["options"], _data(artefacts)
    x = data["logtemps"].values
    median, bars = _recovered(artefacts, settings, "absolute_magnitude")
    draws = align_draws(artefacts["posterior"], ["slope", "offset", "spread"])
    slope, offset, spread = (
        draws[site].values.reshape(-1, 1) for site in ("slope", "offset", "spread")
    )
    grid = np.linspace(x.min() - 0.03, x.max() + 0.03, 60)
    lines = slope * (grid - logtemp0) + offset
    bounds = compute_interval(np.ascontiguousarray(lines.T), **options["interval"])
    figure, axes = plt.subplots(figsize=(6.4, 4.8))
    text, middle = describe_interval(options), np.median(lines, axis=0)
    axes.fill_between(
        grid,
        middle - np.median(spread),
        middle + np.median(spread),
        color=PALE_BLUE,
        alpha=0.35,
        lw=0,
    )
    axes.fill_between(
        grid, *bounds.T, color=MODEL_COLOUR, alpha=0.45, lw=0, label=f"line, {text}; pale: ± spread"
    )
    axes.errorbar(
        x,
        median,
        bars,
        fmt="o",
        ms=2.5,
        lw=0.7,
        color=DATA_COLOUR,
        alpha=0.7,
        label=f"stars, {text}",
    )
    true = float(truth["slope"]) * (grid - logtemp0) + float(truth["offset"])
    axes.plot(
        grid, true, "--", color=TRUTH_COLOUR, lw=1.8, label="truth; dotted: ± spread", zorder=5
    )
    for side in (-1, 1):
        axes.plot(
            grid, true + side * float(truth["spread"]), ":", color=TRUTH_COLOUR, lw=1.4, zorder=5
        )
    axes.invert_yaxis()
    axes.set_xlabel(make_label("logtemps", data["logtemps"], options))
    axes.set_ylabel("absolute magnitude (mag)")
    axes.legend(loc="lower right")
    return figure


def _against_truth(axes, true, median, bars, groups):
    """Draw recovered against true values: `groups` are (which, face colour, text)."""
    for chosen, face, text in groups:
        axes.errorbar(
            true[chosen],
            median[chosen],
            bars[:, chosen],
            fmt="o",
            ms=4.5,
            lw=0.8,
            mfc=face,
            mec=MODEL_COLOUR,
            color=MODEL_COLOUR,
            label=text,
        )
    ends = [min(true.min(), (median - bars[0]).min()), max(true.max(), (median + bars[1]).max())]
    axes.plot(ends, ends, "--", color=TRUTH_COLOUR, lw=1.6, label="truth", zorder=5)


def magnitudes(artefacts, settings):
    """Recovered (median and interval) and true magnitudes. Hollow: stars without a count."""
    data, truth = _data(artefacts)
    median, bars = _recovered(artefacts, settings, "absolute_magnitude")
    n = data["fluxcounts"].values
    text = f"stars, {describe_interval(settings['options'])}"
    figure, axes = plt.subplots(figsize=(5.2, 5.0))
    _against_truth(
        axes,
        truth["absolute_magnitude"].values,
        median,
        bars,
        ((n > 0, MODEL_COLOUR, text), (n == 0, "white", "without a count")),
    )
    axes.set_aspect("equal")
    axes.invert_xaxis()
    axes.invert_yaxis()
    axes.set_xlabel("true absolute magnitude (mag)")
    axes.set_ylabel("recovered absolute magnitude (mag)")
    axes.legend(loc="upper left")
    return figure


def distances(artefacts, settings):
    """Recovered (median and interval) and true distances. Hollow: clusters without a parallax."""
    data, truth = _data(artefacts)
    median, bars = _recovered(artefacts, settings, "distance")
    seen = data["parallax"].values > 0
    text = f"clusters, {describe_interval(settings['options'])}"
    figure, axes = plt.subplots(figsize=(5.2, 5.0))
    _against_truth(
        axes,
        truth["distance"].values,
        median,
        bars,
        ((seen, MODEL_COLOUR, text), (~seen, "white", "without a parallax")),
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_aspect("equal")
    axes.set_xlabel("true distance (pc)")
    axes.set_ylabel("recovered distance (pc)")
    axes.legend(loc="upper left")
    return figure
