"""Tables of a study for a paper and for the report."""

import json
import math

import numpy as np
import xarray as xr

from posterity.artefact.groups import get_group, list_draw_groups
from posterity.stats.summary import flatten_scalars, summarise_fit

SUMMARY_COLUMNS = (
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


def make_parameters_table(
    trees: list, interval: dict, labels: dict, limit: int
) -> tuple[list[dict], list[str], list[list[str]]]:
    """Summarise each scalar of each fit; of a point estimate there is its value, in the column `point`."""
    rows, cells = [], []
    for fit in trees:
        single = "point" in fit.children
        groups = [
            *list_draw_groups(fit),
            get_group(fit, "posterior_summary"),
            get_group(fit, "point"),
        ]
        values = {str(site): one for part in groups for site, one in part.items()}
        if single:
            names, numbers = list_point_scalars(get_group(fit, "point"), limit)
            lines = [
                dict.fromkeys(SUMMARY_COLUMNS, math.nan) | {"point": value} for value in numbers
            ]
        else:
            summary = summarise_fit(fit, **interval, limit=limit)
            names, lines = summary["parameter"].values, []
            for i in range(len(names)):
                row = summary.isel(parameter=i)
                lower, upper = row["interval"].values.tolist()
                line = {name: float(row[name]) for name in SUMMARY_COLUMNS if name in row} | {
                    "lower": lower,
                    "upper": upper,
                }
                lines.append({name: line[name] for name in SUMMARY_COLUMNS} | {"point": math.nan})
        for parameter, line in zip(names, lines, strict=True):
            site, _, index = str(parameter).partition("[")
            label = labels.get(site, values[site].attrs.get("long_name", site)) + (
                "[" + index if index else ""
            )
            unit = values[site].attrs.get("units", "")
            texts = {
                "model": fit.attrs["model"],
                "fit": fit.attrs["fit"],
                "parameter": str(parameter),
                "label": label,
                "unit": unit,
            }
            rows.append(texts | line)
            cells.append(
                [
                    texts["model"],
                    texts["fit"],
                    label + (f" ({unit})" if unit else ""),
                    *round_to_error(line),
                ]
            )
    kind = {"hdi": "HDI", "eti": "equal-tailed interval"}[interval["kind"]]
    headings = [
        "model",
        "fit",
        "parameter",
        "mean",
        "sd",
        "median",
        rf"{100 * interval['probability']:g} % {kind}",
    ]
    if any(not math.isnan(row["point"]) for row in rows):
        return rows, [*headings, "mode"], cells
    return rows, headings, [line[:-1] for line in cells]


def list_point_scalars(point: xr.Dataset, limit: int) -> tuple[list[str], list[float]]:
    """List the scalars of a point estimate: labels and values."""
    names, values = flatten_scalars(point.expand_dims(chain=1, draw=1), limit)
    return names, values[:, 0, 0].tolist()


def round_to_error(line: dict) -> list[str]:
    """Round to the second digit of the standard deviation."""
    if math.isnan(line["sd"]):
        return [*["--"] * 4, f"${line['point']:.4g}$" if not math.isnan(line["point"]) else "--"]
    places = max(0, 1 - math.floor(math.log10(line["sd"]))) if line["sd"] > 0 else 3
    numbers = [f"${line[name]:.{places}f}$" for name in ("mean", "sd", "median")]
    known = not math.isnan(line["lower"])
    return [
        *numbers,
        f"$[{line['lower']:.{places}f}, {line['upper']:.{places}f}]$" if known else "--",
        "--",
    ]


def make_sensitivity_table(trees: list, *_) -> tuple[list[dict], list[str], list[list[str]]]:
    """List the sensitivities of each scalar of each fit."""
    rows = []
    for tree in trees:
        found = get_group(tree, "psense")
        for i in range(found.sizes.get("parameter", 0)):
            row = found.isel(parameter=i)
            texts = {
                "model": tree.attrs["model"],
                "fit": tree.attrs["fit"],
                "parameter": row["parameter"].item(),
            }
            rows.append(
                texts | {name: row[name].item() for name in ("prior", "likelihood", "diagnosis")}
            )
    headings = ["model", "fit", "parameter", "prior", "likelihood", "diagnosis"]
    return rows, headings, [[format_number(row[name], 3) for name in headings] for row in rows]


def make_models_table(trees: list, *_) -> tuple[list[dict], list[str], list[list[str]]]:
    """List models by how well they predict."""
    found = get_group(trees[0], "models")
    columns = (
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
    rows = [{"model": str(model), "fit": found.attrs["fit"]} for model in found["model"].values]
    for i, row in enumerate(rows):
        row |= {name: found[name].values[i] for name in columns}
    headings = ["model", "elpd", "se", "difference", "its se", "weight", "largest k-hat"]
    keys = ("elpd", "se", "elpd_diff", "dse", "weight", "pareto_k")
    return (
        rows,
        headings,
        [
            [
                row["model"],
                *(
                    format_fixed(row[key], 2 if key in ("weight", "pareto_k") else 1)
                    for key in keys
                ),
            ]
            for row in rows
        ],
    )


def make_fits_table(trees: list, *_) -> tuple[list[dict], list[str], list[list[str]]]:
    """List pairs of fits: the largest differences among the scalars, what they mean, and what the fits cost."""
    rows, pairs = get_group(trees[0], "fit_differences"), get_group(trees[0], "fit_pairs")
    seconds, lines, cells = json.loads(trees[0].attrs["fit_seconds"]), [], []
    for i in range(pairs.sizes.get("pair", 0)):
        pair = {name: pairs[name].values[i] for name in pairs.data_vars}
        here = np.flatnonzero(
            [
                all(rows[key].values[j] == pair[key] for key in ("model", "fit_a", "fit_b"))
                for j in range(rows.sizes["row"])
            ]
        )
        mine = {name: rows[name].values[here] for name in rows.data_vars}
        line = {key: str(pair[key]) for key in ("model", "fit_a", "fit_b", "agree")}
        for name, size in (
            ("difference", np.abs(mine["difference"])),
            ("ratio", np.abs(np.log(mine["ratio"]))),
            ("wasserstein", mine["wasserstein"]),
        ):
            at = int(np.argmax(np.where(np.isnan(size), -1, size))) if len(size) else None
            empty = at is None or np.isnan(size[at])
            line[name] = math.nan if empty else float(mine[name][at])
            line[f"{name}_error"] = math.nan if empty else float(mine[f"{name}_error"][at])
            line[f"{name}_of"] = "" if empty else str(mine["parameter"][at])
        line |= {f"gradients_{side}": int(pair[f"gradients_{side}"]) for side in "ab"}
        line |= {
            f"seconds_{side}": seconds[f"{line['model']}/{line[f'fit_{side}']}"] for side in "ab"
        }
        lines.append(line | {"message": str(pair["message"])})
        errors = [
            f"{format_fixed(line[name], 2)} ± {format_fixed(line[f'{name}_error'], 2)}"
            for name in ("difference", "ratio", "wasserstein")
        ]
        both = f"{line['seconds_a']:.1f}, {line['seconds_b']:.1f}"
        cells.append(
            [
                line["model"],
                f"{line['fit_a']}, {line['fit_b']}",
                *errors,
                both,
                str(pair["message"]),
            ]
        )
    headings = [
        "model",
        "fits",
        "difference of means (sd)",
        "ratio of sds",
        "Wasserstein distance (sd)",
        "seconds",
        "in words",
    ]
    return lines, headings, cells


def format_number(value, digits: int = 5) -> str:
    """Write a number as a reader wants it; texts as they are."""
    return f"{value:.{digits}g}" if isinstance(value, float | np.floating) else str(value)


def format_fixed(value: float, places: int) -> str:
    """Write a number with decimal places; a dash where there is none."""
    return "--" if math.isnan(value) else f"{value:.{places}f}"


def render_latex(headings: list[str], cells: list[list[str]]) -> str:
    """Make a booktabs table; cells in dollars are left as they are."""
    lines = [
        rf"\begin{{tabular}}{{{'l' * len(headings)}}}",
        r"\toprule",
        " & ".join(map(escape_latex, headings)) + r" \\",
        r"\midrule",
    ]
    lines += [
        " & ".join(cell if cell.startswith("$") else escape_latex(cell) for cell in row) + r" \\"
        for row in cells
    ]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def escape_latex(text: str) -> str:
    """Escape what LaTeX would take for a command."""
    special = {"\\": r"\textbackslash{}", "~": r"\~{}", "^": r"\^{}", "±": r"$\pm$"}
    return "".join(special.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in text)
