"""
The verdicts of a run in which jobs failed.

Snakemake makes everything that does not depend on a failed job. The verdict on a study of which a
fit failed is not among it, nor are the verdicts on all studies. This module writes them from what
there is, as far as it is up to date: a fit without a diagnosis gets the verdict `fail`, with the
message of the job that failed.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from posterity.artefact.netcdf import read_artefact
from posterity.config import targets
from posterity.diagnostics.verdict import FitFailure, add_failures, assemble_verdict
from posterity.errors import UserError
from posterity.report.verdict_files import write_study_verdict, write_verdicts
from posterity.workflow import paths
from posterity.workflow.failures import (
    explain_failure,
    find_failures,
    forget_outputs,
    list_outputs,
)
from posterity.workflow.job import read_status
from posterity.workflow.studies import Studies

# `blocked` jobs wait for a failed one; `pending` ones would have run, but the run was stopped.
JobState = Literal["current", "failed", "blocked", "pending"]
# The stages that lead to the verdict on a fit, and what each makes. The first that failed counts.
STAGES = {
    "data": paths.DATA,
    "prior": paths.PRIOR,
    "fit": paths.POSTERIOR,
    "predict": paths.PREDICTIVE,
    "sensitivity": paths.SENSITIVITY,
    "diagnose": paths.DIAGNOSIS,
    "verdict": paths.VERDICT,
}


@dataclass
class EndedRun:
    """
    The jobs of a run of Snakemake that ended with an error.

    Attributes
    ----------
    dag : object
        The jobs of Snakemake: `jobs`, `dependencies[job]`, `needrun(job)` and `finished(job)`.
    failed : set
        The failed jobs, in place of a group its members.
    grouped : set
        Those of them that ran in a group. Some may be done, and others never started.
    on_cluster : bool
        Whether jobs run on a cluster.
    """

    dag: Any
    failed: set[Any]
    grouped: set[Any]
    on_cluster: bool
    _states: dict[Any, JobState] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def read(cls, workflow: Any) -> "EndedRun":
        """Return the jobs of a run from the workflow of Snakemake."""
        failed = workflow.scheduler.failed
        grouped = {job for group in failed if group.is_group() for job in group.jobs}
        single = {job for job in failed if not job.is_group()}
        return cls(workflow.dag, single | grouped, grouped, workflow.non_local_exec)

    @property
    def makers(self) -> dict[str, Any]:
        """The job that makes each file."""
        return {str(path): job for job in self.dag.jobs for path in job.output}

    @property
    def is_complete(self) -> bool:
        """Whether a job failed, and all jobs have run that depend on no failed one."""
        return bool(self.failed) and all(self.get_state(job) != "pending" for job in self.dag.jobs)

    def get_state(self, job: Any) -> JobState:
        """Return what became of a job."""
        if job not in self._states:
            self._states[job] = self._find_state(job)
        return self._states[job]

    def _find_state(self, job: Any) -> JobState:
        if not self.dag.needrun(job) or self.dag.finished(job):
            return "current"
        if job in self.grouped and _is_done(job):
            return "current"
        dependencies = (self.get_state(other) for other in self.dag.dependencies[job])
        if any(state in ("failed", "blocked") for state in dependencies):
            return "blocked"
        return "failed" if job in self.failed else "pending"

    def list_current(self, files: Iterable[str]) -> list[str]:
        """Return those of some files that are up to date."""
        makers = self.makers
        return [
            file
            for file in files
            if file in makers and self.get_state(makers[file]) == "current" and os.path.exists(file)
        ]

    def explain_missing(self, files: dict[str, str]) -> tuple[str, str]:
        """
        Return the first stage that failed, and its message.

        Parameters
        ----------
        files : dict
            The file that each stage makes, by stage, in their order.
        """
        makers = self.makers
        jobs = {stage: makers[file] for stage, file in files.items() if file in makers}
        for stage, job in jobs.items():
            if self.get_state(job) == "failed":
                log = str(next(iter(job.log)))
                return stage, explain_failure(log, self.on_cluster)
        return next(iter(files)), "a job that it needs failed"


def _is_done(job: Any) -> bool:
    """Return whether a job of a failed group has made its outputs."""
    statuses = [read_status(str(path)).get("state") for path in job.log]
    return "done" in statuses and all(os.path.exists(path) for path in job.output)


def conclude_failed_run(project: Studies, workflow: Any) -> list[str]:
    """
    Write the verdicts of a run in which jobs failed, and make the next run repeat what is missing.

    Return the messages of the failed jobs, and why verdicts cannot be written if they cannot.

    Parameters
    ----------
    project : Studies
        The studies of the run.
    workflow : object
        The workflow of Snakemake.
    """
    failed = workflow.scheduler.failed
    remove_metadata = workflow.persistence.cleanup_metadata
    forget_outputs(list_outputs(failed), remove_metadata)
    messages = find_failures(failed, workflow.non_local_exec)
    run = EndedRun.read(workflow)
    try:
        write_partial_verdicts(project, run, messages)
    except (UserError, OSError) as error:
        messages.append(f"the verdicts on the other fits are not written: {error}")
    forget_outputs(list_unmade_verdicts(run), remove_metadata)
    return messages


def write_partial_verdicts(project: Studies, run: EndedRun, messages: Sequence[str]) -> list[str]:
    """
    Write the verdicts that a run could not make since jobs failed, and return these outputs.

    Only verdicts that the run was to make are written, and none if the run was stopped. If it was
    to make the verdicts on all studies, these are written with the messages of the failed jobs on
    the first page of the report, and `paths.REPORT_FILES` lists the files that the report can show.

    Parameters
    ----------
    project : Studies
        The studies of the run.
    run : EndedRun
        Its jobs.
    messages : sequence of str
        The messages of the failed jobs.

    Raises
    ------
    UserError
        If an artefact cannot be read or written.
    """
    unmade = list_unmade_verdicts(run)
    wanted = {str(file) for file in unmade}
    for study in project.studies:
        verdict, html = (path.format(study=study) for path in (paths.VERDICT, paths.CHECKS))
        if verdict in wanted:
            write_partial_verdict(project, run, study, (verdict, html))
    if paths.VERDICTS in wanted:
        shown = {*run.list_current(run.makers), *wanted}
        pages = _select_pages(project.list_report_pages(), shown)
        studies = project.list_study_paths(paths.VERDICT)
        outputs = (paths.VERDICTS, paths.FIRST_PAGE)
        write_verdicts(studies, *outputs, project.list_titles(), pages, messages)
        Path(paths.REPORT_FILES).parent.mkdir(parents=True, exist_ok=True)
        files = sorted(_list_paths(pages))
        Path(paths.REPORT_FILES).write_text("".join(f"{file}\n" for file in files))
    return unmade


def list_unmade_verdicts(run: EndedRun) -> list[str]:
    """
    Return the outputs that `write_partial_verdicts` writes; none if the run was stopped.

    They are those of verdicts that the rules could not make, and always the verdicts on all
    studies, since the first page of the report lists the failed jobs.
    """
    if not run.is_complete:
        return []
    return [
        file
        for job in run.dag.jobs
        for file in job.output
        if any(_is_verdict(str(path)) for path in job.output)
        and (run.get_state(job) != "current" or paths.VERDICTS in job.output)
    ]


def _is_verdict(path: str) -> bool:
    return path == paths.VERDICTS or Path(path).name == Path(paths.VERDICT).name


def write_partial_verdict(
    project: Studies, run: EndedRun, study: str, outputs: tuple[str, str]
) -> None:
    """Write verdict.nc and checks.html of a study of which a job failed."""
    settings = project.studies[study]
    expect = settings["checks"].get("expect", {})
    diagnoses = []
    failures = []
    for model in settings["models"]:
        for fit in targets.list_fits(settings, model):
            ids = {"study": study, "model": model, "fit": fit}
            files = {stage: path.format(**ids) for stage, path in STAGES.items()}
            has_verdict_failed = run.get_state(run.makers[files["verdict"]]) == "failed"
            if run.list_current([files["diagnose"]]) and not has_verdict_failed:
                diagnoses.append(read_artefact(files["diagnose"], study=study))
            else:
                failures.append(FitFailure(model, fit, *run.explain_missing(files)))
    comparison = run.list_current([paths.COMPARISON.format(study=study)])
    compared = read_artefact(comparison[0], study=study) if comparison and diagnoses else None
    result = assemble_verdict(diagnoses, compared, settings["checks"]["loo"], expect)
    write_study_verdict(add_failures(result, failures), *outputs, study, settings["title"], expect)


def _select_pages(pages: dict[str, dict], shown: set[str]) -> dict[str, dict]:
    """Return the links of the first page of the report to files that can be shown."""
    return {
        study: {
            heading: {title: path for title, path in links.items() if path in shown}
            for heading, links in headings.items()
            if shown & set(links.values())
        }
        for study, headings in pages.items()
    }


def _list_paths(pages: dict[str, dict]) -> Iterator[str]:
    """Return the paths of all links of the first page."""
    for headings in pages.values():
        for links in headings.values():
            yield from links.values()
