"""What runs again after an edit: exactly what the edit touches."""

import os
import re

import pytest
from conftest import snakemake

SMALL, OTHER = "config/studies/small.yaml", "config/studies/other.yaml"
FITS = {("small", "line", "a"), ("small", "line", "b"), ("small", "line_angle", "a"), ("other", "line", "a")}
KINDS = ("data", "corner", "trace", "ppc")


def planned(project):
    """The jobs of a dry run, by their messages."""
    run = snakemake(project, "-n")
    assert run.returncode == 0, run.stdout
    return {text for text in re.findall(r"^Job \d+: (.*)$", run.stdout, flags=re.MULTILINE) if not text.startswith("all artefacts")}


def of(*stages, fits=FITS):
    """The messages of stages for some fits."""
    plural = {"fit": "fit", "predict": "predictions", "diagnose": "diagnosis"}
    jobs = {f"{plural[stage]} of {', '.join(fit)}" for stage in stages if stage in plural for fit in fits}
    jobs |= {f"prior of {study}, {model}" for study, model, _ in fits if "prior" in stages}
    for study in {study for study, _, _ in fits}:
        jobs |= {f"data of {study}"} if "data" in stages else set()
        jobs |= {f"verdict on {study}"} if "verdict" in stages else set()
        jobs |= {f"tables of {study}"} if "tables" in stages else set()
    return jobs | ({"verdicts on all studies"} if "verdict" in stages else set())


def figures(*kinds, fits=FITS):
    """The messages of figures of some kinds for some fits."""
    per_fit = {f"figure {model}_{fit}_{kind} of {study}" for study, model, fit in fits for kind in kinds if kind in KINDS}
    return per_fit | {f"figure {model}_{kind} of {study}" for study, model, _ in fits for kind in kinds if kind not in KINDS}


ALL_FIGURES = (*KINDS, "prior", "forest", "graph")
SMALL_FITS = {fit for fit in FITS if fit[0] == "small"}
OTHER_FITS = FITS - SMALL_FITS
B = {("small", "line", "b")}
AFTER_FIT = of("fit", "predict", "diagnose", "verdict", "tables")

EDITS = {
    "a label": (
        SMALL, ("figures: {", "figures: {labels: {m: gradient}, "),
        figures(*ALL_FIGURES, fits=SMALL_FITS) | of("tables", fits=SMALL_FITS),
    ),
    "a figure option": (OTHER, ("checks:", "figures: {lines: 10}\nchecks:"), figures(*ALL_FIGURES, fits=OTHER_FITS)),
    "the threshold of a check of draws": (SMALL, ("rhat: 1.1", "rhat: 1.2"), of("diagnose", "verdict", fits=SMALL_FITS)),
    "the threshold of a check of predictions": (SMALL, ("rhat: 1.1", "rhat: 1.1, ppc: 0.02"), of("diagnose", "verdict", fits=SMALL_FITS)),
    "an expectation": (OTHER, ("ppc: fail", "ppc: fail, rhat: warn"), of("verdict", fits=OTHER_FITS)),
    "the draws of one fit": (
        SMALL, ("draws: 500", "draws: 600"),
        of("fit", "predict", "diagnose", "verdict", "tables", fits=B) | figures(*KINDS, fits=B) | figures("forest", fits=B),
    ),
    "the models of one fit": (
        SMALL, ("draws: 500, models: [line]", "draws: 500, models: [line, line_angle]"),
        of("fit", "predict", "diagnose", "verdict", "tables", fits={("small", "line_angle", "b")})
        | figures(*KINDS, "forest", fits={("small", "line_angle", "b")}),
    ),
    "a prior": (
        "workflow/models/line/model.py", ("Uniform(-5, 5)", "Uniform(-6, 6)"),
        of("prior", "fit", "predict", "diagnose", "verdict", "tables", fits=SMALL_FITS) | figures(*ALL_FIGURES, fits=SMALL_FITS),
    ),
    "another model's file": (
        "workflow/models/hogg/model.py", ("Normal(0, 3)", "Normal(0, 4)"),
        of("prior", "fit", "predict", "diagnose", "verdict", "tables", fits=OTHER_FITS) | figures(*ALL_FIGURES, fits=OTHER_FITS),
    ),
    "a model's figures": ("workflow/models/line/figures.py", ("m * x + c", "c + m * x"), figures("data", fits=SMALL_FITS)),
    "a simulation": (
        "workflow/models/line/simulate.py", ("linspace(0, 10", "linspace(0, 11"),
        of("data", "prior", "fit", "predict", "diagnose", "verdict", "tables", fits=SMALL_FITS) | figures(*ALL_FIGURES, fits=SMALL_FITS),
    ),
    "a row of the data": (
        "resources/hogg2010/table1.csv", ("1,201,592,61", "1,201,593,61"),
        of("data", "prior", "fit", "predict", "diagnose", "verdict", "tables", fits=OTHER_FITS) | figures(*ALL_FIGURES, fits=OTHER_FITS),
    ),
    "a module of the diagnosis": (
        "workflow/lib/posterity/convergence.py", ("largest R-hat", "worst R-hat"), of("diagnose", "verdict"),
    ),
    "a module imported through others": (
        "workflow/lib/posterity/statistics.py", ("ddof=1", "ddof=0"), of("diagnose", "verdict", "tables") | figures("data", "trace", "forest"),
    ),
    "a module of the fit": (
        "workflow/lib/posterity/sampling.py", ("block_until_ready", "block_until_ready"),
        AFTER_FIT | figures(*KINDS, "forest"),
    ),
    "a module of one figure": ("workflow/lib/posterity/plots/corner.py", ("bins=40", "bins=30"), figures("corner")),
    "a script": ("workflow/scripts/predict.py", ("SMALL = 100", "SMALL = 99"), of("predict", "diagnose", "verdict") | figures("data", "ppc")),
    "logging": ("workflow/lib/posterity/job.py", ("of these", "of which"), set()),
    "messages": ("workflow/lib/posterity/errors.py", ("did you mean", "is it"), set()),
    "another method's listing": ("workflow/lib/posterity/catalogue.py", ("METHODS = {", "METHODS = {'other': 'chains', "), set()),
    "a comment in a study file": (SMALL, ("title:", "# more\ntitle:"), set()),
    "numbers written otherwise": (SMALL, ("draws: 400", "draws: 400.0"), set()),
    "the order of keys": (SMALL, ("chains: 2, warmup: 300, draws: 400", "draws: 400, warmup: 300, chains: 2"), set()),
    "the order of fits": (SMALL, ("  a: {method: nuts, chains: 2, warmup: 300, draws: 400}\n", ""), "moved below"),
    "a README": ("workflow/models/line/README.md", ("# line", "# The line"), set()),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_what_runs_again(finished, edit):
    path, (old, new), expected = EDITS[edit]
    file = finished / path
    before = file.read_text()
    assert old in before
    after = before.replace(old, new, 1)
    if expected == "moved below":
        after, expected = after.replace("checks:", f"{old}checks:"), set()
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
