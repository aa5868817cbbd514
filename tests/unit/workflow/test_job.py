"""The status file that a job leaves next to its log."""

import json
import platform
import subprocess
import sys

import pytest
from conftest import ROOT

from posterity.workflow.job import get_status_path, read_status

PROGRAM = """
import sys
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, {library!r})
from posterity.errors import UserError, raise_errors
from posterity.workflow.job import read_status, run_job

snakemake = SimpleNamespace(
    log=["logs/a.log"], rule="fit", wildcards=["s", "m", "f"], params={{}}, threads=2, output=[],
    resources={{"mem_mb": 1000, "runtime": 5, "tmpdir": "/tmp"}},
)
with run_job(snakemake):
    {body}
"""


def run(folder, body, **environment):
    """Run a job whose function is some statements; return its exit code and what the user reads."""
    (folder / "logs").mkdir(exist_ok=True)
    program = PROGRAM.format(library=str(ROOT / "workflow/lib"), body=body)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_job_that_is_done(tmp_path):
    body = "Path('seen').write_text(read_status('logs/a.log')['state'])"
    assert run(tmp_path, body, SLURM_JOB_ID="12", CUDA_VISIBLE_DEVICES="1") == (0, "")
    assert (tmp_path / "seen").read_text() == "running"
    status = json.loads((tmp_path / "logs/a.status.json").read_text())
    seconds, peak = status.pop("seconds"), status.pop("peak_memory_mb")
    assert 0 < seconds["imports"] <= seconds["total"] < 60
    assert 10 < peak < 2000
    assert status == {
        "state": "done",
        "job": "fit s/m/f",
        "messages": [],
        "host": platform.node(),
        "threads": 2,
        "resources": {"mem_mb": 1000, "runtime": 5},
        "slurm_job": "12",
        "cuda_visible_devices": "1",
    }
    assert sorted(file.name for file in (tmp_path / "logs").iterdir()) == ["a.log", "a.status.json"]


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        (
            "raise_errors([UserError('x: is wrong'), UserError('y: took a while')])",
            ["x: is wrong", "y: took a while"],
        ),
        (
            "raise ValueError('posterity: no')",
            ["ValueError: posterity: no (the traceback is in logs/a.log)"],
        ),
    ],
)
def test_a_job_that_failed(tmp_path, body, messages):
    code, told = run(tmp_path, body)
    assert code == 1
    assert told == f"\nposterity: fit s/m/f: {messages[0]}\n\n"
    status = read_status(str(tmp_path / "logs/a.log"))
    assert (status["state"], status["messages"]) == ("failed", messages)


def test_a_job_that_was_killed(tmp_path):
    assert run(tmp_path, "import os; os.kill(os.getpid(), 9)")[0] == -9
    assert read_status(str(tmp_path / "logs/a.log"))["state"] == "running"


def test_a_later_job_keeps_its_status(tmp_path):
    body = "Path('logs/a.log').unlink(); Path('logs/a.log').touch(); Path('logs/a.status.json').write_text('{{}}')"
    assert run(tmp_path, body.replace("{{}}", "{}"))[0] == 0
    assert (tmp_path / "logs/a.status.json").read_text() == "{}"


def test_a_full_disk_leaves_no_status_that_is_wrong(tmp_path):
    body = "import errno; Path.write_text = lambda *_, **__: (_ for _ in ()).throw(OSError(errno.ENOSPC, 'full'))"
    assert run(tmp_path, body) == (0, "")
    assert not get_status_path(str(tmp_path / "logs/a.log")).exists()
    assert read_status(str(tmp_path / "logs/a.log")) == {}
