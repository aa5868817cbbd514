"""After an edit exactly the jobs that depend on it run again."""

import os
import re

import pytest
from conftest import snakemake

SMALL, OTHER = "config/studies/small.yaml", "config/studies/other.yaml"
FITS = {
    ("small", "line", "a"), ("small", "line", "b"), ("small", "line_angle", "a"),
    ("other", "line", "a"), ("other", "line", "c"), ("other", "line", "d"),
}  # fmt: skip
POINT, INDEPENDENT = {("other", "line", "c")}, {("other", "line", "d")}
KINDS = ("data", "corner", "trace", "loss", "ppc", "loo_pit", "predictions", "sensitivity")
OF_MODEL = ("prior", "forest", "fits", "graph")
OTHER_KINDS = ("data", "loss", "predictions", "sensitivity", "fits")  # what `other` asks for
TABLES = {
    "small": ("parameters", "sensitivity", "models", "fits"),
    "other": ("parameters", "sensitivity", "fits"),
}


def planned(project):
    """The jobs of a dry run, by their messages."""
    run = snakemake(project, "-n")
    assert run.returncode == 0, run.stdout
    return {
        text
        for text in re.findall(r"^Job \d+: (.*)$", run.stdout, flags=re.MULTILINE)
        if not text.startswith("all artefacts")
    }


def list_stages(*stages, fits=FITS):
    """The messages of stages for some fits."""
    plural = {
        "fit": "fit",
        "predict": "predictions",
        "sensitivity": "sensitivity",
        "diagnose": "diagnosis",
    }
    jobs = {
        f"{plural[stage]} of {', '.join(fit)}"
        for stage in stages
        if stage in plural
        for fit in fits - (POINT if stage in ("predict", "sensitivity") else set())
    }
    jobs |= {f"prior of {study}, {model}" for study, model, _ in fits if "prior" in stages}
    for study in {study for study, _, _ in fits}:
        jobs |= {f"data of {study}"} if "data" in stages else set()
        jobs |= {f"verdict on {study}"} if "verdict" in stages else set()
        jobs |= {f"comparison of {study}"} if "compare" in stages else set()
        jobs |= {
            f"table {table} of {study}"
            for table in TABLES[study]
            if "tables" in stages or f"table {table}" in stages
        }
    return jobs | ({"verdicts on all studies"} if "verdict" in stages else set())


def has_figure(kind, fit):
    """Whether a fit has a figure of a kind."""
    study = fit[0]
    if study == "other" and kind not in OTHER_KINDS:
        return False
    if fit in POINT:
        return kind == "data"
    return kind in KINDS and not (
        (kind == "trace" and fit in INDEPENDENT)
        or (kind == "loss" and fit not in INDEPENDENT)
        or (kind == "predictions" and study != "other")
    )


def figures(*kinds, fits=FITS):
    """The messages of figures of some kinds for some fits."""
    found = {
        f"figure {fit[1]}_{fit[2]}_{kind} of {fit[0]}"
        for fit in fits
        for kind in kinds
        if has_figure(kind, fit)
    }
    found |= {
        f"figure {model}_{kind} of {study}"
        for study, model, _ in fits
        for kind in kinds
        if kind in OF_MODEL and (study == "small" or kind in OTHER_KINDS)
    }
    found -= {"figure line_angle_fits of small"}  # it has one fit
    return found | (
        {"figure comparison_models of small"}
        if "models" in kinds and any(study == "small" for study, _, _ in fits)
        else set()
    )


ALL_FIGURES = (*KINDS, *OF_MODEL, "models")
AFTER_COMPARE = ("fits", "models")
SMALL_FITS = {fit for fit in FITS if fit[0] == "small"}
OTHER_FITS = FITS - SMALL_FITS
B = {("small", "line", "b")}
AFTER_FIT = list_stages("fit", "predict", "sensitivity", "diagnose", "compare", "verdict", "tables")
ALL_STAGES = ("prior", "fit", "predict", "sensitivity", "diagnose", "compare", "verdict", "tables")
NUTS = FITS - POINT - INDEPENDENT

EDITS = {
    "a label": (
        SMALL, ("figures: {", "figures: {labels: {m: gradient}, "),
        figures(*ALL_FIGURES, fits=SMALL_FITS) | list_stages("tables", fits=SMALL_FITS),
    ),
    "a figure option": (OTHER, ("figures: {", "figures: {lines: 10, "), figures(*ALL_FIGURES, fits=OTHER_FITS)),
    "one more kind of figure": (OTHER, ("kinds: [data", "kinds: [graph, data"), {"figure line_graph of other", "verdicts on all studies"}),
    "the threshold of a check of draws": (SMALL, ("rhat: 1.1", "rhat: 1.2"), list_stages("diagnose", "verdict", fits=SMALL_FITS)),
    "the threshold of a check of predictions": (SMALL, ("rhat: 1.1", "rhat: 1.1, ppc: 0.02"), list_stages("diagnose", "verdict", fits=SMALL_FITS)),
    "the threshold of leave-one-out": (SMALL, ("loo: {warn: 2}", "loo: {warn: 3}"), list_stages("diagnose", "verdict", fits=SMALL_FITS)),
    "an expectation": (OTHER, ("ppc: fail", "ppc: fail, rhat: warn"), list_stages("verdict", fits=OTHER_FITS)),
    "the draws of one fit": (
        SMALL, ("draws: 500", "draws: 600"),
        list_stages("fit", "predict", "sensitivity", "diagnose", "verdict", "compare", fits=B) | list_stages("tables", fits=B)
        | figures(*KINDS, "forest", *AFTER_COMPARE, fits=B),
    ),
    "the models of one fit": (
        SMALL, ("draws: 500, models: [line]", "draws: 500, models: [line, line_angle]"),
        list_stages("fit", "predict", "sensitivity", "diagnose", "verdict", "compare", "tables", fits={("small", "line_angle", "b")})
        | figures(*KINDS, "forest", *AFTER_COMPARE, fits={("small", "line_angle", "b")})
        | {"figure line_fits of small", "figure line_angle_fits of small"},
    ),
    "new covariates": (
        OTHER, ("linspace: [0, 300, 7]", "linspace: [0, 300, 8]"),
        list_stages("predict", "sensitivity", "diagnose", "verdict", "table sensitivity", fits=OTHER_FITS - POINT)
        | figures("data", "ppc", "loo_pit", "predictions", "sensitivity", fits=OTHER_FITS - POINT),
    ),
    "a prior": (
        "workflow/models/line/model.py", ("Uniform(-5, 5)", "Uniform(-6, 6)"),
        list_stages(*ALL_STAGES, fits=SMALL_FITS) | figures(*ALL_FIGURES, fits=SMALL_FITS),
    ),
    "another model's file": (
        "workflow/models/hogg/model.py", ("Normal(0, 3)", "Normal(0, 4)"),
        list_stages(*ALL_STAGES, fits=OTHER_FITS) | figures(*ALL_FIGURES, fits=OTHER_FITS),
    ),
    "a model's figures": (
        "workflow/models/line/figures.py", ("m * x + c", "c + m * x"), figures("data", "prior", fits=SMALL_FITS),
    ),
    "a simulation": (
        "workflow/models/line/simulate.py", ("linspace(0, 10", "linspace(0, 11"),
        list_stages("data", *ALL_STAGES, fits=SMALL_FITS) | figures(*ALL_FIGURES, fits=SMALL_FITS),
    ),
    "a row of the data": (
        "resources/hogg2010/table1.csv", ("1,201,592,61", "1,201,593,61"),
        list_stages("data", *ALL_STAGES, fits=OTHER_FITS) | figures(*ALL_FIGURES, fits=OTHER_FITS),
    ),
    "a module of the diagnosis": (
        "workflow/lib/posterity/diagnostics/convergence.py", ("largest R-hat", "worst R-hat"), list_stages("diagnose", "verdict"),
    ),
    "a module of the sensitivity": (
        "workflow/lib/posterity/diagnostics/prior_sensitivity.py", ("SENSITIVITY_LEVEL = 0.05", "SENSITIVITY_LEVEL = 0.06"),
        list_stages("sensitivity", "diagnose", "verdict", "table sensitivity") | figures("sensitivity"),
    ),
    "a module of the comparison": (
        "workflow/lib/posterity/comparison/models.py", ("MIN_KNOWN_POINTS = 100", "MIN_KNOWN_POINTS = 101"),
        list_stages("compare", "table models", "table fits") | figures(*AFTER_COMPARE),
    ),
    "a module imported through others": (
        "workflow/lib/posterity/stats/summary.py", ("ddof=1", "ddof=0"),
        list_stages("predict", "sensitivity", "diagnose", "compare", "verdict", "tables")
        | figures("data", "trace", "ppc", "loo_pit", "predictions", "sensitivity", "forest", *AFTER_COMPARE),
    ),
    "a module of one method": (
        "workflow/lib/posterity/inference/chains.py", ("better twice the", "best twice the"),
        list_stages("fit", "predict", "sensitivity", "diagnose", fits=NUTS) | list_stages("compare", "verdict", "tables")
        | figures(*KINDS, fits=NUTS) | figures("forest", *AFTER_COMPARE),
    ),
    "a module of all methods": ("workflow/lib/posterity/model/range_checks.py", ("PREFLIGHT_DRAWS = 3", "PREFLIGHT_DRAWS = 4"), AFTER_FIT | list_stages("prior") | figures(*ALL_FIGURES)),
    "a module of one figure": ("workflow/lib/posterity/plots/corner.py", ("bins=40", "bins=30"), figures("corner")),
    "a script": (
        "workflow/scripts/predict.py", ('packages = ("jax", "numpyro", "arviz")', 'packages = ("jax", "numpyro", "numpy")'),
        list_stages("predict", "sensitivity", "diagnose", fits=FITS - POINT) | list_stages("verdict", "table sensitivity")
        | list_stages("compare", "table models", "table fits", fits=SMALL_FITS)
        | figures("data", "ppc", "loo_pit", "predictions", "sensitivity", fits=FITS - POINT) | figures(*AFTER_COMPARE, fits=SMALL_FITS),
    ),
}  # fmt: skip

NOTHING = {
    "logging": ("workflow/lib/posterity/workflow/job.py", ("of these", "of which")),
    "messages": ("workflow/lib/posterity/errors.py", ("did you mean", "is it")),
    "a method's listing": ("workflow/lib/posterity/config/registry.py", ("METHODS = {", "METHODS = {'other': Method('chains', 'chains'), ")),
    "what a notebook needs": ("workflow/lib/posterity/notebook.py", ("at the top", "on top")),
    "a comment in a study file": (SMALL, ("title:", "# more\ntitle:")),
    "another notation of a number": (SMALL, ("draws: 400", "draws: 400.0")),
    "the order of keys": (SMALL, ("chains: 2, warmup: 300, draws: 400.0", "draws: 400.0, warmup: 300, chains: 2")),
    "the order of fits": (SMALL, ("  a: {method: nuts, draws: 400.0, warmup: 300, chains: 2}\n", "")),
    "the other place of a fit": (SMALL, ("checks:", "  a: {method: nuts, draws: 400.0, warmup: 300, chains: 2}\nchecks:")),
    "a README": ("workflow/models/line/README.md", ("# line", "# The line")),
}  # fmt: skip


def test_edits_that_change_no_result_make_nothing_run(finished):
    """All of them at once."""
    files = {path: (finished / path).read_text() for path, _ in NOTHING.values()}
    try:
        for edit, (path, (old, new)) in NOTHING.items():
            text = (finished / path).read_text()
            assert old in text, edit
            (finished / path).write_text(text.replace(old, new, 1))
        assert planned(finished) == set()
    finally:
        for path, text in files.items():
            (finished / path).write_text(text)


SHORT = (
    "a label",
    "the threshold of a check of draws",
    "the draws of one fit",
    "a prior",
    "a row of the data",
    "a module of one method",
    "a script",
)


@pytest.mark.parametrize(
    "edit",
    [edit if edit in SHORT else pytest.param(edit, marks=pytest.mark.long) for edit in EDITS],
)
def test_an_edit_makes_its_dependents_run(finished, edit):
    path, (old, new), expected = EDITS[edit]
    file = finished / path
    before = file.read_text()
    assert old in before
    after = before.replace(old, new, 1)
    if after == before:
        after += "\n# an edit\n"
    try:
        file.write_text(after)
        assert planned(finished) == expected
    finally:
        file.write_text(before)


def test_touching_files_makes_nothing_run(finished):
    for folder in ("workflow", "config", "resources", "envs"):
        for file in (finished / folder).rglob("*"):
            if file.is_file():
                os.utime(file)
    assert planned(finished) == set()


def test_moving_the_project_makes_nothing_run(finished, tmp_path):
    moved = tmp_path / "elsewhere"
    os.rename(finished, moved)
    try:
        assert planned(moved) == set()
    finally:
        os.rename(moved, finished)


@pytest.mark.long
def test_a_file_that_a_simulation_reads_is_an_input(project):
    """The `design` of the study `colour` names the table of filters, so an edit of it remakes the data."""
    given = ("--config", "studies=colour", "--", "results/colour/data.nc")
    assert snakemake(project, *given).returncode == 0
    table = project / "resources/speclite/decamDR1.csv"
    assert "Job " not in snakemake(project, "-n", *given).stdout
    table.write_text(table.read_text().replace("0.3805,0.000134", "0.3805,0.000135"))
    assert "data of colour" in snakemake(project, "-n", *given).stdout
