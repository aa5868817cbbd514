"""The fits of a model against each other, in numbers: means, standard deviations and distances, with their Monte Carlo errors."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from posterity.artefact.groups import get_group
from posterity.comparison.fits import describe_pairs
from posterity.plots.models import make_figure_with_notes
from posterity.plots.style import BLACK, COLOUR_CYCLE, make_label, write_note

MAX_SCALARS = 24  # scalars in one figure
MAX_PAIRS = 10  # pairs in one figure; of more, those with the first fit are shown
MARKERS = "osD^vPX"
RATIO_TICKS = (0.01, 0.1, 0.25, 0.5, 0.8, 1, 1.25, 2, 4, 10, 100)
LINEAR_SD = 4  # sd; an axis that reaches farther is logarithmic there


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """
    Draw the comparisons of each pair of fits of `settings["figure"]["model"]`, scalar by scalar; below, what they say.

    Of more than 24 scalars those with the largest differences of means are shown, of more than ten pairs those with the first fit.
    Bars are 95 % of Monte Carlo error; the grey ones in the last panel reach as far as the distance would be, on average, if both
    fits had the same posterior.
    """
    rows, model = get_group(artefacts["comparison"], "fit_differences"), settings["figure"]["model"]
    if rows.sizes.get("row"):
        rows = rows.isel(row=np.flatnonzero(rows["model"].values == model))
    if not rows.sizes.get("row"):
        figure, axes = plt.subplots(figsize=(6, 2))
        write_note(axes, f"{model}: there are no two fits to compare.")
        return figure
    names = list(dict.fromkeys(rows["parameter"].values.tolist()))
    labels = {name: label_scalar(name, settings["options"]) for name in names}
    if len(set(labels.values())) == len(names):
        rows = rows.assign(
            parameter=(
                "row",
                np.array([labels[name] for name in rows["parameter"].values], dtype=object),
            )
        )
    said, every = describe_pairs(rows), 0
    if len(said) > MAX_PAIRS:
        said, every = [pair for pair in said if pair["fit_a"] == said[0]["fit_a"]], len(said)
    chosen = choose_scalars(rows["parameter"].values, np.abs(rows["difference"].values))
    looks = [
        {"marker": MARKERS[i % len(MARKERS)], "color": COLOUR_CYCLE[i % len(COLOUR_CYCLE)]}
        for i in range(len(said))
    ]
    texts = [f"{pair['fit_b']} against {pair['fit_a']}: {pair['message']}" for pair in said]
    step = 0.3 + 0.1 * len(said) if len(chosen) <= 10 else 0.22 + 0.06 * len(said)
    figure, panels = make_figure_with_notes(1.1 + step * len(chosen), texts, looks)
    left, middle, right = panels.subplots(1, 3, sharey=True, width_ratios=(1.3, 1, 1))
    left.axvspan(-0.1, 0.1, color="0.92", lw=0, zorder=0)
    for axes, at in ((left, 0), (middle, 1)):
        axes.axvline(at, color=BLACK, lw=0.8, ls=":", zorder=1)
    for i, (pair, look) in enumerate(zip(said, looks, strict=True)):
        mine = (rows["fit_a"].values == pair["fit_a"]) & (rows["fit_b"].values == pair["fit_b"])
        here = {str(key): values.values[mine] for key, values in rows.data_vars.items()}
        shown = np.isin(here["parameter"], chosen)
        here = {key: values[shown] for key, values in here.items()}
        y = np.array([chosen.index(name) for name in here["parameter"]]) + 0.7 * (
            (i + 0.5) / len(said) - 0.5
        )
        points = {**look, "ls": "", "ms": 5, "zorder": 3}
        left.errorbar(
            here["difference"], y, xerr=1.96 * here["difference_error"], elinewidth=1.2, **points
        )
        if np.isnan(here["ratio"]).all():
            continue
        ratio = np.clip(here["ratio"], RATIO_TICKS[0], RATIO_TICKS[-1])
        with np.errstate(all="ignore"):
            factor = np.exp(
                np.minimum(1.96 * np.nan_to_num(here["ratio_error"] / here["ratio"]), 5)
            )
        middle.errorbar(
            ratio,
            y,
            xerr=(ratio - ratio / factor, ratio * factor - ratio),
            elinewidth=1.2,
            **points,
        )
        right.barh(y, here["wasserstein_error"], 0.5 / len(said), color="0.8", zorder=1)
        right.plot(here["wasserstein"], y, **points)
    for row in range(1, len(chosen)):
        for axes in (left, middle, right):
            axes.axhline(row - 0.5, color="0.9", lw=0.6, zorder=0)
    set_limits(left, middle, right)
    left.set_yticks(range(len(chosen)), chosen)
    left.set_ylim(len(chosen) - 0.45, -0.55)
    left.set_xlabel("difference of means\n(sd of the fit named last)")
    middle.set_xlabel("ratio of sds")
    right.set_xlabel("Wasserstein distance\n(sd of the fit named last)")
    left_out = (
        [f"the {MAX_SCALARS} scalars of {len(names)} whose means differ most"]
        if len(names) > MAX_SCALARS
        else []
    )
    left_out += (
        [f"the pairs with {said[0]['fit_a']} among {every}; tables/fits has all"] if every else []
    )
    if left_out:
        panels.suptitle("; ".join(left_out), fontsize=9)
    left.set_title("grey: below 0.1 sd", fontsize=9)
    middle.set_title("bars: 95 % of Monte Carlo error", fontsize=9)
    right.set_title("grey: expected from noise", fontsize=9)
    for axes in (left, middle, right):
        axes.spines.left.set_visible(False)
        axes.tick_params(axis="y", length=0)
    for axes in (middle, right) if rows["ratio"].isnull().all() else ():
        for line in list(axes.lines):
            line.remove()
        axes.set_title("")
        write_note(axes, "not for point estimates")
    return figure


def choose_scalars(names: np.ndarray, differences: np.ndarray) -> list[str]:
    """Choose at most `MOST` scalars, those with the largest differences of any pair, and keep their order."""
    largest = {}
    for name, difference in zip(
        names.tolist(), np.nan_to_num(differences, nan=np.inf), strict=True
    ):
        largest[name] = max(largest.get(name, 0), difference)
    most = set(sorted(largest, key=lambda name: -largest[name])[:MAX_SCALARS])
    return [name for name in largest if name in most]


def label_scalar(name: str, options: dict) -> str:
    """Name a scalar by the study's label of its site."""
    site, bracket, index = name.partition("[")
    text = make_label(site, None, options, bracket + index)
    return text if len(text) <= 26 else f"{text[:12]}…{text[-13:]}"


def set_limits(left, middle, right) -> None:
    """Set the axes: what is shown is never less than 0.15 sd and a factor of 0.8; far values are drawn on a logarithmic scale."""
    for axes, low in ((left, -0.15), (right, 0)):
        lowest, highest = (np.nan_to_num(end, posinf=0, neginf=0) for end in axes.dataLim.intervalx)
        lowest, highest = min(low, lowest), max(0.15, highest)
        if max(-lowest, highest) > LINEAR_SD:
            axes.set_xscale("symlog", linthresh=1)
            axes.set_xlim(lowest * 1.5, highest * 1.5)
            axes.xaxis.set_major_formatter("{x:g}")
        else:
            room = 0.05 * (highest - lowest)
            axes.set_xlim(lowest - (room if low else room / 2), highest + room)
            axes.locator_params(axis="x", nbins=5)
    ends = np.clip(middle.dataLim.intervalx, RATIO_TICKS[0], RATIO_TICKS[-1])
    reach = 1.1 * max(np.abs(np.log(ends)).max() if middle.containers else 0, -np.log(0.8))
    middle.set_xscale("log")
    middle.set_xlim(np.exp(-reach), np.exp(reach))
    among = (
        RATIO_TICKS
        if reach < np.log(4)
        else (0.01, 0.1, 1, 10, 100)
        if reach > np.log(12)
        else (0.1, 0.25, 0.5, 1, 2, 4, 10)
    )
    ticks = [factor for factor in among if abs(np.log(factor)) <= reach]
    middle.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    middle.xaxis.set_minor_locator(NullLocator())
