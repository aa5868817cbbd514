"""`make plan` lists what a run would request, before it submits a job."""

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


def rows(output):
    table = output.partition("\n\n")[0].splitlines()[2:]
    return {line.split()[0]: line.split() for line in table}


@pytest.mark.parametrize(
    "profile", ["slurm-generic", pytest.param("slurm", marks=pytest.mark.long)]
)
def test_a_plan_lists_the_stages(project, profile):
    code, output, errors = plan(
        project, "--workflow-profile", f"workflow/profiles/{profile}", "--config", "studies=line"
    )
    assert code == 0, errors
    found = rows(output)
    assert list(found) == [
        "data", "prior", "fit", "predict", "sensitivity", "diagnose", "compare", "figures", "tables", "verdict", "verdicts"
    ]  # fmt: skip
    assert found["fit"][1:3] == ["7", "4"]
    assert "in 1 group (data, prior)" in output
    assert "in 5 groups (predict, sensitivity, diagnose)" in output
    assert "on this machine" in output.splitlines()[12]
    assert "82 jobs, 19 submissions to a cluster" in output
    assert not list((project / "results").glob("*/*"))
    assert all(int(row[3]) >= 600 for row in found.values())


@pytest.mark.long
def test_a_plan_uses_model_sizes_and_gpus(project):
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


def test_a_plan_of_a_finished_run_is_empty(finished):
    code, output, _ = plan(finished, "--workflow-profile", "workflow/profiles/slurm-generic")
    assert code == 0
    assert output.startswith("Nothing to do")


def test_a_plan_shows_an_error_in_one_sentence(project):
    code, output, errors = plan(project, "--config", "studies=lin")
    assert code == 1
    assert output == ""
    assert "there is no study 'lin'" in errors
    assert "did you mean 'line'?" in errors
    assert "Traceback" not in errors


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


def test_profiles_agree():
    """Each profile repeats the settings of the default one, since it replaces that."""
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
