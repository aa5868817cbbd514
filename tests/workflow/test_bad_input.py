"""Bad input gives one message, an exit code, no traceback, and leaves earlier results untouched."""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest
from conftest import ROOT, snakemake

from posterity.artefact.netcdf import read_artefact
from posterity.cli.check import check_study
from posterity.workflow.job import read_status

STUDY = """
title: A small study of real data
data:
  file: resources/hogg2010/table1.csv
  columns: {id: id, x: x, y: y, sigma_y: e}
  dim: point
models:
  line: {model: hogg, function: line}
fits:
  a: {method: nuts, chains: 1, warmup: 200, draws: 60}
"""


@pytest.fixture
def study(project):
    (project / "config/studies/other.yaml").write_text(STUDY)
    return project


def edit(project, path, old, new):
    file = project / path
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def list_messages(project, *arguments, studies="other"):
    """Return the messages that the user sees of a run that has to fail."""
    run = snakemake(project, "--config", f"studies={studies}", *arguments)
    assert run.returncode != 0
    assert "Traceback" not in run.stdout
    return [
        line for line in dict.fromkeys(run.stdout.splitlines()) if line.startswith("posterity: ")
    ] or [run.stdout[-3000:]]


def refused(project, *targets):
    """Return the only message that the user sees of a run that has to fail."""
    sentences = list_messages(project, "--", *targets)
    assert len(sentences) == 1, sentences
    return sentences[0]


def assert_parts(sentence, parts):
    for part in parts:
        assert part in sentence


@pytest.mark.parametrize(
    ("path", "old", "new", "parts"),
    [
        (
            "config/studies/other.yaml",
            "title:",
            "tittle:",
            ["other.yaml", "unknown key 'tittle'", "'title'"],
        ),
        ("config/studies/other.yaml", "dim: point", "dim point", ["other.yaml, line"]),
        pytest.param(
            "config/studies/other.yaml",
            "title:",
            "extends: other\ntitle:",
            ["other extends other", "cannot extend itself"],
            marks=pytest.mark.long,
        ),
        pytest.param(
            "config/studies/other.yaml",
            "title:",
            "compare: {reference: curve}\ntitle:",
            ["compare: reference", "no model 'curve'"],
            marks=pytest.mark.long,
        ),
        ("workflow/models/hogg/model.py", "def line(", "def line((", ["model.py, line"]),
    ],
)
def test_an_error_of_a_study_stops_a_run_before_its_first_job(study, path, old, new, parts):
    edit(study, path, old, new)
    assert_parts(refused(study), parts)


def test_an_unknown_study_is_refused(study):
    assert_parts(
        list_messages(study, studies="othr")[0],
        ["there is no study 'othr'", "did you mean 'other'"],
    )


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("nostudy/data.nc", ["results/nostudy", "not a study of this run", "other"]),
        pytest.param("other/curve/prior.nc", ["no model 'curve'", "line"], marks=pytest.mark.long),
        ("other/line/b/diagnosis.nc", ["no fit 'b'", "known: a"]),
        pytest.param(
            "nostudy/verdict.nc",
            ["results/nostudy", "not a study of this run"],
            marks=pytest.mark.long,
        ),
        pytest.param(
            "other/line/b/posterior.nc", ["no fit 'b'", "known: a"], marks=pytest.mark.long
        ),
        pytest.param(
            "other/curve/a/predictive.nc", ["no model 'curve'", "line"], marks=pytest.mark.long
        ),
        pytest.param(
            "other/figures/line_a_dta.svg",
            ["no figure 'line_a_dta'", "'line_a_data'"],
            marks=pytest.mark.long,
        ),
        pytest.param(
            "other/tables/models.csv", ["no table 'models'", "parameters"], marks=pytest.mark.long
        ),
        pytest.param("other/comparison.nc", ["nothing to compare"], marks=pytest.mark.long),
    ],
)
def test_an_unknown_target_is_refused(study, target, parts):
    assert_parts(refused(study, f"results/{target}"), parts)


@pytest.mark.long
def test_predictions_of_a_point_estimate_are_refused(study):
    edit(
        study,
        "config/studies/other.yaml",
        "method: nuts, chains: 1, warmup: 200, draws: 60",
        "method: map",
    )
    assert_parts(
        refused(study, "results/other/line/a/predictive.nc"), ["fit 'a' is a point estimate"]
    )


@pytest.mark.long
def test_studies_that_extend_each_other_are_refused(study):
    (study / "config/studies/third.yaml").write_text("extends: other\n")
    edit(study, "config/studies/other.yaml", "title:", "extends: third\ntitle:")
    assert_parts(refused(study), ["third.yaml", "other extends third extends other"])


def test_a_missing_value_is_reported_with_its_row(study):
    edit(study, "resources/hogg2010/table1.csv", "4,287,402,15", "4,287,,15")
    assert_parts(refused(study, "datasets"), ["row 4", "'y' is missing"])


@pytest.mark.long
def test_errors_of_a_second_run_leave_earlier_results_untouched(study):
    """Errors: a zero error bar, a model that does not import, a model that fails."""
    assert snakemake(study, "--config", "studies=other", "--", "fits", "priors").returncode == 0
    paths = ("results/other/line/prior.nc", "results/other/line/a/posterior.nc")
    before = {path: (study / path).read_bytes() for path in paths}
    model = (study / "workflow/models/hogg/model.py").read_text()

    edit(study, "workflow/models/hogg/model.py", "import jax.numpy", "import jaxx.numpy")
    assert_parts(refused(study, "fits"), ["model.py, line", "jaxx"])
    assert {path: (study / path).read_bytes() for path in paths} == before
    assert "Traceback" in "".join(
        log.read_text() for log in (study / "results/logs").rglob("*.log")
    )

    edit(study, "config/studies/other.yaml", "draws: 60", "draws: 70")
    refused(study, "fits")
    (study / "workflow/models/hogg/model.py").write_text(model)
    planned = snakemake(study, "-n", "--config", "studies=other", "--", "fits").stdout
    assert "fit of other, line, a" in planned, (
        "the earlier result counts as the result of the failed job"
    )
    edit(study, "config/studies/other.yaml", "draws: 70", "draws: 60")

    (study / "workflow/models/hogg/model.py").write_text(
        model.replace("Normal(m * x + b, e)", "Normal(m * x + b, e[:3])", 1)
    )
    assert "cannot be evaluated" in refused(study, "priors")
    assert {path: (study / path).read_bytes() for path in paths} == before

    (study / "workflow/models/hogg/model.py").write_text(model)
    edit(study, "resources/hogg2010/table1.csv", "7,210,479,27", "7,210,479,0")
    assert_parts(refused(study, "fits"), ("table1.csv", "row 7", "'e' is 0", "above 0"))
    assert {path: (study / path).read_bytes() for path in paths} == before

    edit(study, "resources/hogg2010/table1.csv", "7,210,479,0", "7,210,479,27")
    assert snakemake(study, "--config", "studies=other", "--", "fits").returncode == 0
    assert read_artefact(study / paths[1])["posterior"]["m"].shape == (1, 60)


# Errors of data and models, which `make check` reports in one process, and a run reports too


IMPORTS = "import jax.numpy as jnp\nimport numpyro\nimport numpyro.distributions as dist\n\n\n"
LINE = "def model(x, e, y=None):\n    m = numpyro.sample('m', dist.Normal(0, 5))\n    numpyro.sample('y', dist.Normal(m * x, e), obs=y)\n"
TABLE = "x,e,y\n1,0.5,2\n2,0.5,3\n3,0.5,5\n4,0.5,6\n"
MINE = "title: Mine\ndata: {file: t.csv}\nmodels: {m: {file: m.py}}\nfits: {f: {method: nuts, chains: 1, warmup: 20, draws: 20}}\n"
SIMULATED = "{simulate: {model: m, truth: TRUTH, design: {x: [1, 2, 3], e: 0.5}}}"
IMPROPER = "dist.ImproperUniform(dist.constraints.real, (), ())"


def data(text):
    return MINE.replace("{file: t.csv}", text)


# name: table, study, model, and parts of the message
ERRORS = {
    "a missing value": (TABLE.replace("3\n", "\n", 1), MINE, LINE, ["t.csv: row 2", "'y' is missing"]),
    "an infinite value": (TABLE.replace("3\n", "inf\n", 1), MINE, LINE, ["t.csv: row 2", "'y' is inf"]),
    "a negative error bar": (TABLE.replace("2,0.5", "2,-1"), MINE, LINE, ["t.csv: row 2", "'e' is -1", "above 0"]),
    "an error bar of zero": (TABLE.replace("2,0.5", "2,0"), MINE, LINE, ["t.csv: row 2", "'e' is 0", "above 0"]),
    "text among numbers": (TABLE.replace("3\n", "3?\n", 1), MINE, LINE, ["t.csv: row 2", "'3?'", "column of numbers"]),
    "text as an argument": (TABLE.replace("0.5", "high"), MINE, LINE, ["argument 'e'", "'high' in row 1"]),
    "a table of a header alone": ("x,e,y\n", MINE, LINE, ["t.csv: no row is left"]),
    "a table of no bytes": ("", MINE, LINE, ["t.csv", "it is empty"]),
    "no row selected": (TABLE, data("{file: t.csv, select: x > 99}"), LINE, ["no row is left", "`select`"]),
    "select is none": (TABLE, data('{file: t.csv, select: "x >"}'), LINE, ["data: select: cannot parse 'x >'"]),
    "select knows no column": (TABLE, data("{file: t.csv, select: xx > 1}"), LINE, ["data: select", "'xx'", "'x'"]),
    "derive is none": (TABLE, data('{file: t.csv, derive: {z: "log("}}'), LINE, ["data: derive: z", "cannot parse 'log('"]),
    "derive knows no column": (TABLE, data("{file: t.csv, derive: {z: log(w)}}"), LINE, ["data: derive: z", "'w'", "not a column"]),
    "derive is infinite": (TABLE, data("{file: t.csv, derive: {z: log(x - 1)}}"), LINE, ["t.csv: row 1", "'z' is -inf"]),
    "a required argument": (TABLE, MINE, LINE.replace("x, e", "x, err").replace(", e)", ", err)"), ["argument 'err'", "renames"]),
    "an optional argument": (TABLE, MINE, LINE.replace("y=", "flux=").replace("=y", "=flux"), ["'flux'", "'y' would not be obs"]),
    "a plate of another size": (
        TABLE, MINE, LINE.replace("    numpyro.sample('y'", "    with numpyro.plate('p', 3):\n        numpyro.sample('y'"),
        ["m.py: model, line 9", "shapes", "y (4,)"],
    ),
    "a column against a row": (TABLE, MINE, LINE.replace("m * x", "m * x[:, None]"), ["m.py", "site 'y'", "4 x 4 times"]),
    "no vector for a vector": (
        TABLE, MINE, LINE.replace("dist.Normal(m * x, e), obs=y", "dist.MultivariateNormal(m * x, jnp.eye(4)), obs=0.0"),
        ["m.py", "site 'y'", "do not fit MultivariateNormal"],
    ),
    "a discrete parameter": (TABLE, MINE, LINE.replace("dist.Normal(0, 5)", "dist.Poisson(3)"), ["m.py", "'m'", "discrete"]),
    "control flow": (
        TABLE, MINE, LINE.replace("    numpyro.sample('y'", "    if m > 0:\n        m = -m\n    numpyro.sample('y'"),
        ["m.py: model, line 8", "`if m > 0:`", "jnp.where"],
    ),
    "a site called chain": (TABLE, MINE, LINE.replace("'m'", "'chain'"), ["m.py", "may not be called 'chain'", "Rename"]),
    "a site called draw": (TABLE, MINE, LINE.replace("'m'", "'draw'"), ["m.py", "may not be called 'draw'", "Rename"]),
    "two sites of one name": (TABLE, MINE, LINE.replace("'y'", "'m'"), ["m.py: model, line 8", "`m` duplicated", "its own name"]),
    "no parameter": (TABLE, MINE, LINE.replace("numpyro.sample('m', dist.Normal(0, 5))", "2.0"), ["m.py", "no latent site"]),
    "an import that fails": (TABLE, MINE, f"import nothing_there\n{LINE}", ["m.py, line", "nothing_there"]),
    "an improper prior drawn": (
        TABLE, data(SIMULATED.replace("TRUTH", "prior")), LINE.replace("dist.Normal(0, 5)", IMPROPER),
        ["simulate: truth", "'m' is improper", "Give the true values"],
    ),
    "a truth too few": (TABLE, data(SIMULATED.replace("TRUTH", "{}")), LINE, ["truth", "no value for the site 'm'"]),
    "a truth too many": (TABLE, data(SIMULATED.replace("TRUTH", "{m: 1, b: 2}")), LINE, ["truth", "no site 'b'"]),
    "a truth that is text": (TABLE, data(SIMULATED.replace("TRUTH", "{m: steep}")), LINE, ["truth", "'steep'", "a number"]),
}  # fmt: skip


def put(project, study, table, text, model):
    """Write a study with a table and a model of its own."""
    (project / f"{study}.csv").write_text(table)
    (project / f"{study}.py").write_text(IMPORTS + model)
    (project / f"config/studies/{study}.yaml").write_text(
        text.replace("t.csv", f"{study}.csv").replace("m.py", f"{study}.py")
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A project's folder, as far as `make check` needs it."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(ROOT / "config", folder / "config")
    return folder


@pytest.mark.parametrize("name", ERRORS)
def test_a_check_reports_the_error(place, monkeypatch, name):
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.chdir(place)
    *content, parts = ERRORS[name]
    put(place, "t", *content)
    (sentence,) = check_study("t")
    assert "\n" not in sentence
    assert_parts(sentence, [part.replace("m.py", "t.py") for part in parts])


def test_a_check_lists_all_errors_at_once(place):
    """Errors of a study, of a table, and of models with their data. Each kind hides the next."""
    put(
        place,
        "a",
        TABLE,
        f"titel: x\n{MINE}cheks: {{}}\n".replace("method: nuts", "method: nut"),
        LINE,
    )
    put(
        place,
        "b",
        TABLE,
        MINE.replace("draws: 20", "draws: -3").replace(
            "m: {file: m.py}", "m: {file: no.py}, n: {file: none.py}"
        ),
        LINE,
    )
    put(place, "c", TABLE.replace("1,0.5", "inf,0.5").replace(",6", ","), MINE, LINE)
    put(
        place,
        "d",
        TABLE.replace("1,0.5", "1,0"),
        MINE.replace("m.py}", "m.py}, n: {file: no_such.py}").replace("no_such", "dd"),
        LINE,
    )
    (place / "dd.py").write_text(IMPORTS + LINE.replace("'m'", "'draw'"))
    environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
    command = [sys.executable, "-m", "posterity", "check", "a", "b", "c", "d"]
    environment["PYTHONPATH"] = str(ROOT / "workflow/lib")
    run = subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    found = [line for line in run.stderr.splitlines() if line.startswith("posterity: ")]
    for study, parts in {
        "a": ["'titel'", "'cheks'", "'nut'"],
        "b": ["-3", "no.py", "none.py"],
        "c": ["row 1", "'x' is inf", "row 4", "'y' is missing"],
        "d": ["'e' is 0", "d.py", "dd.py", "'draw'"],
    }.items():
        mine = "\n".join(
            line
            for line in found
            if f"{study}.yaml" in line or f"{study}.csv" in line or f"{study}.py" in line
        )
        assert_parts(mine, parts)
    assert "11 errors found" in run.stdout, run.stdout + run.stderr


@pytest.mark.long
def test_a_run_reports_every_error_too(project):
    """One run with a study for each error. Each gives one message, and no study has a result."""
    studies = {f"s{i}": name for i, name in enumerate(ERRORS)}
    for study, name in studies.items():
        put(project, study, *ERRORS[name][:3])
    early = [study for study, name in studies.items() if name == "a table of no bytes"]
    run = snakemake(
        project,
        "-k",
        "--config",
        "studies=" + ",".join(s for s in studies if s not in early),
        "--",
        "fits",
    )
    assert run.returncode != 0
    assert "Traceback" not in run.stdout
    for study, name in studies.items():
        if study in early:
            assert_parts(list_messages(project, studies=study)[0], [f"{study}.csv", "it is empty"])
            continue
        found = {
            line
            for line in run.stdout.splitlines()
            if line.startswith((f"posterity: data {study}:", f"posterity: fit {study}/"))
        }
        assert len(found) == 1, (name, found)
        parts = [
            part.replace("t.csv", f"{study}.csv").replace("m.py", f"{study}.py")
            for part in ERRORS[name][3]
        ]
        assert_parts(found.pop(), parts)
    assert not list(project.glob("results/s*/*/*/posterior.nc"))


def test_the_end_of_a_run_repeats_why_each_job_failed(project):
    """Each message appears when the job fails, and again at the end from the status files."""
    studies = {"one": "control flow", "two": "two sites of one name"}
    for study, name in studies.items():
        put(project, study, *ERRORS[name][:3])
    run = snakemake(project, "-k", "--config", "studies=one,two", "--", "fits")
    assert run.returncode != 0
    sentences = [line for line in run.stdout.splitlines() if line.startswith("posterity: ")]
    assert len(sentences) == 4
    assert set(sentences[:2]) == set(sentences[2:])
    for study in studies:
        status = read_status(str(project / f"results/logs/fit/{study}/m/f.log"))
        assert status["state"] == "failed"
        assert f"posterity: fit {study}/m/f: {status['messages'][0]}" in sentences


@pytest.mark.long
def test_starts_without_a_finite_density_are_reported(project):
    """Observations that no prior draw allows, for each method. Covariates that are missing or unknown."""
    methods = "fits:\n  nuts: {method: nuts, chains: 1, warmup: 20, draws: 20}\n  svi: {method: svi, steps: 100, draws: 30, restarts: 3}\n"
    text = MINE.partition("fits:")[0] + methods + "  map: {method: map, restarts: 2}\n"
    put(
        project,
        "narrow",
        TABLE,
        text,
        LINE.replace("dist.Normal(m * x, e)", "dist.Uniform(0 * m, 4)"),
    )
    put(
        project,
        "factor",
        TABLE,
        text,
        LINE + "    numpyro.factor('f', jnp.where(m > -1e9, -jnp.inf, 0.0))\n",
    )
    put(project, "unknown", TABLE, f"{MINE}predict: {{at: {{z: 3}}}}\n", LINE)
    put(project, "missing", TABLE, f"{MINE}predict: {{at: {{x: [3, 4]}}}}\n", LINE)
    sentences = list_messages(
        project, "-k", "--", "fits", "predictions", studies="narrow,factor,unknown,missing"
    )
    for method in ("nuts", "svi", "map"):
        (sentence,) = [
            line for line in sentences if line.startswith(f"posterity: fit narrow/m/{method}: ")
        ]
        assert_parts(
            sentence, ["narrow.py", "not finite at any start", "site 'y' is finite in 0 of 100"]
        )
        (sentence,) = [
            line for line in sentences if line.startswith(f"posterity: fit factor/m/{method}: ")
        ]
        assert_parts(sentence, ["factor.py", "not finite at any start", "numpyro.factor"])
    for study, parts in {
        "unknown": ["predict: at", "z is not a covariate"],
        "missing": ["predict: at", "e is a covariate", "too"],
    }.items():
        (sentence,) = [
            line for line in sentences if line.startswith(f"posterity: predict {study}/m/f: ")
        ]
        assert_parts(sentence, [f"{study}.yaml", *parts])
    assert len(sentences) == 8, sentences


# Artefacts and their folders


def cut(file, _):
    os.truncate(file, file.stat().st_size // 2)


def overwrite(file, _):
    file.write_text("These are notes.\n")


def exchange(file, other):
    shutil.copyfile(other, file)


@pytest.mark.long
def test_damaged_artefacts_and_those_of_another_study_are_refused(study):
    """The next stage refuses them by name and keeps its own output. If deleted, they are made again."""
    shutil.copy2(study / "config/studies/other.yaml", study / "config/studies/twin.yaml")
    assert (
        snakemake(
            study,
            "--config",
            "studies=other,twin",
            "--",
            "diagnoses",
            "results/other/figures/line_a_corner.svg",
        ).returncode
        == 0
    )
    results = study / "results/other"
    diagnosis = results / "line/a/diagnosis.nc"
    for artefact_of in ("data.nc", "line/a/posterior.nc", "line/a/predictive.nc"):
        file = results / artefact_of
        whole, times, judged = file.read_bytes(), file.stat(), diagnosis.read_bytes()
        for spoil in (cut, overwrite, exchange):
            spoil(file, study / "results/twin" / artefact_of)
            sentences = list_messages(study, "--", "diagnoses")
            for sentence in sentences:
                assert_parts(sentence, [f"results/other/{artefact_of}", "Delete it and run again"])
                assert (
                    "belongs to other inputs" if spoil is exchange else "is damaged"
                ) in sentence
            assert diagnosis.read_bytes() == judged
            file.write_bytes(whole)
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
        overwrite(file, None)
        file.unlink()
        run = snakemake(study, "--config", "studies=other", "--", "diagnoses")
        assert run.returncode == 0, run.stdout[-3000:]
        assert "line" in read_artefact(diagnosis, study="other").attrs["model"]


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("a file", ["results", "this is a file", "Move it away"]),
        pytest.param(
            "read-only", ["/sys/kernel", "cannot be written", "results/"], marks=pytest.mark.long
        ),
        ("nowhere", ["results", "leads to /nowhere/results", "does not exist"]),
    ],
)
def test_results_that_cannot_be_written_are_refused(study, kind, parts):
    (study / "results").rmdir()
    if kind == "a file":
        (study / "results").write_text("Mine.\n")
    else:
        (study / "results").symlink_to("/sys/kernel" if kind == "read-only" else "/nowhere/results")
    assert_parts(refused(study, "datasets"), parts)


@contextmanager
def small_disk(place, size):
    """Mount a small file system. Skip the test if that is not allowed."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.long
def test_a_full_disk_is_reported(study):
    """The message names file and disk, even if the log cannot be written. No partial file is left."""
    with small_disk(study / "results", "52k"):
        assert_parts(
            refused(study, "fits"),
            ["results/other/line/a/posterior.nc", "cannot be written", "disk", "0.0 MB free"],
        )
        assert (study / "results/other/data.nc").is_file()
        assert not [file for file in (study / "results/other/line").rglob("*") if file.is_file()]
        try:
            (study / "results/rest").write_bytes(bytes(10**6))
        except OSError:
            assert_parts(
                refused(study, "fits"),
                [str(study / "results"), "cannot be written", "No space left"],
            )


@pytest.mark.long
def test_a_project_that_cannot_be_written_is_refused(study):
    with small_disk(study / "results", "4m"):
        project = study / "results/project"
        shutil.copytree(study, project, symlinks=True, ignore=shutil.ignore_patterns("results"))
        subprocess.run(["mount", "-o", "remount,ro", study / "results"], check=True)
        assert_parts(refused(project, "datasets"), [str(project), "cannot be written", "Read-only"])


@pytest.mark.long
def test_a_strict_run_stops_at_a_failed_verdict_and_keeps_the_evidence(study):
    edit(
        study,
        "config/studies/other.yaml",
        "chains: 1, warmup: 200, draws: 60",
        "chains: 2, warmup: 400, draws: 500",
    )
    run = snakemake(
        study, "--config", "studies=other", "strict=true", "--", "results/other/gate.txt"
    )
    assert run.returncode != 0
    sentence = next(line for line in run.stdout.splitlines() if line.startswith("posterity: gate"))
    assert "model line, fit a: " in sentence
    assert "ppc: " in sentence
    assert (study / "results/other/verdict.nc").is_file()
    assert (study / "results/other/line/a/posterior.nc").is_file()
    assert snakemake(study, "--config", "studies=other", "--", "verdicts").returncode == 0
