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

INTERVAL_NAMES = {"hdi": "HDI", "eti": "equal-tailed interval"}
STATISTICS = (
    "mean",
    "sd",
    "median",
    "lower",
    "upper",
    "mcse",
    "ess_bulk",
    "ess_tail",
    "r_hat",
)
MODEL_COLUMNS = (
    "elpd",
    "se",
    "p",
    "weight",
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
LONG_NUMBERS = (1e-15, 1e15)  # beyond them all digits of a number would be too long for a table


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
    """

    rows: list[dict[str, Any]]
    headings: list[str]
    cells: list[list[str]]

    @property
    def frame(self) -> pd.DataFrame:
        """All columns at full precision; the headings for a paper if there are no rows."""
        columns = list(self.rows[0]) if self.rows else self.headings
        return pd.DataFrame(self.rows, columns=columns, dtype=object)


def make_table(kind: str, trees: list, interval: dict, labels: dict, limit: int) -> Table:
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
    """
    if kind == "parameters":
        return make_parameters_table(trees, interval, labels, limit)
    makers: dict[str, Callable[[list], Table]] = {
        "sensitivity": make_sensitivity_table,
        "models": make_models_table,
        "fits": make_fits_table,
    }
    return makers[kind](trees)


def make_parameters_table(trees: list, interval: dict, labels: dict, limit: int) -> Table:
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
    """
    rows = []
    for fit in trees:
        sites = list_sites(fit)
        ids = {"model": fit.attrs["model"], "fit": fit.attrs["fit"]}
        if "point" in fit.children:
            summaries = list_point_values(get_group(fit, "point"), limit)
        else:
            summaries = list_summaries(summarise_fit(fit, **interval, limit=limit))
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
    if has_points:
        return Table(rows, [*headings, "mode"], cells)
    return Table(rows, headings, [line[:-1] for line in cells])


def list_sites(fit: xr.DataTree) -> dict[str, xr.DataArray]:
    """Return the values of each site of a fit: its draws, their stored summary, or its point."""
    groups = [*list_draw_groups(fit), get_group(fit, "posterior_summary"), get_group(fit, "point")]
    sites: dict[str, xr.DataArray] = {}
    for group in groups:
        sites |= {str(name): values for name, values in group.items()}
    return sites


def list_point_values(point: xr.Dataset, limit: int) -> list[tuple[str, dict[str, float]]]:
    """Return the name of each scalar of a point estimate, and its value as statistics."""
    names, values = flatten_scalars(point.expand_dims(chain=1, draw=1), limit)
    missing = dict.fromkeys(STATISTICS, math.nan)
    numbers = values[:, 0, 0].tolist()
    return [(name, missing | {"point": value}) for name, value in zip(names, numbers, strict=True)]


def list_summaries(summary: xr.Dataset) -> list[tuple[str, dict[str, float]]]:
    """Return the name of each scalar of a summary, and its statistics."""
    summaries = []
    for i, name in enumerate(summary["parameter"].values):
        row = summary.isel(parameter=i)
        lower, upper = row["interval"].values.tolist()
        numbers = {key: float(row[key]) for key in STATISTICS if key in row}
        numbers |= {"lower": lower, "upper": upper}
        statistics = {key: numbers[key] for key in STATISTICS} | {"point": math.nan}
        summaries.append((str(name), statistics))
    return summaries


def format_parameter(row: dict) -> list[str]:
    """Return the cells of a scalar for a paper."""
    unit = f" ({row['unit']})" if row["unit"] else ""
    return [row["model"], row["fit"], row["label"] + unit, *round_statistics(row)]


def round_statistics(row: dict) -> list[str]:
    """Return mean, sd, median, interval and point, rounded to the second digit of the sd."""
    if math.isnan(row["sd"]):
        point = MISSING if math.isnan(row["point"]) else f"${row['point']:.4g}$"
        return [*[MISSING] * 4, point]
    pattern = choose_pattern(row["sd"], row["mean"])
    numbers = [
        f"${row[name]:{pattern}}$" if math.isfinite(row[name]) else MISSING
        for name in ("mean", "sd", "median")
    ]
    if not math.isfinite(row["upper"] - row["lower"]):
        return [*numbers, MISSING, MISSING]
    return [*numbers, f"$[{row['lower']:{pattern}}, {row['upper']:{pattern}}]$", MISSING]


def choose_pattern(sd: float, mean: float) -> str:
    """Return the format of the statistics of a scalar: to the second digit of its sd."""
    if sd == 0:
        return ".3f"
    if not LONG_NUMBERS[0] < sd <= abs(mean) + sd < LONG_NUMBERS[1]:
        return ".4g"
    return f".{max(0, 1 - math.floor(math.log10(sd)))}f"


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
        numbers = [format_fixed(row[name], places) for name, places in MODEL_PLACES.items()]
        cells.append([row["model"], *numbers])
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
    """Return a table as a page for the report, with numbers of five digits."""
    columns = tuple(table.frame.columns)
    rows = [tuple(format_number(row[name]) for name in columns) for row in table.rows]
    return render_page(title, columns, rows)
