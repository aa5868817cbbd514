import csv
import io
import json
import math

import numpy as np
import pytest
import xarray as xr
from figure_artefacts import make_draws, make_point, make_posterior, make_tree

from posterity.report.tables import (
    Table,
    format_fixed,
    format_number,
    make_table,
    render_csv,
    render_html,
    render_latex,
    round_statistics,
)

INTERVAL = {"kind": "hdi", "probability": 0.9}


def read_csv(table):
    return list(csv.DictReader(io.StringIO(render_csv(table))))


def make(kind, *trees, **labels):
    return make_table(kind, list(trees), INTERVAL, labels, 10)


def test_parameters_have_full_precision_in_csv_and_the_digits_of_their_error_in_latex():
    draws = make_draws()
    draws["m"].attrs |= {"long_name": "slope", "units": "m/s"}
    table = make("parameters", make_posterior(draws))
    row = read_csv(table)[0]
    assert list(row) == [
        "model",
        "fit",
        "parameter",
        "label",
        "unit",
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
        "point",
        "note",
    ]
    assert float(row["mean"]) == float(draws["m"].mean())
    assert row["point"] == "nan"
    assert table.headings == ["model", "fit", "parameter", "mean", "sd", "median", "90 % HDI"]
    assert table.cells[0][2] == "slope (m/s)"
    places = -math.floor(math.log10(float(row["mcse"])))
    assert table.cells[0][3] == f"${float(draws['m'].mean()):.{places}f}$"


def test_label_of_the_study_replaces_that_of_the_model_and_keeps_the_index():
    values = np.random.default_rng(1).normal(size=(2, 60, 2))
    vector = make_draws().assign(v=(("chain", "draw", "i"), values))[["v"]]
    table = make("parameters", make_posterior(vector), v="velocity")
    assert [row["label"] for row in table.rows] == ["velocity[0]", "velocity[1]"]


def test_point_estimate_has_its_value_alone():
    table = make("parameters", make_posterior(), make_point(m=2.0, c=0.5))
    assert table.headings[-1] == "mode"
    assert table.cells[-1] == ["line", "map", "c", "--", "--", "--", "--", "$0.5$"]
    assert table.rows[-1]["point"] == 0.5
    assert math.isnan(table.rows[-1]["mean"])


ERRORS = ("mcse", "mcse_lower", "mcse_upper")


def make_row(errors, sd=1.0, **numbers):
    row = dict.fromkeys(("mean", "median"), 1.23456) | {"sd": sd, "point": math.nan}
    return row | {"lower": math.nan, "upper": math.nan} | dict.fromkeys(ERRORS, errors) | numbers


@pytest.mark.parametrize(
    ("sd", "cell"), [(0.0123, "$1.235$"), (1.2, "$1.2$"), (120.0, "$1$"), (0.0, "$1.235$")]
)
def test_numbers_without_an_error_are_rounded_to_the_second_digit_of_the_sd(sd, cell):
    assert round_statistics(make_row(math.nan, sd))[0] == cell


@pytest.mark.parametrize(
    ("error", "cell"),
    [(0.0099, "$1.235$"), (0.01, "$1.23$"), (0.02, "$1.23$"), (0.3, "$1.2$"), (4.0, "$1$")],
)
def test_numbers_end_with_the_first_digit_of_their_error(error, cell):
    assert round_statistics(make_row(error))[0] == cell


def test_each_end_of_an_interval_has_the_digits_of_its_own_error():
    row = make_row(12.0, 300.0, mean=4567.8, median=4567.8, lower=4123.4, upper=5678.9)
    row |= {"mcse_lower": 150.0, "mcse_upper": 0.5}
    assert round_statistics(row) == ["$4570$", "$300$", "$4570$", "$[4100, 5678.9]$", "--"]


def test_scalar_with_heavy_tails_has_a_dash_and_a_note_in_place_of_mean_and_sd():
    draws = make_draws()
    rng = np.random.default_rng(1)
    size = (draws.sizes["chain"], 2000)
    values = {"r": rng.standard_cauchy(size), "z": rng.normal(size=size)}
    sites = xr.Dataset({name: (("chain", "draw"), value) for name, value in values.items()})
    table = make_table("parameters", [make_posterior(sites)], INTERVAL, {}, 10, {"warn": 0.7})
    heavy, light = read_csv(table)
    assert (heavy["mean"], heavy["sd"], heavy["mcse"]) == ("nan", "nan", "nan")
    assert float(heavy["pareto_k"]) > 0.7
    assert math.isfinite(float(heavy["median"]))
    assert light["note"] == ""
    assert light["mean"] != "nan"
    cells = table.cells[0]
    assert cells[2].startswith("r (no mean, no sd: Pareto k-hat ")
    assert cells[3:5] == ["--", "--"]
    assert cells[5] != "--"
    assert cells[6].startswith("$[")
    assert "<td>--</td>" in render_html(table, "study").replace(' class="number"', "")


def test_page_has_the_digits_of_the_errors():
    table = make("parameters", make_posterior(make_draws()))
    page = table.page_rows[0]
    assert f"${page['mean']}$" == table.cells[0][3]
    assert page["ess_bulk"].isdigit()
    assert page["mean"] in render_html(table, "study")


def test_sensitivity_has_a_row_for_each_scalar():
    columns = {"prior": [0.1, math.nan], "likelihood": [0.2, 0.3], "diagnosis": ["a", "b"]}
    table = xr.Dataset(
        {name: ("parameter", np.array(values)) for name, values in columns.items()},
        {"parameter": ["m", "c"]},
    )
    table = make("sensitivity", make_tree({"model": "line", "fit": "nuts"}, psense=table))
    assert table.cells == [
        ["line", "nuts", "m", "0.1", "0.2", "a"],
        ["line", "nuts", "c", "nan", "0.3", "b"],
    ]


def test_models_are_rounded_and_missing_scores_are_dashes():
    names = ("elpd", "se", "p", "weight", "elpd_diff", "dse", "pareto_k", "bad_k", "points")
    columns = {name: ("model", [1.234, math.nan]) for name in names}
    columns["weight_low"] = ("model", [0.5, math.nan])
    columns["weight_high"] = ("model", [2.0, math.nan])
    columns["message"] = ("model", np.array(["best", "none"], dtype=object))
    models = xr.Dataset(columns, {"model": ["a", "b"]}, {"fit": "nuts"})
    table = make("models", make_tree(models=models))
    assert table.cells[0] == ["a", "1.2", "1.2", "1.2", "1.2", "1.23 (0.50 to 2.00)", "1.23"]
    assert table.cells[1] == ["b", *["--"] * 6]
    assert read_csv(table)[0]["elpd"] == "1.234"


def make_comparison():
    text = {"model": "line", "fit_a": "a", "fit_b": "b"}
    rows = {name: ("row", np.array([value] * 2, dtype=object)) for name, value in text.items()}
    rows["parameter"] = ("row", np.array(["m", "c"], dtype=object))
    for name, values in {"difference": [0.1, -0.5], "ratio": [0.5, 1.1]}.items():
        rows |= {name: ("row", values), f"{name}_error": ("row", [0.01, 0.02])}
    rows |= {name: ("row", [math.nan] * 2) for name in ("wasserstein", "wasserstein_error")}
    pair = text | {"agree": "false", "size": "large", "message": "differ by 5 %"}
    pairs = {name: ("pair", np.array([value], dtype=object)) for name, value in pair.items()}
    pairs |= {f"gradients_{side}": ("pair", [100]) for side in "ab"}
    attrs = {"fit_seconds": json.dumps({"line/a": 1.0, "line/b": 2.0})}
    return make_tree(attrs, fit_differences=xr.Dataset(rows), fit_pairs=xr.Dataset(pairs))


def test_pairs_have_their_largest_differences_and_costs():
    table = make("fits", make_comparison())
    (row,) = table.rows
    assert (row["difference"], row["difference_of"]) == (-0.5, "c")
    assert (row["ratio"], row["ratio_of"], row["ratio_error"]) == (0.5, "m", 0.01)
    assert math.isnan(row["wasserstein"])
    assert row["wasserstein_of"] == ""
    assert (row["seconds_a"], row["seconds_b"], row["gradients_a"]) == (1.0, 2.0, 100)
    assert table.cells[0][2:5] == ["-0.50 ± 0.02", "0.50 ± 0.01", "-- ± --"]


def test_latex_is_a_booktabs_table_with_escaped_texts_and_math():
    latex = render_latex(Table([], ["name", "90 % HDI"], [["a_b & 5 % ± 1", "$[1, 2]$"]]))
    assert latex.splitlines() == [
        r"\begin{tabular}{ll}",
        r"\toprule",
        r"name & 90 \% HDI \\",
        r"\midrule",
        r"a\_b \& 5 \% $\pm$ 1 & $[1, 2]$ \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


@pytest.mark.parametrize("text", ["#1", "a^b", "~", "{x}", "back\\slash", "5 $ or more"])
def test_latex_has_no_bare_special_letters(text):
    line = render_latex(Table([], ["name"], [[text]])).splitlines()[4].removesuffix(r" \\")
    assert text not in line.replace("\\" + text, "")


def test_tables_without_rows_have_their_headings():
    table = Table([], ["model", "fit"], [])
    assert render_csv(table) == "model,fit\n"
    assert r"model & fit \\" in render_latex(table)
    assert "<th>model</th><th>fit</th>" in render_html(table, "title")


def test_html_has_five_digits():
    table = Table([{"model": "a", "elpd": 1.23456789, "points": 32}], [], [])
    page = render_html(table, "My study: models")
    assert "<title>My study: models</title>" in page
    assert '<td>a</td><td class="number">1.2346</td><td class="number">32</td>' in page


def test_numbers_as_text():
    assert format_number(1.23456789) == "1.2346"
    assert format_number(np.float64(2), 3) == "2"
    assert format_number(7) == "7"
    assert format_number("text") == "text"
    assert format_fixed(1.26, 1) == "1.3"
    assert format_fixed(math.nan, 1) == "--"


@pytest.mark.parametrize(
    ("draws", "cells"),
    [
        (np.array([[1e300, 1e308]]), ["$5e+307$", "--", "$5e+307$", "$[1e+300, 1e+308]$"]),
        (np.array([[1.0, np.inf]]), ["--", "--", "--", "--"]),
        (np.array([[np.nan, 1.0]]), ["--", "--", "--", "--"]),
        (np.array([[1e-100, 3e-100]]), ["$2e-100$", "$1.414e-100$", "$2e-100$"]),
    ],
)
def test_draws_without_moments_have_cells_of_few_letters(draws, cells):
    with np.errstate(all="ignore"):
        table = make("parameters", make_posterior(make_draws(m=draws)))
    assert table.cells[0][3 : 3 + len(cells)] == cells
    assert render_csv(table)
    assert render_latex(table)
