"""Tables of a study, for a paper and for the report."""

import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from posterity.artefact.groups import get_group, list_draw_groups
from posterity.report.html import render_page
from posterity.stats.summary import flatten_scalars, summarise_fit
from posterity.stats.tails import find_heavy_tails

INTERVAL_NAMES = {"hdi": "HDI", "eti": "equal-tailed interval"}
STATISTICS = (
    "mean",
    "sd",
    "median",
    "lower",
    "upper",
    "mcse",
    "mcse_lower",
    "mcse_upper",
    "ess_bulk",
    "ess_tail",
    "r_hat",
    "pareto_k",
)
INTERVAL_ENDS = ("lower", "upper")
MOMENTS = ("mean", "sd", "mcse")  # a scalar with heavy tails has none
MODEL_COLUMNS = (
    "elpd",
    "se",
    "p",
    "weight",
    "weight_low",
    "weight_high",
    "elpd_diff",
    "dse",
    "pareto_k",
    "bad_k",
    "points",
    "message",
)
MODEL_PLACES = {"elpd": 1, "se": 1, "elpd_diff": 1, "dse": 1, "weight": 2, "pareto_k": 2}
PAIR_SIZES = ("difference", "ratio", "wasserstein")
MISSING = "--"
MAX_NUMBER = 1e15  # all digits of a larger one would be too long for a table
MAX_PLACES = 15


class Table(NamedTuple):
    """
    A table in two forms.

    Attributes
    ----------
    rows : list of dict
        All columns at full precision, for CSV and HTML.
    headings : list of str
        Headings of the columns for a paper.
    cells : list of list of str
        The same rows for a paper, rounded. Numbers are LaTeX math, between dollars.
    page_rows : list of dict, optional
        All columns, rounded for HTML. None if five digits of each number will do.
    """

    rows: list[dict[str, Any]]
    headings: list[str]
    cells: list[list[str]]
    page_rows: list[dict[str, str]] | None = None

    @property
    def frame(self) -> pd.DataFrame:
        """All columns at full precision; the headings for a paper if there are no rows."""
        columns = list(self.rows[0]) if self.rows else self.headings
        return pd.DataFrame(self.rows, columns=columns, dtype=object)


def make_table(
    kind: str, trees: list, interval: dict, labels: dict, limit: int, tails: float | dict = math.inf
) -> Table:
    """
    Return a table of a study.

    Parameters
    ----------
    kind : str
        `parameters`, `sensitivity`, `models` or `fits`.
    trees : list of xr.DataTree
        The artefacts that the table needs.
    interval : dict
        `kind` and `probability` of the intervals.
    labels : dict
        Labels of sites, which take precedence over those of the models.
    limit : int
        Largest number of scalars per site.
    tails : float or dict
        Threshold of the Pareto k-hat, above which a scalar has no mean and no sd.
    """
    if kind == "parameters":
        return make_parameters_table(trees, interval, labels, limit, tails)
    makers: dict[str, Callable[[list], Table]] = {
        "sensitivity": make_sensitivity_table,
        "models": make_models_table,
        "fits": make_fits_table,
    }
    return makers[kind](trees)


def make_parameters_table(
    trees: list, interval: dict, labels: dict, limit: int, tails: float | dict = math.inf
) -> Table:
    """
    Return the summary of each scalar of each fit. A point estimate has only its value, `point`.

    Parameters
    ----------
    trees : list of xr.DataTree
        posterior.nc of each fit.
    interval : dict
        `kind` and `probability` of the intervals.
    labels : dict
        Labels of sites, which take precedence over those of the models.
    limit : int
        Largest number of scalars per site.
    tails : float or dict
        Threshold of the Pareto k-hat, above which a scalar has no mean and no sd.
    """
    rows = []
    for fit in trees:
        sites = list_sites(fit)
        ids = {"model": fit.attrs["model"], "fit": fit.attrs["fit"]}
        if "point" in fit.children:
            summaries = list_point_values(get_group(fit, "point"), limit)
        else:
            summary = summarise_fit(fit, **interval, limit=limit)
            sizes = get_group(fit, "posterior").sizes
            is_heavy = find_heavy_tails(summary, sizes["chain"] * sizes["draw"], tails)
            summaries = list_summaries(summary, is_heavy)
        for parameter, statistics in summaries:
            site, bracket, index = parameter.partition("[")
            attributes = sites[site].attrs
            label = labels.get(site, attributes.get("long_name", site)) + bracket + index
            texts = {"parameter": parameter, "label": label, "unit": attributes.get("units", "")}
            rows.append(ids | texts | statistics)
    interval_name = f"{100 * interval['probability']:g} % {INTERVAL_NAMES[interval['kind']]}"
    headings = ["model", "fit", "parameter", "mean", "sd", "median", interval_name]
    has_points = any(not math.isnan(row["point"]) for row in rows)
    cells = [format_parameter(row) for row in rows]
    page_rows = [format_page_row(row) for row in rows]
    if has_points:
        return Table(rows, [*headings, "mode"], cells, page_rows)
    return Table(rows, headings, [line[:-1] for line in cells], page_rows)


def list_sites(fit: xr.DataTree) -> dict[str, xr.DataArray]:
    """Return the values of each site of a fit: its draws, their stored summary, or its point."""
    groups = [*list_draw_groups(fit), get_group(fit, "posterior_summary"), get_group(fit, "point")]
    sites: dict[str, xr.DataArray] = {}
    for group in groups:
        sites |= {str(name): values for name, values in group.items()}
    return sites


def list_point_values(point: xr.Dataset, limit: int) -> list[tuple[str, dict[str, Any]]]:
    """Return the name of each scalar of a point estimate, and its value as statistics."""
    names, values = flatten_scalars(point.expand_dims(chain=1, draw=1), limit)
    missing: dict[str, Any] = dict.fromkeys(STATISTICS, math.nan)
    numbers = values[:, 0, 0].tolist()
    return [
        (name, missing | {"point": value, "note": ""})
        for name, value in zip(names, numbers, strict=True)
    ]


def list_summaries(summary: xr.Dataset, is_heavy: np.ndarray) -> list[tuple[str, dict[str, Any]]]:
    """
    Return the name of each scalar of a summary, its statistics and a note.

    A scalar with heavy tails (`is_heavy`, by scalar) has no mean and no sd.
    """
    summaries = []
    for i, name in enumerate(summary["parameter"].values):
        row = summary.isel(parameter=i)
        lower, upper = row["interval"].values.tolist()
        numbers = {key: float(row[key]) for key in STATISTICS if key in row}
        numbers |= {"lower": lower, "upper": upper}
        if is_heavy[i]:
            numbers |= dict.fromkeys(MOMENTS, math.nan)
        note = f"no mean, no sd: Pareto k-hat {numbers['pareto_k']:.2f}" if is_heavy[i] else ""
        statistics: dict[str, Any] = {key: numbers[key] for key in STATISTICS}
        statistics |= {"point": math.nan, "note": note}
        summaries.append((str(name), statistics))
    return summaries


def format_parameter(row: dict) -> list[str]:
    """Return the cells of a scalar for a paper."""
    unit = f" ({row['unit']})" if row["unit"] else ""
    note = f" ({row['note']})" if row["note"] else ""
    return [row["model"], row["fit"], row["label"] + unit + note, *round_statistics(row)]


def round_statistics(row: dict) -> list[str]:
    """Return mean, sd, median, interval and point, rounded as their Monte Carlo errors allow."""
    texts = {
        name: text if text == MISSING else f"${text}$" for name, text in round_numbers(row).items()
    }
    moments = [texts[name] for name in ("mean", "sd", "median")]
    if MISSING in (texts["lower"], texts["upper"]):
        return [*moments, MISSING, texts["point"]]
    lower, upper = (texts[name].strip("$") for name in INTERVAL_ENDS)
    return [*moments, f"$[{lower}, {upper}]$", texts["point"]]


def round_numbers(row: dict) -> dict[str, str]:
    """
    Return mean, sd, median, lower, upper and point of a scalar as texts.

    A number ends with the first digit of its Monte Carlo error, so that at most two of its digits
    are uncertain. sd and median have the digits of the mean. Without an error (of draws of a
    guide, and of stored summaries) they end with the second digit of the sd.
    """
    point = MISSING if math.isnan(row["point"]) else f"{row['point']:.4g}"
    second_of_sd = max(0, count_places(row["sd"]) + 1) if row["sd"] > 0 else 3
    places = dict.fromkeys(("mean", "sd", "median"), count_places(row["mcse"], second_of_sd))
    if math.isnan(row["sd"]):  # no mean: the median is about as precise as the nearer end
        errors = [row[f"mcse_{end}"] for end in INTERVAL_ENDS]
        places["median"] = count_places(float(np.fmin(*errors)), second_of_sd)
    for end in INTERVAL_ENDS:
        places[end] = count_places(row[f"mcse_{end}"], second_of_sd)
    return {name: format_places(row[name], count) for name, count in places.items()} | {
        "point": point
    }


def count_places(error: float, default: int = 3) -> int:
    """Return the decimal place of the first digit of an error; negative for 10 and more."""
    return -math.floor(math.log10(error)) if 0 < error < math.inf else default


def format_places(value: float, places: int) -> str:
    """Return a number with decimal places, or rounded to tens and more; `--` if it is missing."""
    if not math.isfinite(value):
        return MISSING
    if places > MAX_PLACES or abs(value) > MAX_NUMBER:
        return f"{value:.4g}"
    return format_fixed(round(value, places), max(places, 0))


def format_page_row(row: dict) -> dict[str, str]:
    """Return the cells of a scalar for HTML."""
    texts = {name: format_number(value) for name, value in row.items()} | round_numbers(row)
    for name in ("mcse", "mcse_lower", "mcse_upper"):
        texts[name] = format_number(row[name], 2)
    for name in ("ess_bulk", "ess_tail"):
        texts[name] = format_fixed(row[name], 0)
    for name, places in {"r_hat": 4, "pareto_k": 2}.items():
        texts[name] = format_fixed(row[name], places)
    return {name: MISSING if text == "nan" else text for name, text in texts.items()}


def make_sensitivity_table(trees: list) -> Table:
    """Return the sensitivities to prior and likelihood of each scalar of each fit."""
    rows = []
    for tree in trees:
        table = get_group(tree, "psense")
        ids = {"model": tree.attrs["model"], "fit": tree.attrs["fit"]}
        for i in range(table.sizes.get("parameter", 0)):
            row = table.isel(parameter=i)
            columns = ("parameter", "prior", "likelihood", "diagnosis")
            rows.append(ids | {name: row[name].item() for name in columns})
    headings = ["model", "fit", "parameter", "prior", "likelihood", "diagnosis"]
    cells = [[format_number(row[name], 3) for name in headings] for row in rows]
    return Table(rows, headings, cells)


def make_models_table(trees: list) -> Table:
    """Return the models of a study, best first, with their leave-one-out scores."""
    table = get_group(trees[0], "models")
    rows = []
    for i, model in enumerate(table["model"].values):
        ids = {"model": str(model), "fit": table.attrs["fit"]}
        rows.append(ids | {name: table[name].values[i] for name in MODEL_COLUMNS})
    headings = ["model", "elpd", "se", "difference", "its se", "weight", "largest k-hat"]
    cells = []
    for row in rows:
        numbers = {name: format_fixed(row[name], places) for name, places in MODEL_PLACES.items()}
        if row["weight_high"] > row["weight_low"]:
            numbers["weight"] += f" ({row['weight_low']:.2f} to {row['weight_high']:.2f})"
        cells.append([row["model"], *numbers.values()])
    return Table(rows, headings, cells)


def make_fits_table(trees: list) -> Table:
    """Return the largest differences of each pair of fits, what they mean, and their cost."""
    differences = get_group(trees[0], "fit_differences")
    pairs = get_group(trees[0], "fit_pairs")
    seconds = json.loads(trees[0].attrs["fit_seconds"])
    rows = []
    for i in range(pairs.sizes.get("pair", 0)):
        pair = {str(name): pairs[name].values[i] for name in pairs.data_vars}
        row: dict[str, Any] = {key: str(pair[key]) for key in ("model", "fit_a", "fit_b", "agree")}
        scalars = select_pair_scalars(differences, pair)
        for name in PAIR_SIZES:
            row |= find_largest(scalars, name)
        row |= {f"gradients_{side}": int(pair[f"gradients_{side}"]) for side in "ab"}
        for side in "ab":
            row[f"seconds_{side}"] = seconds[f"{row['model']}/{row[f'fit_{side}']}"]
        rows.append(row | {"message": str(pair["message"])})
    headings = [
        "model",
        "fits",
        "difference of means (sd)",
        "ratio of sds",
        "Wasserstein distance (sd)",
        "seconds",
        "in words",
    ]
    return Table(rows, headings, [format_pair(row) for row in rows])


def select_pair_scalars(differences: xr.Dataset, pair: dict) -> dict[str, np.ndarray]:
    """Return the columns of the group `fit_differences` for one pair of fits."""
    is_pair = np.ones(differences.sizes["row"], dtype=bool)
    for key in ("model", "fit_a", "fit_b"):
        is_pair &= differences[key].values == pair[key]
    return {str(name): values.values[is_pair] for name, values in differences.data_vars.items()}


def find_largest(scalars: dict[str, np.ndarray], name: str) -> dict[str, Any]:
    """Return the largest difference, ratio or distance of a pair, its error and its parameter."""
    values = scalars[name]
    sizes = np.abs(np.log(values)) if name == "ratio" else np.abs(values)
    if not len(sizes) or np.isnan(sizes).all():
        return {name: math.nan, f"{name}_error": math.nan, f"{name}_of": ""}
    largest = int(np.argmax(np.where(np.isnan(sizes), -1, sizes)))
    return {
        name: float(values[largest]),
        f"{name}_error": float(scalars[f"{name}_error"][largest]),
        f"{name}_of": str(scalars["parameter"][largest]),
    }


def format_pair(row: dict) -> list[str]:
    """Return the cells of a pair of fits for a paper."""
    sizes = [
        f"{format_fixed(row[name], 2)} ± {format_fixed(row[f'{name}_error'], 2)}"
        for name in PAIR_SIZES
    ]
    fits = f"{row['fit_a']}, {row['fit_b']}"
    seconds = f"{row['seconds_a']:.1f}, {row['seconds_b']:.1f}"
    return [row["model"], fits, *sizes, seconds, row["message"]]


def format_number(value: Any, digits: int = 5) -> str:
    """Return a number with this many significant digits; other values as text."""
    return f"{value:.{digits}g}" if isinstance(value, float | np.floating) else str(value)


def format_fixed(value: float, places: int) -> str:
    """Return a number with decimal places, or `--` if it is missing."""
    return MISSING if math.isnan(value) else f"{value:.{places}f}"


def render_csv(table: Table) -> str:
    """Return a table as CSV: all columns at full precision, `nan` for missing numbers."""
    return table.frame.to_csv(index=False, na_rep="nan", lineterminator="\n")


def render_latex(table: Table) -> str:
    """Return a table as LaTeX (booktabs). Text between dollars stays LaTeX math."""
    frame = pd.DataFrame(table.cells, columns=table.headings, dtype=object).replace(
        "±", r"$\\pm$", regex=True
    )
    style = frame.style.format(escape="latex-math").format_index(escape="latex", axis="columns")
    return style.hide(axis="index").to_latex(hrules=True, column_format="l" * len(table.headings))


def render_html(table: Table, title: str) -> str:
    """Return a table as a page for the report, rounded by the table or to five digits."""
    columns = tuple(table.frame.columns)
    shown = table.rows if table.page_rows is None else table.page_rows
    rows = [tuple(format_number(row[name]) for name in columns) for row in shown]
    return render_page(title, columns, rows)
