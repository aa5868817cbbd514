"""Pairwise comparison of the fits of a model, with Monte Carlo errors."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from posterity.artefact.groups import get_group
from posterity.comparison.fits import PairSummary, describe_pairs
from posterity.plots.models import make_figure_with_notes
from posterity.plots.style import BLACK, COLOUR_CYCLE, draw_note_figure, make_label, write_note

MAX_SCALARS = 24  # scalars in one figure
MAX_PAIRS = 10  # pairs in one figure; if there are more, those with the first fit are shown
MAX_LABEL_LETTERS = 26
MARKERS = "osD^vPX"
RATIO_TICKS = (0.01, 0.1, 0.25, 0.5, 0.8, 1, 1.25, 2, 4, 10, 100)
WIDE_RATIO_TICKS = (0.1, 0.25, 0.5, 1, 2, 4, 10)
WIDEST_RATIO_TICKS = (0.01, 0.1, 1, 10, 100)
MAX_LINEAR_SD = 4  # sd; an axis that reaches farther is logarithmic there
NEGLIGIBLE_SD = 0.1  # sd; the grey band of differences
NORMAL_95 = 1.96  # standard errors on each side of a 95 % interval


class PairStyle(NamedTuple):
    """How a pair of fits is drawn."""

    shift: float  # vertical, in rows
    width: float  # of its grey bars, in rows
    marker: dict[str, Any]  # properties of its points


def draw_figure(artefacts: dict, settings: dict) -> Figure:
    """
    Return a figure of each pair of fits of `settings["figure"]["model"]`, scalar by scalar.

    It shows at most 24 scalars, those with the largest differences of means, and at most ten pairs,
    those with the first fit. Bars are 95 % of Monte Carlo error. Grey bars in the last panel are
    the expected distance if both fits had the same posterior. Sentences below sum up each pair.
    """
    model = settings["figure"]["model"]
    comparison = artefacts["comparison"]
    rows = select_rows(get_group(comparison, "fit_differences"), model)
    unmoved = list_unmoved_pairs(get_group(comparison, "fit_pairs"), model, rows)
    if not rows.sizes.get("row"):
        note = "\n".join(map(describe_pair, unmoved[:MAX_PAIRS]))
        return draw_note_figure(note or f"Model {model} has no two fits to compare.")
    rows = label_rows(rows, settings["options"])
    all_pairs = [*describe_pairs(rows), *unmoved]
    pairs = select_pairs(all_pairs)
    chosen = choose_scalars(rows["parameter"].values, np.abs(rows["difference"].values))
    styles = make_styles(len(pairs))
    step = 0.3 + 0.1 * len(pairs) if len(chosen) <= 10 else 0.22 + 0.06 * len(pairs)
    texts = [describe_pair(pair) for pair in pairs]
    markers = [style.marker for style in styles]
    figure, subfigure = make_figure_with_notes(1.1 + step * len(chosen), texts, markers)
    panels = subfigure.subplots(1, 3, sharey=True, width_ratios=(1.3, 1, 1))
    left, middle, right = panels
    for pair, style in zip(pairs, styles, strict=True):
        values = select_pair_values(rows, pair, chosen)
        y = np.array([chosen.index(name) for name in values["parameter"]]) + style.shift
        draw_differences(left, y, values, style)
        if np.isnan(values["ratio"]).all():  # a point estimate has neither ratio nor distance
            continue
        draw_ratios(middle, y, values, style)
        draw_distances(right, y, values, style)
    set_limits(left, middle, right)
    label_panels(panels, chosen)
    scalar_count = len(set(rows["parameter"].values.tolist()))
    selection = describe_selection(scalar_count, pairs, len(all_pairs))
    if selection:
        subfigure.suptitle(selection, fontsize=9)
    if rows["ratio"].isnull().all():
        for axes in (middle, right):
            empty_panel(axes)
    return figure


def select_rows(rows: xr.Dataset, model: str) -> xr.Dataset:
    """Return the rows of the group `fit_differences` that belong to a model."""
    if not rows.sizes.get("row"):
        return rows
    return rows.isel(row=np.flatnonzero(rows["model"].values == model))


def describe_pair(pair: PairSummary) -> str:
    """Return the sentence that sums up a pair."""
    return f"{pair['fit_b']} against {pair['fit_a']}: {pair['message']}"


def list_unmoved_pairs(pairs: xr.Dataset, model: str, rows: xr.Dataset) -> list[PairSummary]:
    """Return the pairs of the group `fit_pairs` of a model that have no row to draw."""
    if not pairs.sizes.get("pair"):
        return []
    drawn = {(pair["fit_a"], pair["fit_b"]) for pair in describe_pairs(rows)}
    columns = [pairs[key].values for key in ("model", "fit_a", "fit_b", "message")]
    return [
        PairSummary(fit_a=str(a), fit_b=str(b), agree=None, size="", message=str(message))
        for of, a, b, message in zip(*columns, strict=True)
        if of == model and (a, b) not in drawn
    ]


def label_rows(rows: xr.Dataset, options: dict) -> xr.Dataset:
    """Return the rows with labels in place of names, unless two scalars had the same label."""
    names = rows["parameter"].values.tolist()
    labels = {name: label_scalar(name, options) for name in names}
    if len(set(labels.values())) < len(labels):
        return rows
    return rows.assign(parameter=("row", np.array([labels[name] for name in names], dtype=object)))


def select_pairs(pairs: list[PairSummary]) -> list[PairSummary]:
    """Return all pairs of fits, or, if they are more than ten, those with the first fit."""
    if len(pairs) <= MAX_PAIRS:
        return pairs
    return [pair for pair in pairs if pair["fit_a"] == pairs[0]["fit_a"]]


def select_pair_values(
    rows: xr.Dataset, pair: PairSummary, chosen: list[str]
) -> dict[str, np.ndarray]:
    """Return the columns of the rows of a pair, for the chosen scalars."""
    is_pair = (rows["fit_a"].values == pair["fit_a"]) & (rows["fit_b"].values == pair["fit_b"])
    is_shown = is_pair & np.isin(rows["parameter"].values, chosen)
    return {str(name): values.values[is_shown] for name, values in rows.data_vars.items()}


def make_styles(count: int) -> list[PairStyle]:
    """Return how each of `count` pairs is drawn."""
    styles = []
    for i in range(count):
        marker = {"marker": MARKERS[i % len(MARKERS)], "color": COLOUR_CYCLE[i % len(COLOUR_CYCLE)]}
        styles.append(PairStyle(0.7 * ((i + 0.5) / count - 0.5), 0.5 / count, marker))
    return styles


def draw_differences(axes: Axes, y: np.ndarray, values: dict, style: PairStyle) -> None:
    """Draw the differences of means of a pair at the heights `y`."""
    errors = NORMAL_95 * values["difference_error"]
    look: dict[str, Any] = {"ls": "", "ms": 5, "zorder": 3, "elinewidth": 1.2}
    axes.errorbar(values["difference"], y, xerr=errors, **look, **style.marker)


def draw_ratios(axes: Axes, y: np.ndarray, values: dict, style: PairStyle) -> None:
    """Draw the ratios of standard deviations of a pair; the error is that of their logarithm."""
    ratio = np.clip(values["ratio"], RATIO_TICKS[0], RATIO_TICKS[-1])
    with np.errstate(all="ignore"):
        relative_error = np.nan_to_num(values["ratio_error"] / values["ratio"])
        factor = np.exp(np.minimum(NORMAL_95 * relative_error, 5))
    errors = (ratio - ratio / factor, ratio * factor - ratio)
    look: dict[str, Any] = {"ls": "", "ms": 5, "zorder": 3, "elinewidth": 1.2}
    axes.errorbar(ratio, y, xerr=errors, **look, **style.marker)


def draw_distances(axes: Axes, y: np.ndarray, values: dict, style: PairStyle) -> None:
    """Draw the Wasserstein distances of a pair, over bars of those expected from noise."""
    axes.barh(y, values["wasserstein_error"], style.width, color="0.8", zorder=1)
    axes.plot(values["wasserstein"], y, ls="", ms=5, zorder=3, **style.marker)


def label_panels(panels: np.ndarray, chosen: list[str]) -> None:
    """Add ticks, titles, labels and lines between rows to the three panels."""
    left, middle, right = panels
    left.axvspan(-NEGLIGIBLE_SD, NEGLIGIBLE_SD, color="0.92", lw=0, zorder=0)
    left.axvline(0, color=BLACK, lw=0.8, ls=":", zorder=1)
    middle.axvline(1, color=BLACK, lw=0.8, ls=":", zorder=1)
    left.set_yticks(range(len(chosen)), chosen)
    left.set_ylim(len(chosen) - 0.45, -0.55)
    left.set_xlabel("difference of means\n(sd of the fit named second)")
    middle.set_xlabel("ratio of sds")
    right.set_xlabel("Wasserstein distance\n(sd of the fit named second)")
    left.set_title(f"grey: below {NEGLIGIBLE_SD:g} sd", fontsize=9)
    middle.set_title("bars: 95 % Monte Carlo error", fontsize=9)
    right.set_title("grey: expected from noise", fontsize=9)
    for axes in panels:
        for row in range(1, len(chosen)):
            axes.axhline(row - 0.5, color="0.9", lw=0.6, zorder=0)
        axes.spines.left.set_visible(False)
        axes.tick_params(axis="y", length=0)


def describe_selection(scalar_count: int, pairs: list[PairSummary], pair_count: int) -> str:
    """Return a sentence that says what the figure leaves out; an empty one if it shows all."""
    parts = []
    if scalar_count > MAX_SCALARS:
        parts.append(f"the {MAX_SCALARS} scalars of {scalar_count} whose means differ most")
    if pair_count > len(pairs):
        first = pairs[0]["fit_a"]
        parts.append(f"pairs with {first} only ({len(pairs)} of {pair_count}; all: tables/fits)")
    return "; ".join(parts)


def empty_panel(axes: Axes) -> None:
    """Replace the content of a panel that does not apply to point estimates by a note."""
    for line in list(axes.lines):
        line.remove()
    axes.set_title("")
    write_note(axes, "not for point estimates")


def choose_scalars(names: np.ndarray, differences: np.ndarray) -> list[str]:
    """Return at most 24 scalars, those with the largest difference of any pair, in order."""
    largest: dict[str, float] = {}
    sizes = np.nan_to_num(differences, nan=np.inf)
    for name, size in zip(names.tolist(), sizes, strict=True):
        largest[name] = max(largest.get(name, 0), size)
    chosen = set(sorted(largest, key=lambda name: -largest[name])[:MAX_SCALARS])
    return [name for name in largest if name in chosen]


def label_scalar(name: str, options: dict) -> str:
    """Return the label of a scalar: the study's label of its site and its index, shortened."""
    site, bracket, index = name.partition("[")
    text = make_label(site, None, options, bracket + index)
    return text if len(text) <= MAX_LABEL_LETTERS else f"{text[:12]}…{text[-13:]}"


def set_limits(left: Axes, middle: Axes, right: Axes) -> None:
    """Set the horizontal axes. They show at least 0.15 sd and a factor of 0.8."""
    set_sd_limits(left, -0.15)
    set_sd_limits(right, 0)
    set_ratio_limits(middle)


def set_sd_limits(axes: Axes, low: float) -> None:
    """Set an axis in units of sd that reaches at least from `low` to 0.15."""
    lowest, highest = (np.nan_to_num(end, posinf=0, neginf=0) for end in axes.dataLim.intervalx)
    lowest = min(low, lowest)
    highest = max(0.15, highest)
    if max(-lowest, highest) > MAX_LINEAR_SD:
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xlim(lowest * 1.5, highest * 1.5)
        axes.xaxis.set_major_formatter("{x:g}")
        return
    room = 0.05 * (highest - lowest)
    axes.set_xlim(lowest - (room if low else room / 2), highest + room)
    axes.locator_params(axis="x", nbins=5)


def set_ratio_limits(axes: Axes) -> None:
    """Set a logarithmic axis of ratios, symmetric about 1."""
    ends = np.clip(axes.dataLim.intervalx, RATIO_TICKS[0], RATIO_TICKS[-1])
    farthest = np.abs(np.log(ends)).max() if axes.containers else 0
    reach = 1.1 * max(farthest, -np.log(0.8))
    axes.set_xscale("log")
    axes.set_xlim(np.exp(-reach), np.exp(reach))
    candidates: tuple[float, ...] = RATIO_TICKS
    if reach >= np.log(4):
        candidates = WIDEST_RATIO_TICKS if reach > np.log(12) else WIDE_RATIO_TICKS
    ticks = [ratio for ratio in candidates if abs(np.log(ratio)) <= reach]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
