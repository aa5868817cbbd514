"""Requests of jobs grow with the work and with each attempt, and follow from model sizes."""

import os

import pytest
from conftest import copy_project

from posterity.notebook import load_settings
from posterity.workflow import resources
from posterity.workflow.model_sizes import count_model_sizes
from posterity.workflow.resources import (
    BASE_MB,
    LEAPFROGS_PER_DRAW,
    LIBRARY,
    MAX_HELD_NUMBERS,
    SIZES_FILE,
    ModelSize,
    estimate_resources,
    estimate_workload,
    get_model_sizes,
)

STUDY = {
    "models": {"a": {}, "b": {}},
    "fits": {
        "nuts": {"method": "nuts", "models": ["a", "b"], "chains": 4, "warmup": 500, "draws": 1000},
        "map": {"method": "map", "models": ["a"]},
    },
    "prior": {"draws": 100},
    "predict": {"draws": 2000},
}
SIZES = {
    "a": ModelSize(data=50, observed=20, latent=3, stored=5),
    "b": ModelSize(data=50, observed=20, latent=10, stored=30),
}


def test_workload_counts_the_numbers_that_a_job_holds():
    workload = estimate_workload(STUDY, SIZES, "a", "nuts")
    assert workload["data"] == 50
    assert workload["stored_draws"] == 4 * 1000 * 5
    assert workload["predictions"] == 2000 * 20
    assert workload["prior_draws"] == 100 * (5 + 20)
    assert workload["gradient"] == 3 + 20 + 50
    assert workload["leapfrogs"] == LEAPFROGS_PER_DRAW * 4 * 1500
    assert estimate_workload(STUDY, SIZES, "a", "map") | {"leapfrogs": 0} == workload | {
        "stored_draws": 5,
        "fit_draws": 5,
        "predictions": 0,
        "leapfrogs": 0,
    }
    both = estimate_workload(STUDY, SIZES)
    assert both["stored_draws"] == 4000 * 5 + 5 + 4000 * 30
    assert both["predictions"] == 2 * 2000 * 20
    assert estimate_workload(STUDY, {}, "a", "nuts")["stored_draws"] == 0  # of unknown size


def test_draws_on_disk_take_no_memory():
    size = ModelSize(
        data=100_000, observed=100_000, latent=100_002, stored=100_002, largest_site=100_000
    )
    workload = estimate_workload(STUDY, {"a": size}, "a", "nuts")
    assert workload["fit_draws"] == MAX_HELD_NUMBERS
    assert workload["stored_draws"] == 4000 * 2 + MAX_HELD_NUMBERS
    # A fit of 100,002 latent values and 4,000 draws took 1,625 MB.
    assert 1625 < estimate_resources("fit", workload)["mem_mb"] < 2 * 1625


@pytest.mark.parametrize("stage", BASE_MB)
def test_small_work_requests_little_and_each_attempt_twice_as_much(stage):
    small = estimate_resources(stage, estimate_workload(STUDY, SIZES))
    assert 600 <= small["mem_mb"] <= 1050
    assert 10 <= small["runtime"] <= 30
    assert estimate_resources(stage, estimate_workload(STUDY, SIZES), attempt=3) == {
        "mem_mb": 4 * small["mem_mb"],
        "runtime": 4 * small["runtime"],
        "gpu": None,
    }


def test_a_full_covariance_and_new_covariates_count():
    fits = {
        "svi": {"method": "svi", "models": ["a"], "guide": "AutoMultivariateNormal", "draws": 100}
    }
    study = STUDY | {
        "fits": fits,
        "predict": {"draws": 2000, "at": {"x": {"linspace": [0, 1, 500]}, "e": 1}},
    }
    workload = estimate_workload(
        study, {"a": ModelSize(data=50, observed=20, latent=10_000, stored=5)}, "a", "svi"
    )
    assert workload["covariance"] == 10_000**2
    assert workload["predictions"] == 100 * (20 + 500)
    assert estimate_resources("fit", workload)["mem_mb"] > 800 * 10


def test_large_work_requests_more():
    large = {"a": ModelSize(data=100_000, observed=100_000, latent=10_000, stored=10_000)}
    workload = estimate_workload(STUDY, large, "a", "nuts")
    # 4,000 draws of 10,000 numbers are 320 MB, of which chains hold 256.
    # 2,000 predictions of 100,000 observations are 1,600 MB.
    assert estimate_resources("fit", workload)["mem_mb"] > 4 * 256 + 1000
    assert estimate_resources("fit", workload)["runtime"] > 30
    assert estimate_resources("predict", workload)["mem_mb"] > 6 * 1600
    assert estimate_resources("figures corner", workload)["mem_mb"] < 2 * 320 + 700
    assert (
        estimate_resources("figures graph", workload)["mem_mb"]
        == estimate_resources("figures graph", {})["mem_mb"]
    )


@pytest.fixture
def working_project(tmp_path, monkeypatch):
    project = copy_project(tmp_path / "project")
    (project / ".snakemake").mkdir()
    monkeypatch.chdir(project)
    return project


def test_sizes_are_counted_by_binding():
    assert count_model_sizes("hogg") == {
        "line": ModelSize(data=80, observed=20, latent=2, stored=2, largest_site=1),
        "outliers": ModelSize(data=80, observed=20, latent=5, stored=25, largest_site=20),
    }  # fmt: skip


def test_sizes_are_counted_once(working_project, monkeypatch):
    """A model that does not bind has size zero, which is stored too: its job reports the reason."""
    monkeypatch.setenv("PYTHONPATH", str(LIBRARY))
    model = working_project / "workflow/models/line/model.py"
    model.write_text(
        "print('a model may print')\n"
        + model.read_text().replace("def model(", "def model(nothing, ")
    )
    studies = {name: load_settings(name) for name in ("line", "hogg")}
    assert get_model_sizes(studies, count=False) == {}
    sizes = get_model_sizes(studies, count=True)
    assert sizes["hogg", "outliers"].stored == 25
    assert sizes["line", "line_angle"].latent == 2
    assert sizes["line", "line"] == ModelSize()
    with monkeypatch.context() as patch:
        patch.setattr(resources.subprocess, "run", None)  # nothing can be counted any more
        assert get_model_sizes(studies, count=True) == sizes
        os.utime(working_project / studies["hogg"]["data"]["file"], (1, 1))
        with pytest.raises(TypeError):
            get_model_sizes(studies, count=True)
    SIZES_FILE.write_text("{")  # a damaged file holds no sizes
    assert get_model_sizes(studies, count=False) == {}
