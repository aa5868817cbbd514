"""
Write a study's table of parameters for a paper, as CSV and LaTeX.

Reads posterior.nc of all fits. Writes tables/parameters.csv (all columns, full precision) and tables/parameters.tex (booktabs;
mean, sd, median and interval, to two digits of the sd), and tables/parameters.html for the report.
"""

import csv
import math
from pathlib import Path

from posterity import artefact
from posterity.html import page
from posterity.job import job
from posterity.statistics import summarise

COLUMNS = (
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
    "ess_bulk",
    "ess_tail",
    "r_hat",
)


def tables(
    posteriors: list[str],
    csv_file: str,
    tex_file: str,
    html_file: str,
    study: str,
    title: str,
    interval: dict,
    labels: dict,
    scalars: int,
) -> None:
    """
    Write the table of all parameters of all fits.

    `interval` has kind and probability, `labels` replace those of the models, `scalars` limits the scalars of one site.
    """
    rows = []
    for path in posteriors:
        fit = artefact.read(path, study=study)
        draws = artefact.group(fit, "posterior")
        summary = summarise(draws, **interval, limit=scalars)
        for parameter in summary["parameter"].values:
            site, _, index = str(parameter).partition("[")
            row = summary.sel(parameter=parameter)
            texts = (fit.attrs["model"], fit.attrs["fit"], str(parameter))
            label = labels.get(site, draws[site].attrs.get("long_name", site)) + ("[" + index if index else "")
            numbers = [float(row[name]) for name in ("mean", "sd", "median")] + row["interval"].values.tolist()
            numbers += [float(row[name]) for name in ("mcse", "ess_bulk", "ess_tail", "r_hat")]
            rows.append(dict(zip(COLUMNS, (*texts, label, draws[site].attrs.get("units", ""), *numbers), strict=True)))
    with artefact.replaced(csv_file) as beside, open(beside, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    with artefact.replaced(tex_file) as beside:
        Path(beside).write_text(latex(rows, interval), encoding="utf-8")
    with artefact.replaced(html_file) as beside:
        lines = [tuple(f"{row[name]:.5g}" if isinstance(row[name], float) else row[name] for name in COLUMNS) for row in rows]
        Path(beside).write_text(page(f"{title}: parameters", COLUMNS, lines), encoding="utf-8")


def latex(rows: list[dict], interval: dict) -> str:
    """Make a booktabs table. Numbers end at the second digit of the standard deviation."""
    kind = {"hdi": "HDI", "eti": "equal-tailed interval"}[interval["kind"]]
    lines = [
        r"\begin{tabular}{lllrrrr}",
        r"\toprule",
        rf"model & fit & parameter & mean & sd & median & {100 * interval['probability']:g}\,\% {kind} \\",
        r"\midrule",
    ]
    for row in rows:
        places = max(0, 1 - math.floor(math.log10(row["sd"]))) if row["sd"] > 0 else 3
        numbers = [f"${row[name]:.{places}f}$" for name in ("mean", "sd", "median")]
        bounds = f"$[{row['lower']:.{places}f}, {row['upper']:.{places}f}]$"
        unit = f" ({row['unit']})" if row["unit"] else ""
        texts = [escape(text) for text in (row["model"], row["fit"], row["label"] + unit)]
        lines.append(" & ".join([*texts, *numbers, bounds]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def escape(text: str) -> str:
    """Escape what LaTeX would take for a command."""
    return "".join({"\\": r"\textbackslash{}", "~": r"\~{}", "^": r"\^{}"}.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in text)


if __name__ == "__main__":
    with job(snakemake):
        tables(list(snakemake.input.posteriors), *snakemake.output, **snakemake.params)
