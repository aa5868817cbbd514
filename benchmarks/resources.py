"""
What jobs ask for, and what they use: peak memory and seconds of every stage for growing numbers of points, latent values and draws.

Runs studies of a hierarchical model through Snakemake in a copy of the project, and reads Snakemake's benchmark files. Run in the
project's environment, from its folder: python benchmarks/resources.py [folder] (about ten minutes)
"""

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import xarray as xr
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from conftest import copy_project  # noqa: E402

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
            {"group": ("point", group), "groups": ("set", np.arange(groups)), "y": ("point", rng.normal(means[group]))}
        )
        data.to_netcdf(project / f"{name}.nc")
        study = {
            "title": name,
            "data": {"file": f"{name}.nc"},
            "models": {"hierarchy": {"file": str(ROOT / "benchmarks/hierarchy/model.py"), "function": "model"}},
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


def measured(project: Path) -> list[dict]:
    """List stage, study, fit, and what the job asked for (from Snakemake's log) and used (from its benchmark file)."""
    found = []
    for file in sorted(project.glob("results/benchmarks/*/**/*.tsv")):
        stage, study, *rest = file.relative_to(project / "results/benchmarks").with_suffix("").parts
        row = list(csv.DictReader(file.open(), delimiter="\t"))[-1]
        found.append({"stage": stage, "study": study, "of": "/".join(rest), "MB": float(row["max_rss"]), "s": float(row["s"])})
    return found


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    project = place if (place / "Snakefile").exists() else copy_project(place)
    studies(project)
    command = ["snakemake", "--cores", "2", "--keep-going", "--quiet", "all", "--rerun-incomplete"]
    command += ["--config", f"studies={','.join(SIZES)}", "--", *sys.argv[2:]]
    subprocess.run(command, cwd=project, check=False)
    (project / "measured.json").write_text(json.dumps(measured(project)))
    for row in measured(project):
        print(row)
