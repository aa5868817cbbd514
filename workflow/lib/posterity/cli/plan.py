"""
Print what a run would request from a scheduler, by stage: `make plan`.

`python -m posterity.cli.plan` takes the options and targets of `snakemake`. It makes a dry run and
adds up what the jobs request: cores, memory, hours and submissions. It computes nothing but the
sizes of the models, which the run itself uses again.
"""

import contextlib
import io
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import Any

from snakemake import cli
from snakemake.logging import LogEvent, logger
from snakemake.resources import GroupResources
from tabulate import tabulate

from posterity.workflow.resources import BASE_MB, COUNT_SIZES_VARIABLE

LOCAL_RULES = ("gate", "verdicts")  # rules that run where Snakemake runs
HEADINGS = (
    "stage", "jobs", "cores", "memory", "time limit", "core hours", "GPUs", "submitted"
)  # fmt: skip


class JobCollector(logging.Filter):
    """
    Collects the jobs of a dry run from the log messages of Snakemake.

    Attributes
    ----------
    jobs : list
        Log records of jobs, with `rule_name`, `jobid`, `threads` and `resources`.
    groups : dict
        The group in which a job is submitted, by job id.
    """

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list = []
        self.groups: dict = {}

    def filter(self, record: Any) -> bool:
        """Record a job or a group of jobs. Return whether Snakemake shows the message: errors."""
        event = getattr(record, "event", None)
        # A target rule requests no memory.
        if event == LogEvent.JOB_INFO and record.resources.get("mem_mb"):
            self.jobs.append(record)
        elif event == LogEvent.GROUP_INFO:
            for job in record.jobs:
                self.groups[job.dag.jobid(job)] = job.dag.get_job_group(job)
        return record.levelno >= logging.ERROR


@dataclass
class StageRow:
    """A row of the plan. The attributes are its columns, in the order of `HEADINGS`."""

    stage: str
    jobs: int
    cores: int
    memory: str
    time_limit: str
    core_hours: str
    gpus: int | str
    submitted: str


def collect_jobs(arguments: list[str]) -> JobCollector:
    """
    Make a dry run and return its jobs.

    Raises SystemExit with the output of Snakemake if it fails.
    """
    jobs = JobCollector()
    output = io.StringIO()
    logger.addFilter(jobs)
    try:
        with (
            _count_sizes(),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(output),
        ):
            cli.main(["--dry-run", *arguments])
    except SystemExit as error:
        if isinstance(error.code, str):
            raise
        if error.code:
            raise SystemExit(output.getvalue().strip()) from None
    finally:
        logger.removeFilter(jobs)
    return jobs


@contextlib.contextmanager
def _count_sizes() -> Iterator[None]:
    """Make a dry run in this process count the sizes of models."""
    previous = os.environ.get(COUNT_SIZES_VARIABLE)
    os.environ[COUNT_SIZES_VARIABLE] = "1"
    try:
        yield
    finally:
        if previous is None:
            del os.environ[COUNT_SIZES_VARIABLE]
        else:
            os.environ[COUNT_SIZES_VARIABLE] = previous


def format_plan(collector: JobCollector) -> str:
    """Return the plan as text: a row for each stage, and the sums below."""
    if not collector.jobs:
        return "Nothing to do: everything that you requested is up to date."
    stages = {job.rule_name for job in collector.jobs}
    rows = [_make_row(collector, stage) for stage in sorted(stages, key=_get_rank)]
    table = tabulate(
        [astuple(row) for row in rows],
        HEADINGS,
        disable_numparse=True,
        colalign=("left", *["right"] * 6, "left"),
    )
    return f"{table}\n\n{_format_sums(collector)}"


def _make_row(collector: JobCollector, stage: str) -> StageRow:
    """Return the row of a stage: the largest requests of its jobs, and how they are submitted."""
    jobs = [job for job in collector.jobs if job.rule_name == stage]
    minutes = max(job.resources["runtime"] for job in jobs)
    core_minutes = sum(_count_core_minutes(job) for job in jobs)
    memory = max(job.resources["mem_mb"] for job in jobs)
    return StageRow(
        stage=stage,
        jobs=len(jobs),
        cores=max(job.threads for job in jobs),
        memory=f"{memory} MB",
        time_limit=f"{minutes // 60}:{minutes % 60:02} h",
        core_hours=f"{core_minutes / 60:.1f}",
        gpus=max(job.resources.get("gpu", 0) for job in jobs) or "-",
        submitted=_describe_submission(collector, stage, jobs),
    )


def _describe_submission(collector: JobCollector, stage: str, jobs: list) -> str:
    """Return how the jobs of a stage are submitted: locally, one by one, or in groups."""
    groups = {collector.groups[job.jobid] for job in jobs if job.jobid in collector.groups}
    if not groups:
        return "on this machine" if stage in LOCAL_RULES else "one by one"
    members = {job.rule.name for group in groups for job in group.jobs}
    stages = f" ({', '.join(sorted(members, key=_get_rank))})" if len(members) > 1 else ""
    return f"in {len(groups)} group{'s' if len(groups) > 1 else ''}{stages}"


def _format_sums(collector: JobCollector) -> str:
    """Return the sums below the table: jobs, submissions, memory and core hours."""
    single = [
        job
        for job in collector.jobs
        if job.jobid not in collector.groups and job.rule_name not in LOCAL_RULES
    ]
    planned = {job.jobid for job in collector.jobs}
    groups = {group for job, group in collector.groups.items() if job in planned}
    requests = [_get_group_resources(group) for group in groups]
    memory = [job.resources["mem_mb"] for job in collector.jobs]
    memory += [request["mem_mb"] for request in requests]
    core_minutes = sum(_count_core_minutes(job) for job in single)
    core_minutes += sum(request["_cores"] * request["runtime"] for request in requests)
    return (
        f"{len(collector.jobs)} jobs, {len(single) + len(groups)} submissions to a cluster, "
        f"each of at most {max(memory)} MB. {core_minutes / 60:.1f} core hours if no job is "
        "repeated.\nThe limits are generous, since the number of steps of a chain is unknown. "
        "A job that is killed requests twice as much."
    )


def _count_core_minutes(job) -> int:
    """Return the time limit of a job, in minutes, times its cores."""
    return job.threads * job.resources["runtime"]


def _get_rank(stage: str) -> int:
    """Return the place of a stage in the order of stages."""
    stages = list(BASE_MB)
    return stages.index(stage) if stage in stages else len(stages)


def _get_group_resources(group) -> dict[str, int]:
    """Return what a group requests on a cluster. In a dry run Snakemake would add up its jobs."""
    return GroupResources.basic_layered(group.toposorted, group.global_resources, run_local=False)


if __name__ == "__main__":
    print(format_plan(collect_jobs(sys.argv[1:])))
