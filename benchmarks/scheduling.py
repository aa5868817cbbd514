"""
What Snakemake itself takes: a dry run of 10,000 jobs; a job on one machine, beyond its script; a job on a cluster, beyond that.

Run in the project's environment, from its folder: python benchmarks/scheduling.py [rounds]. The last part needs `sbatch`: start a
SLURM with tests/slurm/minislurm.sh.
"""

import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from conftest import copy_project  # noqa: E402


def timed(project: Path, *arguments: str) -> tuple[float, float, str]:
    """Run Snakemake. Returns seconds, the peak memory of all such processes until now (MB), and what it said."""
    before = time.perf_counter()
    command = ["snakemake", *arguments]
    done = subprocess.run(
        command,
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return (
        time.perf_counter() - before,
        resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        done.stdout,
    )


def jobs(told: str) -> int:
    """Read the number of jobs from the table that Snakemake prints."""
    return int(re.search(r"^total +(\d+)", told, re.MULTILINE)[1])


def line(place: Path) -> Path:
    """Make a project that runs the study `line` alone."""
    project = copy_project(place)
    config = project / "config/config.yaml"
    config.write_text(re.sub(r"^studies: .*$", "studies: [line]", config.read_text(), flags=re.M))
    return project


if __name__ == "__main__":
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    place = Path(tempfile.mkdtemp(dir=os.environ.get("TMPDIR", "/tmp")))

    project = copy_project(place / "many")
    names = [f"line{number}" for number in range(135)]
    for number, name in enumerate(names):
        (project / f"config/studies/{name}.yaml").write_text(
            f"extends: line\ntitle: {name}\nseed: {number}\n"
        )
    (project / "many.yaml").write_text(f"studies: [{', '.join(names)}]\n")
    for how in ([], ["--workflow-profile", "workflow/profiles/slurm"]):
        seconds, peak, told = timed(
            project, "-n", "--quiet", "reason", "rules", "--configfile", "many.yaml", *how
        )
        print(
            f"dry run of {jobs(told)} jobs {' '.join(how)}: {seconds:.1f} s, {peak:.0f} MB",
            flush=True,
        )

    alone = []
    for number in range(rounds):
        project = line(place / f"serial{number}")
        seconds, _, told = timed(project, "--cores", "1")
        files = project.glob("results/benchmarks/**/*.tsv")
        scripts = sum(float(file.read_text().splitlines()[-1].split()[0]) for file in files)
        start, _, _ = timed(project, "--cores", "1")
        alone.append((seconds - start - scripts) / jobs(told))
        print(f"local, one core: {seconds:.1f} s, scripts {scripts:.1f} s, nothing to do {start:.1f} s: "
              f"{alone[-1]:.3f} s a job beyond its script", flush=True)  # fmt: skip
        shutil.rmtree(project)
    if alone:
        print(f"median: {statistics.median(alone):.3f} s a job")

    if rounds and shutil.which("sbatch"):
        beyond = {"slurm-generic": [], "slurm": []}
        for number in range(rounds):
            local, _, told = timed(line(place / f"local{number}"), "--cores", "4")
            for profile, found in beyond.items():
                project = line(place / f"{profile}{number}")
                seconds, _, _ = timed(project, "--workflow-profile", f"workflow/profiles/{profile}")
                found.append((seconds - local) / jobs(told))
                print(
                    f"{profile}: {seconds:.1f} s, local {local:.1f} s: {found[-1]:.2f} s a job more",
                    flush=True,
                )
                shutil.rmtree(project)
        for profile, found in beyond.items():
            print(f"median {profile}: {statistics.median(found):.2f} s a job more")
    shutil.rmtree(place)
