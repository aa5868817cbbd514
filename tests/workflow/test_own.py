"""Models and data of a user, as README.md describes."""

import csv
import shutil

import pytest
from conftest import snakemake


@pytest.mark.long
def test_the_template_runs_as_it_stands(project):
    shutil.copytree(project / "workflow/models/_template", project / "workflow/models/mine")
    shutil.copy2(
        project / "workflow/models/_template/study.yaml", project / "config/studies/mine.yaml"
    )
    run = snakemake(project, "--config", "studies=mine")
    assert run.returncode == 0, run.stdout[-3000:]
    with (project / "results/verdicts.csv").open(newline="") as file:
        assert [row["verdict"] for row in csv.DictReader(file)] == ["pass"]


@pytest.mark.long
def test_a_model_outside_the_project_and_a_table_with_other_names(project, tmp_path):
    """No figures.py, an observation without default, groups, Windows line ends, odd names and units."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / "physics.py").write_text(
        "def law(scale, wavelength):\n    return scale * wavelength\n"
    )
    (folder / "my_models.py").write_text(
        "import numpy as np, numpyro, numpyro.distributions as dist\nfrom physics import law\n\n"
        "def my_model(X, group, Y, err):\n"
        "    with numpyro.plate('groups', np.unique(group).size):\n"
        "        scale = numpyro.sample('scale', dist.Normal(0, 10))\n"
        "    numpyro.sample('flux', dist.Normal(law(scale[group], X), err), obs=Y)\n"
    )
    rows = [
        f"{i / 4},{i % 2},{(1 + i % 2) * i / 4 + 0.1 * (-1) ** (i // 2)},0.2" for i in range(1, 21)
    ]
    (folder / "t.csv").write_bytes(("lambda,g,F,dF\r\n" + "\r\n".join(rows) + "\r\n").encode())
    (project / "config/studies/mine.yaml").write_text(
        f"""
title: Flux at two wavelengths
data:
  file: {folder}/t.csv
  units: {{lambda: Å, F: "10⁻¹⁷ erg s⁻¹ cm⁻²", dF: "10⁻¹⁷ erg s⁻¹ cm⁻²"}}
models:
  law: {{file: {folder}/my_models.py, function: my_model, arguments: {{X: lambda, group: g, Y: F, err: dF}}}}
fits:
  nuts: {{method: nuts, chains: 2, warmup: 300, draws: 500}}
checks: {{rhat: 1.1, ess_bulk: 100, ess_tail: 100, mcse: 0.1}}
"""
    )
    wanted = [f"results/mine/figures/law_nuts_{kind}.svg" for kind in ("data", "ppc", "trace")]
    run = snakemake(project, "--config", "studies=mine", "--", "verdicts", "all_tables", *wanted)
    assert run.returncode == 0, run.stdout[-3000:]
    with (project / "results/mine/tables/parameters.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["parameter"] for row in rows] == ["scale[0]", "scale[1]"]
    assert abs(float(rows[0]["mean"]) - 1) < 0.1
    assert abs(float(rows[1]["mean"]) - 2) < 0.1

    (folder / "physics.py").write_text(
        "def law(scale, wavelength):\n    return scale * wavelength**1\n"
    )
    assert "fit of mine, law, nuts" in snakemake(project, "-n", "--config", "studies=mine").stdout


@pytest.mark.long
def test_one_point_and_one_parameter(project):
    folder = project / "workflow/models/mine"
    folder.mkdir()
    (folder / "model.py").write_text(
        "import numpyro\nfrom numpyro.distributions import Gamma, Poisson\n\n\n"
        "def model(n=None):\n    rate = numpyro.sample('rate', Gamma(2, 0.1))\n    numpyro.sample('n', Poisson(rate), obs=n)\n"
    )
    (project / "t.csv").write_text("n\n17\n")
    (project / "config/studies/mine.yaml").write_text(
        "title: One count\ndata: {file: t.csv}\nmodels: {mine: {}}\nfits: {nuts: {method: nuts, warmup: 300, draws: 1000}}\n"
    )
    wanted = [
        f"results/mine/figures/mine_{kind}.svg"
        for kind in ("prior", "nuts_data", "nuts_ppc", "nuts_corner")
    ]
    run = snakemake(project, "--config", "studies=mine", "--", "verdicts", "all_tables", *wanted)
    assert run.returncode == 0, run.stdout[-3000:]
    with (project / "results/mine/tables/parameters.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    assert abs(float(row["mean"]) - 19 / 1.1) < 4 * float(
        row["mcse"]
    )  # Gamma(2 + 17, 0.1 + 1): conjugate
