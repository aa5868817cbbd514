"""
What jobs ask for, and what they use: peak memory and seconds of every stage for growing numbers of points, latent values and draws.

Runs studies of a hierarchical model through Snakemake in a copy of the project, and reads Snakemake's benchmark files. Run in the
project's environment, from its folder: python benchmarks/resources.py [folder] (about ten minutes)
"""

import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import xarray as xr
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "workflow/lib")]
from conftest import copy_project  # noqa: E402

from posterity.config.targets import list_figures
from posterity.notebook import load_settings
from posterity.workflow.resources import (
    estimate_resources,
    estimate_workload,
    get_model_sizes,  # noqa: E402
)

SNAKEMAKE = 163  # MB: one process of Snakemake, as it stands around that of the stage (two with the profile slurm)

# name: points, latent values, chains, draws of a chain
SIZES = {
    "tiny": (100, 10, 4, 1000),
    "draws": (100, 10, 4, 20_000),
    "latent": (2_000, 1_000, 4, 1000),
    "wide": (20_000, 10_000, 4, 500),
    "rows": (100_000, 10, 4, 500),
    "table": (1_000_000, 10, 2, 100),
}


def studies(project: Path) -> None:
    """Write a data file and a study for each size."""
    for name, (points, groups, chains, draws) in SIZES.items():
        rng = np.random.default_rng(points + groups)
        group, means = rng.integers(0, groups, points), rng.normal(2, 3, groups)
        data = xr.Dataset(
            {
                "group": ("point", group),
                "groups": ("set", np.arange(groups)),
                "y": ("point", rng.normal(means[group])),
            }
        )
        data.to_netcdf(project / f"{name}.nc")
        study = {
            "title": name,
            "data": {"file": f"{name}.nc"},
            "models": {
                "hierarchy": {
                    "file": str(ROOT / "benchmarks/hierarchy/model.py"),
                    "function": "model",
                }
            },
            "fits": {
                "nuts": {"method": "nuts", "chains": chains, "warmup": 300, "draws": draws},
                "svi": {"method": "svi", "guide": "AutoNormal", "steps": 2000, "draws": draws},
                "map": {"method": "map"},
            },
            "prior": {"draws": 100 if points == 1_000_000 else 1000},
            "predict": {"draws": min(1000, chains * draws)},
        }
        if points == 1_000_000:
            del study["fits"]["svi"]
        (project / f"config/studies/{name}.yaml").write_text(yaml.safe_dump(study))


def measured(project: Path) -> list[tuple]:
    """List stage, study, fit, peak memory and seconds of each job (from Snakemake's benchmark files), and what it asks for."""
    os.chdir(project)
    loaded = {name: load_settings(name) for name in SIZES}
    sizes = get_model_sizes(loaded, count=True)
    found = []
    for file in sorted(Path("results/benchmarks").rglob("*.tsv")):
        stage, study, *rest = file.relative_to("results/benchmarks").with_suffix("").parts
        if study not in SIZES:
            continue
        figure = list_figures(study, loaded[study])[rest[0]] if stage == "figures" else {}
        of = {key: figure.get(key) or None for key in ("model", "fit")}
        if stage in ("prior", "fit", "predict", "sensitivity", "diagnose"):
            of = dict(zip(("model", "fit"), rest, strict=False))
        of_study = {model: size for (name, model), size in sizes.items() if name == study}
        kind = (
            f"{stage} {figure['kind'] if figure else rest[0]}"
            if stage in ("figures", "tables")
            else stage
        )
        kind = "compare fits" if stage == "compare" else kind  # each study has one model
        asked = estimate_resources(kind, estimate_workload(loaded[study], of_study, **of))
        row = list(csv.DictReader(file.open(), delimiter="\t"))[-1]
        what = figure["kind"] if figure else rest[-1] if rest else ""
        found.append(
            (
                stage,
                study,
                what,
                float(row["max_rss"]),
                float(row["s"]),
                asked["mem_mb"],
                asked["runtime"],
            )
        )
    return found


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    project = (place if (place / "workflow/Snakefile").exists() else copy_project(place)).resolve()
    studies(project)
    command = ["snakemake", "--cores", "2", "--keep-going", "--quiet", "all", "--rerun-incomplete"]
    command += ["--config", f"studies={','.join(SIZES)}", "--", *sys.argv[2:]]
    subprocess.run(command, cwd=project, check=False)
    print(
        "| stage | size | of | peak MB | asked MB | asked / used | s | limit, min |\n|---|---|---|---|---|---|---|---|"
    )
    for stage, study, what, peak, seconds, memory, minutes in measured(project):
        used = peak + SNAKEMAKE
        print(
            f"| {stage} | {study} | {what} | {peak:.0f} | {memory} | {memory / used:.2f} | {seconds:.0f} | {minutes} |"
        )
