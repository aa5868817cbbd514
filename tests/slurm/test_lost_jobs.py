"""Cancelled, killed and outlived jobs on a real scheduler: no result is lost or mixed."""

import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, choose, copy_project

from posterity.artefact.netcdf import read_artefact
from posterity.workflow.job import read_status

PROFILES = ("slurm-generic", "slurm")
POSTERIOR = "results/held/held/a/posterior.nc"

# A fit on the cluster waits while the file `hold` exists, unless the file names its job. The files
# `fat` and `broken` make a fit use much memory, and predictions fail.
MODEL = """
import os, sys, time
from pathlib import Path

if "SLURM_JOB_ID" in os.environ and sys.argv[0].endswith("predict.py") and Path("broken").exists():
    raise ValueError("this is broken")
if "SLURM_JOB_ID" in os.environ and sys.argv[0].endswith("fit.py"):
    if Path("fat").exists():
        eaten = bytes(900_000_000).replace(b"\\0", b"1")
        time.sleep(6)
    while Path("hold").exists() and os.environ["SLURM_JOB_ID"] not in Path("hold").read_text().split():
        time.sleep(0.1)
"""


@pytest.fixture
def held(tmp_path):
    """A project with a study whose fits wait while the file `hold` exists."""
    project = copy_project(tmp_path / "project")
    folder = project / "workflow/models/held"
    folder.mkdir()
    (folder / "model.py").write_text((ROOT / "workflow/models/line/model.py").read_text() + MODEL)
    study = {
        "title": "held",
        "data": {
            "simulate": {
                "model": "line",
                "truth": {"m": 2.0, "c": 3.5},
                "design": {"n": 10, "error": 1.5, "scatter": 10},
            }
        },
        "models": {"held": {}},
        "fits": {
            name: {"method": "nuts", "chains": 1, "warmup": 100, "draws": 100} for name in "ab"
        },
    }
    (project / "config/studies/held.yaml").write_text(yaml.safe_dump(study))
    choose(project, "held")
    return project


@contextmanager
def running(project, environment, *arguments):
    """Run Snakemake during a block. Its output goes to the file `output` in the project."""
    with open(project / "output", "w") as output:
        process = subprocess.Popen(
            ["snakemake", *arguments],
            cwd=project,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def through(profile):
    return ("--workflow-profile", f"workflow/profiles/{profile}")


def until(what, project, seconds=300, process=None):
    """Wait until a condition holds. Fail with the output of Snakemake if it ends before that."""
    for _ in range(seconds * 5):
        if found := what():
            return found
        if process is not None and process.poll() is not None:
            break
        time.sleep(0.2)
    pytest.fail(f"the condition never held\n{(project / 'output').read_text()[-4000:]}")


def jobs(environment, name=""):
    """Return the ids of the running SLURM jobs whose name or comment holds a word."""
    listing = subprocess.run(
        ["squeue", "--noheader", "--states=R", "--format=%A %j %k"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.split()[0] for line in listing.stdout.splitlines() if name in line]


def status_of(project, fit="a"):
    return read_status(str(project / f"results/logs/fit/held/held/{fit}.log"))


def held_job(process, project, environment, fit="a", other_than=()):
    """Wait for a fit that waits in its job. Returns the job's id."""

    def found():
        ids = {status_of(project, fit).get("slurm_job")} - set(other_than)
        return ids & set(jobs(environment))

    return until(found, project, process=process).pop()


def state(environment, job):
    listing = subprocess.run(
        ["scontrol", "--oneliner", "show", "job", job],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return re.search(r"JobState=(\w+)", listing.stdout)[1]


@pytest.mark.long
@pytest.mark.parametrize("profile", PROFILES)
def test_a_cancelled_job_is_reported_and_runs_again(cluster, held, profile):
    (held / "hold").touch()
    with running(held, cluster, *through(profile), "--retries", "0", "--", POSTERIOR) as process:
        job = held_job(process, held, cluster)
        data = read_artefact(held / "results/held/data.nc").attrs["created_at"]
        subprocess.run(["scancel", job], env=cluster, check=True)
        assert process.wait(300) == 1
    messages = [
        line
        for line in (held / "output").read_text().splitlines()
        if line.startswith("posterity: ")
    ]
    killed = "the job was cancelled, or killed for its memory or its time. Read results/logs/slurm."
    assert messages == [f"posterity: fit held/held/a: {killed}"]
    assert status_of(held)["state"] == "running"
    assert status_of(held)["slurm_job"] == job
    assert not (held / POSTERIOR).exists()
    (held / "hold").unlink()
    with running(held, cluster, *through(profile), "--", POSTERIOR) as process:
        assert process.wait(300) == 0, (held / "output").read_text()
    assert read_artefact(held / POSTERIOR).attrs["fit"] == "a"
    assert read_artefact(held / "results/held/data.nc").attrs["created_at"] == data


@pytest.mark.long
def test_an_error_in_a_group_is_reported_in_one_message(cluster, held):
    """The group runs again as a whole: what it wrote before it failed does not count."""
    (held / "broken").touch()
    diagnosis = "results/held/held/a/diagnosis.nc"
    with running(
        held, cluster, *through("slurm-generic"), "--retries", "0", "--", diagnosis
    ) as process:
        assert process.wait(300) == 1
    output = (held / "output").read_text()
    assert re.search(
        r"^posterity: predict held/held/a: \S+held/model.py, line \d+: .*this is broken",
        output,
        flags=re.M,
    )
    assert "Traceback" not in output
    made = read_artefact(held / POSTERIOR).attrs["created_at"]
    (held / "broken").unlink()
    with running(held, cluster, *through("slurm-generic"), "--", diagnosis) as process:
        assert process.wait(300) == 0, (held / "output").read_text()
    assert (held / diagnosis).is_file()
    assert read_artefact(held / POSTERIOR).attrs["created_at"] == made


@pytest.mark.long
@pytest.mark.parametrize("profile", PROFILES)
def test_a_job_that_needs_more_memory_gets_it(cluster, held, profile):
    (held / "fat").touch()
    with running(held, cluster, *through(profile), "--", POSTERIOR) as process:
        first = held_job(process, held, cluster)
        requested = status_of(held)["resources"]["mem_mb"]
        assert process.wait(300) == 0, (held / "output").read_text()
    assert state(cluster, first) in ("OUT_OF_MEMORY", "FAILED", "CANCELLED")
    assert status_of(held)["resources"]["mem_mb"] == 2 * requested
    assert read_artefact(held / POSTERIOR).attrs["fit"] == "a"


@pytest.mark.long
@pytest.mark.skipif(os.environ.get("CI") != "true", reason="takes two minutes: run with CI=true")
def test_a_job_that_needs_more_time_gets_it(cluster, held):
    """SLURM has limits of whole minutes: one for the first attempt, two for the second."""
    (held / "hold").touch()
    with running(
        held,
        cluster,
        *through("slurm-generic"),
        "--set-resources",
        "fit:runtime=attempt",
        "--",
        POSTERIOR,
    ) as process:
        first = held_job(process, held, cluster)
        until(lambda: state(cluster, first) == "TIMEOUT", held, seconds=180)
        (held / "hold").unlink()
        assert process.wait(300) == 0, (held / "output").read_text()
    assert status_of(held)["resources"]["runtime"] == 2
    assert read_artefact(held / POSTERIOR).attrs["fit"] == "a"


@pytest.mark.long
@pytest.mark.parametrize("profile", PROFILES)
def test_two_fits_get_a_gpu_each(cluster, held, profile):
    (held / "hold").touch()
    both = [f"results/held/held/{fit}/posterior.nc" for fit in "ab"]
    with running(
        held, cluster, "--profile", "workflow/profiles/gpu", *through(profile), "--", *both
    ) as process:
        for fit in "ab":
            held_job(process, held, cluster, fit)
        (held / "hold").unlink()
        assert process.wait(300) == 0, (held / "output").read_text()
    found = [status_of(held, fit) for fit in "ab"]
    assert [status["resources"]["gpu"] for status in found] == [1, 1]
    assert sorted(status["cuda_visible_devices"] for status in found) == ["0", "1"]


@pytest.mark.long
@pytest.mark.parametrize(("profile", "first"), [("slurm-generic", "old"), ("slurm", "new")])
def test_a_job_that_outlives_snakemake_cannot_write_for_its_successor(
    cluster, held, profile, first
):
    """The old job and its successor end in either order, after an edit of the study."""
    (held / "hold").touch()
    with running(held, cluster, *through(profile), "--", POSTERIOR) as process:
        old = held_job(process, held, cluster)
        process.kill()
    data = read_artefact(held / "results/held/data.nc").attrs["created_at"]
    file = held / "config/studies/held.yaml"
    file.write_text(file.read_text().replace("draws: 100", "draws: 150"))

    with running(held, cluster, *through(profile), "--", POSTERIOR) as process:
        assert process.wait(120) == 1
    assert "--unlock" in (held / "output").read_text()
    subprocess.run(
        ["snakemake", "--unlock"], cwd=held, env=cluster, capture_output=True, check=True
    )

    with running(held, cluster, *through(profile), "--", POSTERIOR) as process:
        new = held_job(process, held, cluster, other_than=[old])
        assert old in jobs(cluster)
        order = (old, new) if first == "old" else (new, old)
        (held / "hold").write_text(order[0])
        until(lambda: order[0] not in jobs(cluster), held)
        if first == "old":
            assert not (held / POSTERIOR).exists()
        (held / "hold").unlink()
        assert process.wait(300) == 0, (held / "output").read_text()
    until(lambda: old not in jobs(cluster), held)
    assert state(cluster, old) == "FAILED"
    assert state(cluster, new) == "COMPLETED"
    assert (status_of(held)["state"], status_of(held)["slurm_job"]) == ("done", new)
    posterior = read_artefact(held / POSTERIOR)
    assert posterior["posterior"].sizes["draw"] == 150
    assert read_artefact(held / "results/held/data.nc").attrs["created_at"] == data
    logs = "".join(path.read_text() for path in (held / "results/logs/slurm").rglob(f"{old}.log"))
    assert "another job has taken it over" in logs
    assert not [path for path in Path(held / "results").rglob(".*") if path.name != ".gitkeep"]
    with running(held, cluster, *through(profile), "--", POSTERIOR) as process:
        assert process.wait(120) == 0
    assert "Nothing to be done" in (held / "output").read_text()
