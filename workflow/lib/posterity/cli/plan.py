"""
`make plan` (or `python -m posterity.cli.plan`, with the options and targets of `snakemake`): what a run would ask for, by stage.

Makes a dry run and adds up what its jobs ask for: how many, cores, memory, hours, and in how many submissions. Nothing is computed
but the sizes of the models, which are remembered for the run itself.
"""

import contextlib
import io
import logging
import sys

from snakemake import cli
from snakemake.logging import LogEvent, logger
from snakemake.resources import GroupResources

from posterity.workflow import resources
from posterity.workflow.resources import BASE_MB

LOCAL_RULES = ("gate", "verdicts")  # rules that run where Snakemake runs


class JobCollector(logging.Filter):
    """Collects the jobs that a dry run tells of, and the groups in which they would be submitted."""

    def __init__(self):
        super().__init__()
        self.jobs, self.groups = [], {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Take a job, or a group of jobs, from a message of Snakemake's; let only errors pass."""
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_INFO and record.resources.get(
            "mem_mb"
        ):  # a target rule asks for nothing
            self.jobs.append(record)
        elif event == LogEvent.GROUP_INFO:
            for job in record.jobs:
                self.groups[job.dag.jobid(job)] = job.dag.get_job_group(job)
        return record.levelno >= logging.ERROR


def collect_jobs(arguments: list[str]) -> JobCollector:
    """Make a dry run. Raises SystemExit, with what Snakemake said, where it fails."""
    jobs, told, resources.COUNT_SIZES = JobCollector(), io.StringIO(), True
    logger.addFilter(jobs)
    try:
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            cli.main(["--dry-run", *arguments])
    except SystemExit as end:
        if isinstance(end.code, str):
            raise
        if end.code:
            raise SystemExit(told.getvalue().strip()) from None
    finally:
        logger.removeFilter(jobs)
    return jobs


def format_plan(found: JobCollector) -> str:
    """Write the plan: a line for each stage, in the order of first jobs, and the sums below."""
    if not found.jobs:
        return "Nothing to do: all that was asked for is up to date."
    rows = [("stage", "jobs", "cores", "memory", "time limit", "core hours", "GPUs", "submitted")]
    submissions, hours, largest, order = set(), 0.0, 0, list(BASE_MB)
    for stage in sorted(
        {job.rule_name for job in found.jobs},
        key=lambda name: order.index(name) if name in order else len(order),
    ):
        jobs = [job for job in found.jobs if job.rule_name == stage]
        of_jobs = [job.resources for job in jobs]
        groups = {found.groups[job.jobid] for job in jobs if job.jobid in found.groups}
        alone = (
            []
            if stage in LOCAL_RULES
            else [job.jobid for job in jobs if job.jobid not in found.groups]
        )
        submissions |= groups | set(alone)
        core_hours = sum(job.threads * job.resources["runtime"] for job in jobs) / 60
        hours += (
            sum(job.threads * job.resources["runtime"] for job in jobs if job.jobid in alone) / 60
        )
        largest = max(
            [largest, *(ask["mem_mb"] for ask in [*of_jobs, *map(_group_resources, groups)])]
        )
        gpus = max(ask.get("gpu", 0) for ask in of_jobs)
        longest = max(ask["runtime"] for ask in of_jobs)
        together = sorted(
            {job.rule.name for group in groups for job in group.jobs}, key=order.index
        )
        with_others = f" ({', '.join(together)})" if together[1:] else ""
        how = "on this machine" if stage in LOCAL_RULES else "one by one"
        how = f"in {len(groups)} group{'s' * (len(groups) > 1)}{with_others}" if groups else how
        size = f"{max(ask['mem_mb'] for ask in of_jobs)} MB"
        limit = f"{longest // 60}:{longest % 60:02} h"
        rows.append(
            (
                stage,
                len(jobs),
                max(job.threads for job in jobs),
                size,
                limit,
                f"{core_hours:.1f}",
                gpus or "-",
                how,
            )
        )
    together = [
        _group_resources(group) for group in submissions if not isinstance(group, int | str)
    ]
    hours += sum(ask["_cores"] * ask["runtime"] for ask in together) / 60
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]) - 1)]
    lines = [
        "  ".join(
            [
                str(row[0]).ljust(widths[0]),
                *(str(v).rjust(w) for v, w in zip(row[1:-1], widths[1:], strict=True)),
                row[-1],
            ]
        )
        for row in rows
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    cluster = f"{len(submissions)} submissions to a cluster, each of at most {largest} MB"
    sums = f"{len(found.jobs)} jobs, {cluster}; {hours:.1f} core hours, if nothing is tried twice:"
    note = "the limits are generous, since nobody knows a chain's steps before. A job that is killed asks for twice as much."
    return "\n".join([*lines, "", sums, note])


def _group_resources(group) -> dict[str, int]:
    """What a group of jobs asks for on a cluster; a dry run would add up what runs one after another."""
    return GroupResources.basic_layered(group.toposorted, group.global_resources, run_local=False)


if __name__ == "__main__":
    print(format_plan(collect_jobs(sys.argv[1:])))
