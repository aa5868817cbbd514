"""The verdicts of a run in which jobs failed."""

import csv
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from small_project import make_project, make_study

from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.artefact.provenance import collect_provenance
from posterity.diagnostics.check import Check, checks_to_dataset
from posterity.diagnostics.verdict import assemble_verdict
from posterity.errors import UserError
from posterity.report.verdict_files import write_study_verdict
from posterity.workflow import paths
from posterity.workflow.job import get_status_path
from posterity.workflow.partial_run import (
    EndedRun,
    conclude_failed_run,
    write_partial_verdicts,
)

FITS = (("straight", "nuts"), ("straight", "map"), ("curved", "nuts"))


class Dag:
    """Jobs in the place of those of Snakemake: each has a name, an output, a log and its needs."""

    def __init__(self):
        self.jobs = []
        self.dependencies = {}
        self.done = set()
        self.up_to_date = set()

    def add(self, output, *needs):
        log = output.replace("results/", "results/logs/").replace(".", "_") + ".log"
        job = Job(output=[output], log=[log])
        self.jobs.append(job)
        self.dependencies[job] = {other: set() for other in needs}
        return job

    def needrun(self, job):
        return job not in self.up_to_date

    def finished(self, job):
        return job in self.done


class Job(SimpleNamespace):
    __hash__ = object.__hash__

    def is_group(self):
        return False


def write_status(job, state, *messages):
    path = get_status_path(job.log[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"state": state, "job": "x", "messages": messages}))


def write_diagnosis(study, model, fit):
    path = paths.DIAGNOSIS.format(study=study, model=model, fit=fit)
    checks = [
        Check(name, 500.0, 1.0, "pass", "") for name in ("rhat", "ess_bulk", "ess_tail", "ppc")
    ]
    attributes = collect_provenance("diagnose", study, {}, 1, ("xarray",))
    attributes |= {"model": model, "fit": fit, "draws": 4000, "fit_seconds": 1.5}
    write_artefact(path, {"checks": checks_to_dataset(checks)}, attributes)


def plan_study(dag, name):
    """Add the jobs of a study, and write what they make. Return them by a short name."""
    ids = {"study": name}
    jobs = {"data": dag.add(paths.DATA.format(**ids))}
    for model in ("straight", "curved"):
        jobs[f"prior {model}"] = dag.add(paths.PRIOR.format(**ids, model=model), jobs["data"])
    for model, fit in FITS:
        ids = {"study": name, "model": model, "fit": fit}
        key = f"{model} {fit}"
        jobs[f"fit {key}"] = dag.add(paths.POSTERIOR.format(**ids), jobs["data"])
        needs = [jobs[f"fit {key}"], jobs[f"prior {model}"]]
        if fit == "nuts":
            path = paths.PREDICTIVE.format(**ids)
            jobs[f"predict {key}"] = dag.add(path, jobs[f"fit {key}"])
            needs.append(jobs[f"predict {key}"])
        jobs[f"diagnose {key}"] = dag.add(paths.DIAGNOSIS.format(**ids), *needs)
        write_diagnosis(**ids)
    diagnoses = [jobs[f"diagnose {model} {fit}"] for model, fit in FITS]
    jobs["verdict"] = dag.add(paths.VERDICT.format(study=name), *diagnoses)
    jobs["verdict"].output.append(paths.CHECKS.format(study=name))
    figure = paths.FIGURE.format(study=name, figure="straight_nuts_corner") + ".svg"
    jobs["figure"] = dag.add(figure, jobs["fit straight nuts"])
    for job in jobs.values():
        for output in job.output:
            if not os.path.exists(output):
                os.makedirs(os.path.dirname(output), exist_ok=True)
                Path(output).touch()
    dag.done |= {*jobs.values()}
    return jobs


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run of two studies, `first` and `second`, that has made everything."""
    monkeypatch.chdir(tmp_path)
    dag = Dag()
    jobs = {name: plan_study(dag, name) for name in ("first", "second")}
    verdicts = dag.add(paths.VERDICTS, *(jobs[name]["verdict"] for name in jobs))
    verdicts.output.append(paths.FIRST_PAGE)
    dag.done.add(verdicts)
    studies = make_study(checks={"loo": {"warn": 0.7}})
    project = make_project({"first": studies, "second": studies})
    return SimpleNamespace(dag=dag, jobs=jobs, project=project, verdicts=verdicts)


def fail(run, study, *names, state="failed", messages=("m.py: it is wrong", "more")):
    """Make jobs of a study fail, and return the run that ended."""
    failed = {run.jobs[study][name] for name in names}
    for job in failed:
        write_status(job, state, *messages)
    lost = set(failed)
    for job in run.dag.jobs:  # each after what it needs
        if lost & run.dag.dependencies[job].keys():
            lost.add(job)
    run.dag.done -= lost
    return EndedRun(run.dag, failed, set(), on_cluster=False)


def write(run, ended):
    """Write the verdicts, after those of complete studies. Return files, and rows by fit."""
    for study, jobs in run.jobs.items():
        if jobs["verdict"] in run.dag.done:
            ids = [{"study": study, "model": model, "fit": fit} for model, fit in FITS]
            trees = [read_artefact(paths.DIAGNOSIS.format(**fit)) for fit in ids]
            result = assemble_verdict(trees, {})
            write_study_verdict(result, *jobs["verdict"].output, study, "Two lines", {})
    written = write_partial_verdicts(run.project, ended, ["fit x: m.py: it is wrong"])
    with open(paths.VERDICTS, newline="") as file:
        rows = {(r["study"], r["model"], r["fit"]): r for r in csv.DictReader(file)}
    return written, rows


def test_a_fit_whose_job_failed_fails_with_its_message_and_others_keep_their_verdicts(run):
    written, rows = write(run, fail(run, "first", "fit straight nuts"))
    assert len(rows) == 6
    failed = rows.pop(("first", "straight", "nuts"))
    assert failed["verdict"] == "fail"
    assert failed["reason"] == "fit failed: m.py: it is wrong"
    assert (failed["draws"], failed["ess"], failed["rhat"]) == ("0", "nan", "nan")
    assert {row["verdict"] for row in rows.values()} == {"pass"}
    assert {str(path) for path in written} == {
        *run.jobs["first"]["verdict"].output,
        *run.verdicts.output,
    }
    verdict = read_artefact(paths.VERDICT.format(study="first"), study="first")
    assert verdict.attrs["verdict"] == "fail"
    assert "fit failed: m.py" in Path(paths.CHECKS.format(study="first")).read_text()
    page = Path(paths.FIRST_PAGE).read_text()
    assert page.index("it is wrong") < page.index("Two lines")


@pytest.mark.parametrize(
    ("names", "stage"),
    [
        (["data"], "data"),
        (["prior straight"], "prior"),
        (["prior straight", "predict straight nuts"], "prior"),
        (["diagnose straight nuts"], "diagnose"),
        (["verdict"], "verdict"),
    ],
)
def test_the_reason_names_the_first_stage_that_failed(run, names, stage):
    _, rows = write(run, fail(run, "first", *names))
    reason = rows["first", "straight", "nuts"]["reason"]
    assert reason == f"{stage} failed: m.py: it is wrong"


def test_a_killed_job_is_named(run):
    _, rows = write(run, fail(run, "first", "fit curved nuts", state="running"))
    assert "fit failed: the job was killed" in rows["first", "curved", "nuts"]["reason"]


def test_the_report_shows_only_what_is_up_to_date(run):
    write(run, fail(run, "first", "fit straight nuts"))
    files = Path(paths.REPORT_FILES).read_text().splitlines()
    assert "results/second/figures/straight_nuts_corner.svg" in files
    assert "results/first/checks.html" in files
    assert "results/first/figures/straight_nuts_corner.svg" not in files  # of an earlier run
    assert "first/figures" not in Path(paths.FIRST_PAGE).read_text()


def test_a_stopped_run_writes_nothing(run):
    ended = fail(run, "first", "fit straight nuts")
    run.dag.done -= {run.jobs["second"]["fit curved nuts"]}
    before = os.listdir("results")
    assert write_partial_verdicts(run.project, ended, []) == []
    assert write_partial_verdicts(run.project, EndedRun(run.dag, set(), set(), False), []) == []
    assert os.listdir("results") == before


def test_verdicts_that_were_not_asked_for_are_not_written(run):
    ended = fail(run, "first", "fit straight nuts")
    unwanted = {run.verdicts, run.jobs["first"]["verdict"]}
    run.dag.jobs = [job for job in run.dag.jobs if job not in unwanted]
    assert write_partial_verdicts(run.project, ended, []) == []
    assert not os.path.exists(paths.VERDICTS)


def test_only_a_figure_failed(run):
    written, rows = write(run, fail(run, "first", "figure"))
    assert {row["verdict"] for row in rows.values()} == {"pass"}
    assert {str(path) for path in written} == {*run.verdicts.output}


def test_members_of_a_failed_group_that_are_done_count(run):
    """On a cluster a failed group has members that are done, failed, and never started."""
    names = ["fit curved nuts", "predict straight nuts", "diagnose straight map"]
    ended = fail(run, "first", *names)
    ended.grouped |= ended.failed
    write_status(run.jobs["first"]["diagnose straight map"], "done")
    get_status_path(run.jobs["first"]["predict straight nuts"].log[0]).unlink()
    _, rows = write(run, ended)
    assert rows["first", "straight", "map"]["verdict"] == "pass"
    assert rows["first", "curved", "nuts"]["reason"] == "fit failed: m.py: it is wrong"
    assert "predict failed: the job ended" in rows["first", "straight", "nuts"]["reason"]


def test_an_unreadable_diagnosis_is_an_error(run):
    Path(paths.DIAGNOSIS.format(study="first", model="curved", fit="nuts")).write_text("")
    ended = fail(run, "first", "fit straight nuts")
    with pytest.raises(UserError, match="diagnosis"):
        write_partial_verdicts(run.project, ended, [])


def conclude(run, ended):
    """Conclude a run as Snakemake does; return the messages and the files of the next run."""
    forgotten = []
    workflow = SimpleNamespace(
        dag=run.dag,
        non_local_exec=False,
        scheduler=SimpleNamespace(failed=ended.failed),
        persistence=SimpleNamespace(cleanup_metadata=forgotten.append),
    )
    return conclude_failed_run(run.project, workflow), {str(path) for path in forgotten}


def test_the_next_run_makes_again_what_a_failed_run_has_written(run):
    ended = fail(run, "first", "fit straight nuts")
    write(run, ended)
    messages, forgotten = conclude(run, ended)
    assert messages == ["x: m.py: it is wrong"]
    expected = [run.jobs["first"]["fit straight nuts"], run.jobs["first"]["verdict"], run.verdicts]
    assert forgotten == {path for job in expected for path in job.output}
    assert {os.stat(path).st_mtime for path in forgotten} == {1}
    assert os.stat(paths.VERDICT.format(study="second")).st_mtime > 1


def test_an_error_while_verdicts_are_written_is_one_more_message(run):
    ended = fail(run, "first", "fit straight nuts")
    Path(paths.DIAGNOSIS.format(study="first", model="curved", fit="nuts")).write_text("")
    messages, _ = conclude(run, ended)
    assert messages[0] == "x: m.py: it is wrong"
    assert messages[1].startswith("the verdicts on the other fits are not written: results/first")
