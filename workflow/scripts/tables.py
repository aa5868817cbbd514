"""
Write one table of a study, for a paper and for the report.

Reads the artefacts that the table needs. Writes tables/<kind>.csv (all columns, full precision),
tables/<kind>.tex (booktabs, rounded) and tables/<kind>.html. The kinds are `parameters` (all fits
with their intervals), `sensitivity` (to prior and likelihood), `models` (compared by leave-one-out
cross-validation) and `fits` (pairs of fits of one model, with what they cost).
"""

from pathlib import Path

from posterity.artefact.atomic import replace_file
from posterity.artefact.netcdf import read_artefact
from posterity.report.tables import make_table, render_csv, render_html, render_latex
from posterity.workflow.job import run_job


def tables(
    inputs: dict[str, list[str]],
    outputs: list[str],
    study: str,
    kind: str,
    title: str,
    interval: dict,
    labels: dict,
    limits: dict,
) -> None:
    """
    Write a table of a study.

    Parameters
    ----------
    inputs : dict
        Paths of the artefacts that the table needs, by name.
    outputs : list of str
        Paths of the CSV, LaTeX and HTML files.
    study : str
        Id of the study. The artefacts must belong to it.
    kind : str
        `parameters`, `sensitivity`, `models` or `fits`.
    title : str
        Title of the study.
    interval : dict
        `kind` and `probability` of the intervals.
    labels : dict
        Labels of sites, which take precedence over those of the models.
    limits : dict
        `scalars`, the largest number of scalars per site, and `tails`, the threshold of the Pareto
        k-hat, above which a scalar has no mean and no sd.

    Raises
    ------
    UserError
        An artefact cannot be read or belongs to another study.
    """
    trees = [read_artefact(path, study=study) for paths in inputs.values() for path in paths]
    table = make_table(kind, trees, interval, labels, limits["scalars"], limits["tails"])
    texts = [render_csv(table), render_latex(table), render_html(table, f"{title}: {kind}")]
    for path, text in zip(outputs, texts, strict=True):
        with replace_file(path) as file:
            Path(file).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    with run_job(snakemake):
        paths = {name: files for name, files in snakemake.input.items() if name != "code"}
        paths = {name: [p] if isinstance(p, str) else list(p) for name, p in paths.items()}
        tables(paths, list(snakemake.output), **snakemake.params)
