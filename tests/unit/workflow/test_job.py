"""The status file that a job leaves next to its log."""

import json
import os
import platform
import pty
import subprocess
import sys

import pytest
from conftest import ROOT

from posterity.workflow.job import (
    ERASE_LINE,
    GC_THRESHOLD_OBJECTS,
    get_status_path,
    read_status,
)

PROGRAM = """
import sys
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, {library!r})
from posterity.errors import UserError, raise_errors
from posterity.workflow.job import make_progress_callback, read_status, run_job

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


def test_a_done_job_reports_what_it_took(tmp_path):
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
def test_a_failed_job_reports_its_messages(tmp_path, body, messages):
    code, shown = run(tmp_path, body)
    assert code == 1
    assert shown == f"\nposterity: fit s/m/f: {messages[0]}\n\n"
    status = read_status(str(tmp_path / "logs/a.log"))
    assert (status["state"], status["messages"]) == ("failed", messages)


def test_a_killed_job_is_still_running_by_its_status(tmp_path):
    assert run(tmp_path, "import os; os.kill(os.getpid(), 9)")[0] == -9
    assert read_status(str(tmp_path / "logs/a.log"))["state"] == "running"


def test_an_earlier_job_leaves_the_status_of_a_later_one(tmp_path):
    body = (
        "Path('logs/a.log').unlink(); Path('logs/a.log').touch(); "
        "Path('logs/a.status.json').write_text('{{}}')"
    )
    assert run(tmp_path, body.replace("{{}}", "{}"))[0] == 0
    assert (tmp_path / "logs/a.status.json").read_text() == "{}"


def test_a_full_disk_leaves_no_status(tmp_path):
    body = (
        "import errno; Path.write_text = "
        "lambda *_, **__: (_ for _ in ()).throw(OSError(errno.ENOSPC, 'full'))"
    )
    assert run(tmp_path, body) == (0, "")
    assert not get_status_path(str(tmp_path / "logs/a.log")).exists()
    assert read_status(str(tmp_path / "logs/a.log")) == {}


def test_settings_of_the_process_are_changed_in_a_job_only(tmp_path):
    body = "import gc; Path('seen').write_text(str(gc.get_threshold()[0]))"
    assert run(tmp_path, body) == (0, "")
    assert (tmp_path / "seen").read_text() == str(GC_THRESHOLD_OBJECTS)
    program = "import gc; before = gc.get_threshold(); import posterity.workflow.job; "
    program += "assert gc.get_threshold() == before"
    environment = {"PYTHONPATH": str(ROOT / "workflow/lib")}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_progress_goes_to_the_log(tmp_path):
    body = "make_progress_callback('fit a')('half done')"
    assert run(tmp_path, body) == (0, "")  # stderr is no terminal here
    assert "INFO half done" in (tmp_path / "logs/a.log").read_text()


def test_progress_replaces_one_line_of_a_terminal(tmp_path):
    """The job writes to a pseudo-terminal, and erases its message at the end."""
    controller, terminal = pty.openpty()
    (tmp_path / "logs").mkdir()
    body = "make_progress_callback('fit a')('half done')"
    program = PROGRAM.format(library=str(ROOT / "workflow/lib"), body=body)
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, stderr=terminal, check=True)
    os.close(terminal)
    shown = os.read(controller, 1000).decode()
    os.close(controller)
    assert shown == f"{ERASE_LINE}fit a: half done{ERASE_LINE}"
