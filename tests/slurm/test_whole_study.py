"""A study through both SLURM profiles, on a real scheduler: the same files as from a local run."""

import csv
import re
import subprocess
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import xarray as xr
from conftest import choose, copy_project, snakemake

from posterity.artefact.netcdf import read_artefact
from posterity.artefact.provenance import VOLATILE_ATTRIBUTES

STUDY = """
extends: line
title: Straight line, with two fits and few figures
fits: {published: null, svi: null}
checks: {expect: null}
figures: {kinds: [data, forest]}
"""
TIMES = {"seconds", "seconds_a", "seconds_b"}  # columns of tables that differ from run to run


def on_cluster(project, environment, profile, *arguments):
    """Run Snakemake through a profile, as a user types it."""
    command = ["snakemake", "--workflow-profile", f"workflow/profiles/{profile}", *arguments]
    return subprocess.run(
        command,
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1500,
        check=False,
    )


def restrict(project):
    """Make the project run one study, of all stages but with few jobs."""
    (project / "config/studies/short.yaml").write_text(STUDY)
    choose(project, "short")
    return project


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The study, run on this machine."""
    project = restrict(copy_project(tmp_path_factory.mktemp("local") / "project"))
    run = snakemake(project)
    assert run.returncode == 0, run.stdout[-4000:]
    return project


def results(project):
    kinds = (".nc", ".csv", ".tex", ".svg", ".png", ".html", ".rst")
    return {
        str(path.relative_to(project))
        for path in (project / "results").rglob("*")
        if path.suffix in kinds
    }


def assert_equal(old: Path, new: Path):
    """Compare two results to the rounding of sums over threads, without times and host."""
    match old.suffix:
        case ".nc":
            first, second = read_artefact(old), read_artefact(new)
            for name in {*first.attrs, *second.attrs} - {*VOLATILE_ATTRIBUTES, "git_commit"}:
                assert first.attrs[name] == second.attrs[name], (old, name)
            assert set(first.children) == set(second.children)
            for group in first.children:
                xr.testing.assert_allclose(
                    first[group].to_dataset(), second[group].to_dataset(), rtol=1e-9
                )
        case ".csv":
            rows = [list(csv.DictReader(path.read_text().splitlines())) for path in (old, new)]
            assert [{k: v for k, v in row.items() if k not in TIMES} for row in rows[0]] == [
                {k: v for k, v in row.items() if k not in TIMES} for row in rows[1]
            ]
        case ".png":
            pictures = [matplotlib.image.imread(path) for path in (old, new)]
            assert pictures[0].shape == pictures[1].shape
            assert np.abs(pictures[0] - pictures[1]).mean() < 0.01, old
        case ".tex":  # the same cells, but for the seconds
            cells = [re.split(r"[&\n]", path.read_text()) for path in (old, new)]
            different = [pair for pair in zip(*cells, strict=True) if pair[0] != pair[1]]
            assert all(
                re.fullmatch(r"[\d., ]+(\\\\)?", cell) for pair in different for cell in pair
            ), different
        case _:
            assert abs(len(new.read_bytes()) - len(old.read_bytes())) < 0.01 * len(
                old.read_bytes()
            ), old


@pytest.mark.long
@pytest.mark.parametrize("profile", ["slurm-generic", "slurm"])
def test_a_study_has_the_results_of_a_local_run(cluster, local, tmp_path, profile):
    project = restrict(copy_project(tmp_path / "project"))
    run = on_cluster(project, cluster, profile)
    assert run.returncode == 0, run.stdout[-4000:]
    assert results(project) == results(local)
    for name in sorted(results(local)):
        assert_equal(local / name, project / name)
    assert not list((project / "results").rglob("*.claim"))

    # As many submissions as the plan lists, and nothing left to do
    submitted = set(re.findall(r"(?:external jobid '|SLURM jobid )(\d+)", run.stdout))
    planned = subprocess.run(
        ["python", "-m", "posterity.cli.plan", "--workflow-profile", f"workflow/profiles/{profile}", "--forceall"],
        cwd=project, env=cluster | {"PYTHONPATH": "workflow/lib"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f" {len(submitted)} submissions" in planned.stdout, planned.stdout
    assert len(submitted) < len(results(local)) / 4
    again = on_cluster(project, cluster, profile)
    assert "Nothing to be done" in again.stdout

    # A single stage again
    posterior = project / "results/short/line/nuts/posterior.nc"
    before = read_artefact(posterior).attrs["created_at"]
    run = on_cluster(
        project, cluster, profile, "-R", "fit", "--", str(posterior.relative_to(project))
    )
    assert run.returncode == 0, run.stdout
    assert read_artefact(posterior).attrs["created_at"] > before
    assert_equal(local / "results/short/line/nuts/posterior.nc", posterior)
