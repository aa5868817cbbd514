"""Bad input, by the command line: one sentence, an exit code, no traceback, and earlier results untouched."""

import shutil

import pytest
from conftest import ROOT, snakemake

from posterity import artefact

STUDY = ROOT / "tests/workflow/studies/other.yaml"


@pytest.fixture
def study(project):
    shutil.copy2(STUDY, project / "config/studies/other.yaml")
    return project


def edit(project, path, old, new):
    file = project / path
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def refused(project, *targets):
    """Run, and give back the sentence that the user is shown."""
    run = snakemake(project, "--config", "studies=other", "--", *targets)
    assert run.returncode != 0
    assert "Traceback" not in run.stdout
    sentences = [line for line in run.stdout.splitlines() if line.startswith("posterity: ")]
    assert sentences, run.stdout[-3000:]
    assert len(set(sentences)) == 1, sentences
    return sentences[0]


@pytest.mark.parametrize(
    ("path", "old", "new", "parts"),
    [
        ("config/studies/other.yaml", "title:", "tittle:", ["other.yaml", "unknown key 'tittle'", "'title'"]),
        ("config/studies/other.yaml", "draws: 500", "draws: lots", ["fits: a", "draws", "whole number"]),
        ("config/studies/other.yaml", "method: nuts", "method: nut", ["'nut' is not known", "'nuts'"]),
        ("config/studies/other.yaml", "table1.csv", "table2.csv", ["no file resources/hogg2010/table2.csv"]),
        ("config/studies/other.yaml", "sigma_y: e", "sigmay: e", ["no column 'sigmay'", "'sigma_y'"]),
        ("config/studies/other.yaml", "function: line", "function: lines", ["no function 'lines'", "'line'"]),
        ("config/studies/other.yaml", "dim: point", "dim point", ["other.yaml, line"]),
        ("workflow/models/hogg/model.py", "def line(", "def line((", ["model.py, line"]),
    ],
)
def test_before_anything_runs(study, path, old, new, parts):
    edit(study, path, old, new)
    sentence = refused(study)
    for part in parts:
        assert part in sentence


def test_a_study_that_is_not_there(study):
    run = snakemake(study, "--config", "studies=othr")
    assert run.returncode != 0
    assert "there is no study 'othr'" in run.stdout
    assert "did you mean 'other'" in run.stdout
    assert "Traceback" not in run.stdout


def test_a_missing_value_is_named_by_its_row(study):
    edit(study, "resources/hogg2010/table1.csv", "4,287,402,15", "4,287,,15")
    sentence = refused(study, "datasets")
    assert "row 4" in sentence
    assert "'y' is missing" in sentence


def test_faults_of_a_rerun_leave_earlier_results_untouched(study):
    """A zero error bar, a model that does not import, a model that fails: what was there before stays as it was."""
    assert snakemake(study, "--config", "studies=other", "--", "fits", "priors").returncode == 0
    paths = ("results/other/line/prior.nc", "results/other/line/a/posterior.nc")
    before = {path: (study / path).read_bytes() for path in paths}
    model = (study / "workflow/models/hogg/model.py").read_text()

    edit(study, "workflow/models/hogg/model.py", "import jax.numpy", "import jaxx.numpy")
    sentence = refused(study, "fits")
    assert "model.py, line" in sentence
    assert "jaxx" in sentence
    assert {path: (study / path).read_bytes() for path in paths} == before
    assert "Traceback" in "".join(log.read_text() for log in (study / "results/logs").rglob("*.log"))

    edit(study, "config/studies/other.yaml", "draws: 500", "draws: 600")
    refused(study, "fits")
    (study / "workflow/models/hogg/model.py").write_text(model)
    planned = snakemake(study, "-n", "--config", "studies=other", "--", "fits").stdout
    assert "fit of other, line, a" in planned, "the earlier result, kept, is taken for the one of the failed job"
    edit(study, "config/studies/other.yaml", "draws: 600", "draws: 500")

    (study / "workflow/models/hogg/model.py").write_text(model.replace("Normal(m * x + b, e)", "Normal(m * x + b, e[:3])", 1))
    assert "cannot be evaluated" in refused(study, "priors")
    assert {path: (study / path).read_bytes() for path in paths} == before

    (study / "workflow/models/hogg/model.py").write_text(model)
    edit(study, "resources/hogg2010/table1.csv", "7,210,479,27", "7,210,479,0")
    sentence = refused(study, "fits")
    for part in ("table1.csv", "row 7", "'e' is 0", "above 0"):
        assert part in sentence
    assert {path: (study / path).read_bytes() for path in paths} == before

    edit(study, "resources/hogg2010/table1.csv", "7,210,479,0", "7,210,479,27")
    assert snakemake(study, "--config", "studies=other", "--", "fits").returncode == 0
    assert artefact.read(study / paths[1])["posterior"]["m"].shape == (2, 500)


@pytest.mark.long
def test_a_strict_run_stops_at_a_failed_verdict_and_keeps_the_evidence(study):
    edit(study, "config/studies/other.yaml", ", expect: {line: {a: {ppc: fail}}}", "")
    run = snakemake(study, "--config", "studies=other", "strict=true", "--", "results/other/gate.txt")
    assert run.returncode != 0
    sentence = next(line for line in run.stdout.splitlines() if line.startswith("posterity: gate"))
    assert "model line, fit a: ppc: " in sentence
    assert (study / "results/other/verdict.nc").is_file()
    assert (study / "results/other/line/a/posterior.nc").is_file()
    assert snakemake(study, "--config", "studies=other", "--", "verdicts").returncode == 0
