"""`make plan`: what a run would ask for, before anything is submitted."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

from posterity.cli.plan import LOCAL_RULES


def plan(project, *arguments):
    environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
    programs = project / "programs"  # no command of SLURM's is needed for a plan
    programs.mkdir(exist_ok=True)
    for name in ("bash", "sh", "which", "git", "env"):
        if not (programs / name).exists():
            (programs / name).symlink_to(shutil.which(name))
    environment |= {
        "PYTHONPATH": str(project / "workflow/lib"),
        "PATH": f"{os.path.dirname(sys.executable)}:{programs}",
    }
    command = [sys.executable, "-m", "posterity.cli.plan", *arguments]
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def rows(told):
    table = told.partition("\n\n")[0].splitlines()[2:]
    return {line.split()[0]: line.split() for line in table}


@pytest.mark.parametrize(
    "profile", ["slurm-generic", pytest.param("slurm", marks=pytest.mark.long)]
)
def test_a_plan_lists_the_stages(project, profile):
    code, told, fault = plan(
        project, "--workflow-profile", f"workflow/profiles/{profile}", "--config", "studies=line"
    )
    assert code == 0, fault
    found = rows(told)
    assert list(found) == [
        "data", "prior", "fit", "predict", "sensitivity", "diagnose", "compare", "figures", "tables", "verdict", "verdicts"
    ]  # fmt: skip
    assert found["fit"][1:3] == ["7", "4"]
    assert "in 1 group (data, prior)" in told
    assert "in 5 groups (predict, sensitivity, diagnose)" in told
    assert "on this machine" in told.splitlines()[12]
    assert "77 jobs, 19 submissions to a cluster" in told
    assert not list((project / "results").glob("*/*"))
    assert all(int(row[3]) >= 600 for row in found.values())


@pytest.mark.long
def test_a_plan_knows_the_sizes_and_the_gpus(project):
    study = project / "config/studies/line.yaml"
    small = int(rows(plan(project, "--config", "studies=line")[1])["fit"][3])
    study.write_text(study.read_text().replace("draws: 5000", "draws: 5000000"))
    profiles = (
        "--profile",
        "workflow/profiles/gpu",
        "--workflow-profile",
        "workflow/profiles/slurm-generic",
    )
    found = rows(plan(project, *profiles, "--config", "studies=line")[1])
    fit, diagnose = found["fit"], found["diagnose"]
    # 20 million draws of two numbers, and of four for line_angle, in 8 bytes: a fit leaves most of them on disk
    assert small < int(fit[3]) < small + 4 * 20 * 4 * 8
    assert int(diagnose[3]) > 3 * 20 * 4 * 8
    assert fit[8] == "1"


def test_a_plan_of_nothing(finished):
    code, told, _ = plan(finished, "--workflow-profile", "workflow/profiles/slurm-generic")
    assert code == 0
    assert told.startswith("Nothing to do")


def test_a_plan_tells_faults_in_a_sentence(project):
    code, told, fault = plan(project, "--config", "studies=lin")
    assert code == 1
    assert told == ""
    assert "there is no study 'lin'" in fault
    assert "did you mean 'line'?" in fault
    assert "Traceback" not in fault


def test_local_rules_are_those_of_the_workflow():
    text = "".join(file.read_text() for file in (ROOT / "workflow/rules").glob("*.smk"))
    _, *parts = re.split(r"^rule (\w+):", text, flags=re.M)
    assert (
        tuple(
            name
            for name, body in zip(parts[::2], parts[1::2], strict=True)
            if "localrule: True" in body
        )
        == LOCAL_RULES
    )


def test_the_profiles_agree():
    """What holds for every run is repeated in each profile, since a profile replaces the default one."""
    import yaml

    profiles = {
        path.parent.name: yaml.safe_load(path.read_text())
        for path in (ROOT / "workflow/profiles").glob("*/config.yaml")
    }
    assert set(profiles) == {"default", "slurm", "slurm-generic", "gpu"}
    for profile in profiles.values():
        assert profile.items() >= profiles["default"].items()
    shared = (
        "groups",
        "group-components",
        "retries",
        "jobs",
        "cores",
        "rerun-incomplete",
        "keep-incomplete",
    )
    for key in shared:
        assert profiles["slurm"][key] == profiles["slurm-generic"][key], key
