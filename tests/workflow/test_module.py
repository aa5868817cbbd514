"""Another workflow uses this one as a module."""

import pytest
from conftest import ROOT, snakemake

SNAKEFILE = f"""
configfile: "config/config.yaml"


module posterity:
    snakefile:
        "{ROOT}/workflow/Snakefile"
    config:
        config


use rule * from posterity as posterity_*


rule summary:
    default_target: True
    input:
        "results/verdicts.csv",
"""
MODEL = """import numpyro
import numpyro.distributions as dist


def model(x, e, y=None):
    m = numpyro.sample("m", dist.Normal(0, 5))
    numpyro.sample("y", dist.Normal(m * x, e), obs=y)
"""
STUDY = """
title: A study of another project
data: {file: table.csv}
models: {slope: {file: models/slope.py}}
fits: {nuts: {method: nuts, chains: 1, warmup: 100, draws: 100}}
"""


@pytest.fixture
def caller(tmp_path):
    """A project in another folder, with its own configuration, study, model and table."""
    (tmp_path / "config/studies").mkdir(parents=True)
    (tmp_path / "models").mkdir()
    config = (ROOT / "config/config.yaml").read_text()
    (tmp_path / "config/config.yaml").write_text(config)
    (tmp_path / "config/studies/slope.yaml").write_text(STUDY)
    (tmp_path / "models/slope.py").write_text(MODEL)
    (tmp_path / "table.csv").write_text("x,e,y\n1,0.5,2\n2,0.5,3\n3,0.5,5\n4,0.5,6\n")
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    return tmp_path


def test_a_study_of_a_caller_is_planned(caller):
    run = snakemake(caller, "-n", "--config", "studies=slope")
    assert run.returncode == 0, run.stdout
    for job in ("data of slope", "fit of slope, slope, nuts", "verdicts on all studies"):
        assert f": {job}\n" in run.stdout


@pytest.mark.long
def test_a_study_of_a_caller_runs(caller):
    target = "results/slope/slope/nuts/diagnosis.nc"
    run = snakemake(caller, "--config", "studies=slope", "--", target)
    assert run.returncode == 0, run.stdout
    assert (caller / target).is_file()
