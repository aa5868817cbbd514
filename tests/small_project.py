"""A project of two small studies, without files and without Snakemake."""

from pathlib import Path
from types import SimpleNamespace

from conftest import ROOT

from posterity.workflow.project import Project

MODEL_FILE = str(ROOT / "workflow/models/line/model.py")


def make_model(file=MODEL_FILE, **settings):
    return {"file": file, "function": "model", "figures": []} | settings


def make_study(**settings):
    """A study in normal form: two models, a fit by chains of both, and an optimum of the first."""
    return {
        "title": "Two lines",
        "description": "",
        "seed": 7,
        "data": {"file": "table.csv"},
        "models": {"straight": make_model(), "curved": make_model()},
        "fits": {
            "nuts": {
                "method": "nuts",
                "models": ["straight", "curved"],
                "chains": 4,
                "warmup": 500,
                "draws": 1000,
            },
            "map": {"method": "map", "models": ["straight"]},
        },
        "prior": {"draws": 100},
        "predict": {"draws": 500},
        "compare": {},
        "checks": {"rhat": 1.01, "expect": {"straight": {"nuts": {"ppc": "fail"}}}},
        "figures": {"lines": 20, "kinds": ["data", "corner", "prior", "forest"]},
    } | settings


def make_density():
    """A study without data, whose only fit is a point."""
    return make_study(
        data="none",
        models={"density": make_model()},
        fits={"map": {"method": "map", "models": ["density"]}},
    )


def make_project(studies, strict=False, on_cluster=False, cores=4, is_main_process=True):
    workflow = SimpleNamespace(
        is_main_process=is_main_process, non_local_exec=on_cluster, cores=cores
    )
    return Project(
        studies=studies, strict=strict, folder=Path(ROOT / "workflow"), workflow=workflow
    )


def select(**ids):
    """Wildcards of a job."""
    return SimpleNamespace(**ids)
