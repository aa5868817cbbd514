"""
Compare the memory and time that jobs request with what they use.

Studies of a hierarchical model with growing numbers of points, latent values and draws run through
Snakemake in a copy of the project. Peak memory and seconds come from Snakemake's benchmark files.
Run in the project's environment, from its folder (20 minutes):

    python benchmarks/resources.py [folder] [targets of snakemake]
"""

import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "workflow/lib")]
from conftest import copy_project  # noqa: E402

from posterity.config.targets import list_figures  # noqa: E402
from posterity.notebook import load_settings  # noqa: E402
from posterity.workflow.resources import (  # noqa: E402
    estimate_resources,
    estimate_workload,
    get_model_sizes,
)

SNAKEMAKE_MB = 163  # a process of Snakemake around that of the stage (two with the profile slurm)
MODEL_STAGES = ("prior", "fit", "predict", "sensitivity", "diagnose")


class Size(NamedTuple):
    """The size of a study."""

    points: int
    groups: int
    chains: int
    draws: int


SIZES = {
    "tiny": Size(100, 10, 4, 1000),
    "draws": Size(100, 10, 4, 20_000),
    "latent": Size(2_000, 1_000, 4, 1000),
    "wide": Size(20_000, 10_000, 4, 500),
    "rows": Size(100_000, 10, 4, 500),
    "table": Size(1_000_000, 10, 2, 100),
}


class Job(NamedTuple):
    """What a job used (`peak_mb`, `seconds`) and what it requests (`mem_mb`, `runtime` in min)."""

    stage: str
    study: str
    target: str
    peak_mb: float
    seconds: float
    mem_mb: int
    runtime: int


def make_data(size: Size) -> xr.Dataset:
    """Simulate points that scatter around the means of their groups."""
    rng = np.random.default_rng(size.points + size.groups)
    group = rng.integers(0, size.groups, size.points)
    means = rng.normal(2, 3, size.groups)
    y = rng.normal(means[group])
    groups = np.arange(size.groups)
    return xr.Dataset({"group": ("point", group), "groups": ("set", groups), "y": ("point", y)})


def make_study(name: str, size: Size) -> dict:
    """Return the study of a size: three methods, or two for the largest table."""
    is_large = size.points == 1_000_000
    model = {"file": str(ROOT / "benchmarks/hierarchy/model.py"), "function": "model"}
    nuts = {"method": "nuts", "chains": size.chains, "warmup": 300, "draws": size.draws}
    svi = {"method": "svi", "guide": "AutoNormal", "steps": 2000, "draws": size.draws}
    fits = {"nuts": nuts, "svi": svi, "map": {"method": "map"}}
    if is_large:
        del fits["svi"]
    return {
        "title": name,
        "data": {"file": f"{name}.nc"},
        "models": {"hierarchy": model},
        "fits": fits,
        "prior": {"draws": 100 if is_large else 1000},
        "predict": {"draws": min(1000, size.chains * size.draws)},
    }


def write_studies(project: Path) -> None:
    """Write a data file and a study for each size."""
    for name, size in SIZES.items():
        make_data(size).to_netcdf(project / f"{name}.nc")
        text = yaml.safe_dump(make_study(name, size))
        (project / f"config/studies/{name}.yaml").write_text(text)


def collect_jobs(project: Path) -> Iterator[Job]:
    """Yield each job of the studies, from Snakemake's benchmark files."""
    os.chdir(project)
    studies = {name: load_settings(name) for name in SIZES}
    sizes = get_model_sizes(studies, count=True)
    for file in sorted(Path("results/benchmarks").rglob("*.tsv")):
        stage, study, *names = file.relative_to("results/benchmarks").with_suffix("").parts
        if study not in SIZES:
            continue
        figure = list_figures(study, studies[study])[names[0]] if stage == "figures" else {}
        ids = {key: figure.get(key) or None for key in ("model", "fit")}
        if stage in MODEL_STAGES:
            ids = dict(zip(("model", "fit"), names, strict=False))
        kind = stage
        if stage == "figures":
            kind = f"figures {figure['kind']}"
        elif stage == "tables":
            kind = f"tables {names[0]}"
        elif stage == "compare":
            kind = "compare fits"  # each study has one model
        of_study = {model: size for (name, model), size in sizes.items() if name == study}
        request = estimate_resources(kind, estimate_workload(studies[study], of_study, **ids))
        row = list(csv.DictReader(file.open(), delimiter="\t"))[-1]
        target = figure["kind"] if figure else (names or [""])[-1]
        yield Job(
            stage=stage,
            study=study,
            target=target,
            peak_mb=float(row["max_rss"]),
            seconds=float(row["s"]),
            mem_mb=request["mem_mb"],
            runtime=request["runtime"],
        )


def main(folder: Path, targets: list[str]) -> None:
    """Run the studies and print a row for each job."""
    project = folder if (folder / "workflow").exists() else copy_project(folder)
    project = project.resolve()
    write_studies(project)
    command = ["snakemake", "--cores", "2", "--keep-going", "--quiet", "all", "--rerun-incomplete"]
    command += ["--config", f"studies={','.join(SIZES)}", "--", *targets]
    subprocess.run(command, cwd=project, check=False)
    print("| stage | size | of | peak MB | requested MB | requested / used | s | limit, min |")
    print("|---|---|---|---|---|---|---|---|")
    for job in collect_jobs(project):
        ratio = job.mem_mb / (job.peak_mb + SNAKEMAKE_MB)
        numbers = f"{job.peak_mb:.0f} | {job.mem_mb} | {ratio:.2f} | {job.seconds:.0f}"
        print(f"| {job.stage} | {job.study} | {job.target} | {numbers} | {job.runtime} |")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()), sys.argv[2:])
