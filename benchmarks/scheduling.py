"""
Measure the overhead of Snakemake.

Three parts: a dry run of 10,000 jobs; a job on one machine, beyond its script; a job on a cluster,
beyond a local one. Run in the project's environment, from its folder:

    python benchmarks/scheduling.py [rounds]

The last part needs `sbatch`. Start a SLURM with tests/slurm/minislurm.sh.
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

STUDIES = 135


def run_snakemake(project: Path, *arguments: str) -> tuple[float, float, str]:
    """Run Snakemake; return seconds, peak memory of all its processes so far (MB), and output."""
    start = time.perf_counter()
    process = subprocess.run(
        ["snakemake", *arguments],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - start
    assert process.returncode == 0, process.stdout[-3000:]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return seconds, peak, process.stdout


def count_jobs(output: str) -> int:
    """Return the number of jobs in the table that Snakemake prints."""
    match = re.search(r"^total +(\d+)", output, re.MULTILINE)
    assert match, output[-3000:]
    return int(match[1])


def make_project(folder: Path) -> Path:
    """Copy the project to a folder and let it run the study `line` only."""
    project = copy_project(folder)
    config = project / "config/config.yaml"
    text = re.sub(r"^studies: \[.*?\]", "studies: [line]", config.read_text(), flags=re.M | re.S)
    config.write_text(text)
    return project


def measure_dry_run(folder: Path) -> None:
    """Print time and memory of a dry run of many studies, locally and for a cluster."""
    project = copy_project(folder)
    names = [f"line{number}" for number in range(STUDIES)]
    for seed, name in enumerate(names):
        text = f"extends: line\ntitle: {name}\nseed: {seed}\n"
        (project / f"config/studies/{name}.yaml").write_text(text)
    (project / "many.yaml").write_text(f"studies: [{', '.join(names)}]\n")
    for profile in ([], ["--workflow-profile", "workflow/profiles/slurm"]):
        options = ["-n", "--quiet", "reason", "rules", "--configfile", "many.yaml", *profile]
        seconds, peak, output = run_snakemake(project, *options)
        label = f"dry run of {count_jobs(output)} jobs {' '.join(profile)}"
        print(f"{label}: {seconds:.1f} s, {peak:.0f} MB", flush=True)


def measure_local_job(folder: Path) -> float:
    """Return the seconds of a local job beyond its script."""
    project = make_project(folder)
    seconds, _, output = run_snakemake(project, "--cores", "1")
    files = project.glob("results/benchmarks/**/*.tsv")
    scripts = sum(float(file.read_text().splitlines()[-1].split()[0]) for file in files)
    idle, _, _ = run_snakemake(project, "--cores", "1")
    shutil.rmtree(project)
    overhead = (seconds - idle - scripts) / count_jobs(output)
    parts = f"{seconds:.1f} s, scripts {scripts:.1f} s, nothing to do {idle:.1f} s"
    print(f"local, one core: {parts}: {overhead:.3f} s per job beyond its script", flush=True)
    return overhead


def measure_cluster_jobs(folder: Path, profiles: list[str]) -> dict[str, float]:
    """Return the seconds of a job on a cluster beyond those of a local run, by profile."""
    local, _, output = run_snakemake(make_project(folder / "local"), "--cores", "4")
    overheads = {}
    for profile in profiles:
        project = make_project(folder / profile)
        options = ["--workflow-profile", f"workflow/profiles/{profile}"]
        seconds, _, _ = run_snakemake(project, *options)
        shutil.rmtree(project)
        overheads[profile] = (seconds - local) / count_jobs(output)
        times = f"{seconds:.1f} s, local {local:.1f} s"
        print(f"{profile}: {times}: {overheads[profile]:.2f} s per job more", flush=True)
    return overheads


def main(rounds: int) -> None:
    """Run the three parts and print medians."""
    folder = Path(tempfile.mkdtemp(dir=os.environ.get("TMPDIR", "/tmp")))
    measure_dry_run(folder / "many")
    local = [measure_local_job(folder / f"serial{number}") for number in range(rounds)]
    if local:
        print(f"median: {statistics.median(local):.3f} s per job")
    if rounds and shutil.which("sbatch"):
        profiles = ["slurm-generic", "slurm"]
        results = [
            measure_cluster_jobs(folder / f"cluster{number}", profiles) for number in range(rounds)
        ]
        for profile in profiles:
            median = statistics.median(overheads[profile] for overheads in results)
            print(f"median {profile}: {median:.2f} s per job more")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
