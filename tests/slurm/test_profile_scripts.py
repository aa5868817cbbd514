"""The scripts of the profile slurm-generic: what they request from SLURM, and how they read it."""

import json
import subprocess
import time

import pytest
from conftest import ROOT

PROFILE = ROOT / "workflow/profiles/slurm-generic"
RESOURCES = {"mem_mb": 700, "runtime": 7, "tmpdir": "/tmp"}


def call(program, *arguments, environment, folder):
    done = subprocess.run(
        [program, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip(), done.stderr


def submit(folder, environment, command, name="script.sh", **properties):
    """Submit a job script as Snakemake would write it. Returns its id."""
    (folder / ".snakemake").mkdir(exist_ok=True)
    about = {
        "type": "single",
        "rule": "fit",
        "wildcards": {"study": "line", "model": "line", "fit": "nuts"},
        "threads": 2,
    }
    about |= {"resources": RESOURCES, "jobid": 1} | properties
    (folder / name).write_text(f"#!/bin/sh\n# properties = {json.dumps(about)}\n{command}\n")
    job, error = call(PROFILE / "submit.py", name, environment=environment, folder=folder)
    assert job.isdigit(), error
    return job


def wait_for_status(job, environment, folder, state):
    """Wait until a job has a status, at most twenty seconds."""
    for _ in range(100):
        status, error = call(PROFILE / "status.sh", job, environment=environment, folder=folder)
        assert status in ("running", "success", "failed"), error
        if status == state:
            return
        time.sleep(0.2)
    pytest.fail(f"job {job} is {status}, not {state}")


def test_a_job_gets_what_it_requests_and_succeeds(cluster, tmp_path):
    extra = {"slurm_partition": "main", "slurm_extra": "--nice=5 --comment='two words'", "gpu": 1}
    job = submit(
        tmp_path,
        cluster,
        "until [ -e go ]; do sleep 0.1; done; echo $SLURM_CPUS_PER_TASK $CUDA_VISIBLE_DEVICES",
        resources=RESOURCES | extra,
    )
    shown, _ = call(
        "scontrol", "--oneliner", "show", "job", job, environment=cluster, folder=tmp_path
    )
    for part in (
        "JobName=rule_fit:line_line_nuts",
        "mem=700M",
        "TimeLimit=00:07:00",
        "NumCPUs=2",
        "Nice=5",
        "Comment=two words",
    ):
        assert part in shown, part
    wait_for_status(job, cluster, tmp_path, "running")
    (tmp_path / "go").touch()
    wait_for_status(job, cluster, tmp_path, "success")
    log = tmp_path / f"results/logs/slurm/rule_fit/line_line_nuts/{job}.log"
    assert log.read_text().split() == ["2", "0"]


def test_a_failed_or_cancelled_job_has_failed(cluster, tmp_path):
    group = {"type": "group", "groupid": "judge", "wildcards": {}}
    failing = submit(tmp_path, cluster, "exit 3", **group)
    cancelled = submit(tmp_path, cluster, "sleep 100", name="other.sh")
    wait_for_status(failing, cluster, tmp_path, "failed")
    assert (tmp_path / f"results/logs/slurm/group_judge/all/{failing}.log").is_file()
    wait_for_status(cancelled, cluster, tmp_path, "running")
    call("scancel", cancelled, environment=cluster, folder=tmp_path)
    wait_for_status(cancelled, cluster, tmp_path, "failed")


def test_an_unknown_job_has_failed_and_a_silent_scheduler_has_no_news(cluster, tmp_path):
    """A job that SLURM has forgotten has failed. If SLURM does not answer, a job is still running."""
    (tmp_path / ".snakemake").mkdir()
    assert (
        call(PROFILE / "status.sh", "999999", environment=cluster, folder=tmp_path)[0] == "failed"
    )
    (tmp_path / "nowhere.conf").write_text((ROOT / "LICENSE").read_text())
    environment = cluster | {"SLURM_CONF": str(tmp_path / "nowhere.conf"), "PATH": "/usr/bin:/bin"}
    assert (
        call(PROFILE / "status.sh", "999999", environment=environment, folder=tmp_path)[0]
        == "running"
    )


def test_a_refused_submission_is_reported(cluster, tmp_path):
    about = {
        "type": "group",
        "groupid": "a",
        "threads": 1,
        "resources": RESOURCES | {"slurm_partition": "nowhere"},
    }
    (tmp_path / "script.sh").write_text(f"#!/bin/sh\n# properties = {json.dumps(about)}\ntrue\n")
    output, error = call(PROFILE / "submit.py", "script.sh", environment=cluster, folder=tmp_path)
    assert output == ""
    assert "invalid partition" in error
    assert "Traceback" not in error
