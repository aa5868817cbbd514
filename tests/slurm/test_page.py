"""docs/cluster.md: each command of the page works on a real scheduler, as described there."""

import re
import subprocess
import time

import pytest
import yaml
from conftest import ROOT, copy_project

from posterity.workflow.job import read_status

PAGE = (ROOT / "docs/cluster.md").read_text()
NUTS_LOG = "results/logs/fit/line/line/nuts.log"
STUDY = {  # smaller than the study of the page
    "title": "line",
    "data": {
        "simulate": {
            "model": "line",
            "truth": {"m": 2.0, "c": 3.5},
            "design": {"n": 10, "error": 1.5, "scatter": 10},
        }
    },
    "models": {"line": {}},
    "fits": {
        "nuts": {"method": "nuts", "chains": 2, "warmup": 200, "draws": 200},
        "map": {"method": "map"},
    },
    "figures": {"kinds": ["trace"]},
}


def commands():
    """Return the commands of the page, by the numbers of its headings."""
    steps = {}
    for part in re.split(r"^## ", PAGE, flags=re.M)[1:]:
        blocks = re.findall(r"^```sh\n(.*?)^```", part, flags=re.M | re.S)
        steps[part.partition(".")[0]] = [line for block in blocks for line in block.splitlines()]
    return steps


def run(command, project, environment, code=0):
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == code, (command, done.stdout[-3000:])
    return done.stdout


@pytest.mark.long
def test_all_commands_of_the_page_work(cluster, tmp_path):
    project = copy_project(tmp_path / "project")
    (project / "Makefile").write_text((ROOT / "Makefile").read_text())
    (project / ".venv").symlink_to(ROOT / ".venv")
    (project / "config/studies/line.yaml").write_text(yaml.safe_dump(STUDY))
    steps = commands()
    named = [line for lines in steps.values() for line in lines]
    assert len(named) == 16
    assert steps["1"] == ["make env", ". .venv/bin/activate"]

    run("make env && . .venv/bin/activate && snakemake --version", project, cluster)
    check, plan = (run(command, project, cluster) for command in steps["2"])
    assert "no errors found" in check
    assert re.search(r"^fit +2 +2 +\d+ MB", plan, flags=re.M)
    assert (
        plan.splitlines()[0].split()
        == re.search(r"^ +(stage +jobs .*)$", PAGE, flags=re.M)[1].split()
    )

    partitions, details = (run(command, project, cluster) for command in steps["3"])
    assert "main" in partitions
    assert "PartitionName=main" in details
    profile = project / "workflow/profiles/slurm-generic/config.yaml"
    profile.write_text(
        profile.read_text().replace("# slurm_partition: short", "slurm_partition: main")
    )

    complete, table, stage, file = steps["4"]
    output = run(complete, project, cluster)
    assert "(100%) done" in output
    rows = [line.split()[:3] for line in run(table, project, cluster).splitlines()]
    assert ["line", "line", "nuts"] in rows
    assert "Nothing to be done" in run(stage, project, cluster)
    assert "Nothing to be done" in run(file, project, cluster)

    # Kill Snakemake, watch its job, and cancel it
    watch, log = steps["5"]
    assert "fit line/line/nuts took" in run(log, project, cluster)
    (cancel,) = steps["6"]
    model = project / "workflow/models/line/model.py"
    model.write_text(
        model.read_text()
        + "\nimport os, time\nif 'SLURM_JOB_ID' in os.environ:\n    time.sleep(600)\n"
    )
    process = subprocess.Popen(
        ["bash", "-c", stage],
        cwd=project,
        env=cluster,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(100):
        if jobs := re.findall(
            r"^ +(\d+) +main +rule_fit", run(watch, project, cluster), flags=re.M
        ):
            break
        time.sleep(0.5)
    assert jobs, run(watch, project, cluster)
    process.kill()
    process.wait()
    for job in jobs:
        run(cancel.replace("JOB", job), project, cluster)

    # The folder is locked. After it is unlocked, the same command resumes.
    model.write_text(model.read_text().partition("\nimport os, time")[0])
    assert "--unlock" in run(stage, project, cluster, code=1)
    (unlock,) = steps["7"]
    run(unlock, project, cluster)
    run(stage, project, cluster)

    (more,) = steps["8"]
    (project / "results/line/line/nuts/posterior.nc").unlink()
    run(more, project, cluster)
    assert read_status(str(project / NUTS_LOG))["resources"] == {"mem_mb": 4000, "runtime": 120}

    (gpus,) = steps["9"]
    (project / "results/line/line/nuts/posterior.nc").unlink()
    run(gpus, project, cluster)
    assert read_status(str(project / NUTS_LOG))["cuda_visible_devices"] == "0"

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    config = project / "config/config.yaml"
    assert 'scratch: ""' in config.read_text()
    config.write_text(config.read_text().replace('scratch: ""', "scratch: $SCRATCH"))
    (project / "results/line/line/nuts/posterior.nc").unlink()
    run(stage, project, cluster | {"SCRATCH": str(scratch)})
    assert (project / "results/line/line/nuts/posterior.nc").is_file()
