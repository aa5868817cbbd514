"""A run that follows a kill of Snakemake resumes the fit, with the same posterior."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import xarray as xr
from conftest import choose, copy_project, snakemake

from posterity.artefact.netcdf import read_artefact
from posterity.artefact.provenance import VOLATILE_ATTRIBUTES

STUDY = """
title: A fit that takes a while
extends: line
fits:
  nuts: {method: nuts, chains: 4, warmup: 500, draws: 400000, store: {c: {thin: 10}}}
"""
POSTERIOR = "results/long/line/nuts/posterior.nc"


@pytest.fixture
def project(tmp_path):
    place = copy_project(tmp_path / "project")
    (place / "config/studies/long.yaml").write_text(STUDY)
    choose(place, "long")
    return place


@pytest.mark.long
def test_a_fit_resumes_bit_identically_after_a_kill_of_snakemake(project):
    environment = {
        key: value for key, value in os.environ.items() if key not in ("XLA_FLAGS", "PYTHONPATH")
    }
    checkpoint = project / "results/checkpoints/long/line/nuts/state.npz"
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--", POSTERIOR]
    running = subprocess.Popen(
        command,
        cwd=project,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not checkpoint.exists():
        assert running.poll() is None
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not (project / POSTERIOR).exists()
    locked = snakemake(project, "--", POSTERIOR)
    assert locked.returncode != 0
    assert "--unlock" in locked.stdout
    assert snakemake(project, "--unlock").returncode == 0
    again = snakemake(project, "--", POSTERIOR)
    assert again.returncode == 0, again.stdout
    log = project / "results/logs/fit/long/line/nuts.log"
    assert "resuming from the checkpoint" in log.read_text()
    assert not checkpoint.parent.exists()
    shutil.move(project / POSTERIOR, project / "resumed.nc")
    shutil.rmtree(project / "results")
    assert snakemake(project, "--", POSTERIOR).returncode == 0
    assert "from the checkpoint" not in log.read_text()
    resumed, direct = read_artefact(project / "resumed.nc"), read_artefact(project / POSTERIOR)
    attributes = [
        {k: v for k, v in tree.attrs.items() if k not in VOLATILE_ATTRIBUTES}
        for tree in (resumed, direct)
    ]
    assert attributes[0] == attributes[1]
    for tree in (resumed, direct):
        tree.attrs = {}
    xr.testing.assert_identical(resumed, direct)
