"""What jobs ask for: it grows with the work and with each attempt, and follows from the sizes of the models."""

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
    "a": ModelSize(data=50, observed=20, latent=3, kept=5),
    "b": ModelSize(data=50, observed=20, latent=10, kept=30),
}


def test_numbers_are_those_of_what_a_job_reads():
    found = estimate_workload(STUDY, SIZES, "a", "nuts")
    assert found["data"] == 50
    assert found["kept"] == 4 * 1000 * 5
    assert found["predicted"] == 2000 * 20
    assert found["prior"] == 100 * (5 + 20)
    assert found["gradient"] == 3 + 20 + 50
    assert found["leapfrogs"] == LEAPFROGS_PER_DRAW * 4 * 1500
    assert estimate_workload(STUDY, SIZES, "a", "map") | {"leapfrogs": 0} == found | {
        "kept": 5,
        "drawn": 5,
        "predicted": 0,
        "leapfrogs": 0,
    }
    both = estimate_workload(STUDY, SIZES)
    assert both["kept"] == 4000 * 5 + 5 + 4000 * 30
    assert both["predicted"] == 2 * 2000 * 20
    assert estimate_workload(STUDY, {}, "a", "nuts")["kept"] == 0  # a model whose size is not known


def test_what_is_on_disk_takes_no_memory():
    size = ModelSize(data=100_000, observed=100_000, latent=100_002, kept=100_002, largest=100_000)
    found = estimate_workload(STUDY, {"a": size}, "a", "nuts")
    assert found["drawn"] == MAX_HELD_NUMBERS
    assert found["kept"] == 4000 * 2 + MAX_HELD_NUMBERS
    # measured: 1,625 MB for the fit, of 100,002 latent values and 4,000 draws
    assert 1625 < estimate_resources("fit", found)["mem_mb"] < 2 * 1625


@pytest.mark.parametrize("stage", BASE_MB)
def test_small_work_asks_for_little_and_each_attempt_for_twice_as_much(stage):
    small = estimate_resources(stage, estimate_workload(STUDY, SIZES))
    assert 600 <= small["mem_mb"] <= 1050
    assert 10 <= small["runtime"] <= 30
    assert estimate_resources(stage, estimate_workload(STUDY, SIZES), attempt=3) == {
        "mem_mb": 4 * small["mem_mb"],
        "runtime": 4 * small["runtime"],
        "gpu": None,
    }


def test_a_covariance_and_new_covariates_count():
    fits = {
        "svi": {"method": "svi", "models": ["a"], "guide": "AutoMultivariateNormal", "draws": 100}
    }
    study = STUDY | {
        "fits": fits,
        "predict": {"draws": 2000, "at": {"x": {"linspace": [0, 1, 500]}, "e": 1}},
    }
    found = estimate_workload(
        study, {"a": ModelSize(data=50, observed=20, latent=10_000, kept=5)}, "a", "svi"
    )
    assert found["square"] == 10_000**2
    assert found["predicted"] == 100 * (20 + 500)
    assert estimate_resources("fit", found)["mem_mb"] > 800 * 10


def test_large_work_asks_for_more():
    large = {"a": ModelSize(data=100_000, observed=100_000, latent=10_000, kept=10_000)}
    found = estimate_workload(STUDY, large, "a", "nuts")
    # 4,000 draws of 10,000 numbers are 320 MB, of which chains hold 256; 2,000 predictions of 100,000 observations 1,600 MB
    assert estimate_resources("fit", found)["mem_mb"] > 4 * 256 + 1000
    assert estimate_resources("fit", found)["runtime"] > 30
    assert estimate_resources("predict", found)["mem_mb"] > 6 * 1600
    assert estimate_resources("figures corner", found)["mem_mb"] < 2 * 320 + 700
    assert (
        estimate_resources("figures graph", found)["mem_mb"]
        == estimate_resources("figures graph", {})["mem_mb"]
    )


@pytest.fixture
def here(tmp_path):
    project = copy_project(tmp_path / "project")
    (project / ".snakemake").mkdir()
    before = os.getcwd()
    os.chdir(project)
    yield project
    os.chdir(before)


def test_sizes_are_counted_by_binding():
    assert count_model_sizes("hogg") == {
        "line": ModelSize(data=80, observed=20, latent=2, kept=2, largest=1),
        "outliers": ModelSize(data=80, observed=20, latent=5, kept=25, largest=20),
    }  # fmt: skip


def test_sizes_are_counted_once(here, monkeypatch):
    """And a model that does not bind has none, which is remembered too: its job will say why."""
    monkeypatch.setenv("PYTHONPATH", str(LIBRARY))
    model = here / "workflow/models/line/model.py"
    model.write_text(
        "print('a model may print')\n"
        + model.read_text().replace("def model(", "def model(nothing, ")
    )
    studies = {name: load_settings(name) for name in ("line", "hogg")}
    assert get_model_sizes(studies, count=False) == {}
    found = get_model_sizes(studies, count=True)
    assert found["hogg", "outliers"].kept == 25
    assert found["line", "line_angle"].latent == 2
    assert found["line", "line"] == ModelSize()
    with monkeypatch.context() as patch:
        patch.setattr(resources.subprocess, "run", None)  # from here on nothing can be counted
        assert get_model_sizes(studies, count=True) == found
        os.utime(here / studies["hogg"]["data"]["file"], (1, 1))
        with pytest.raises(TypeError):
            get_model_sizes(studies, count=True)
    SIZES_FILE.write_text("{")  # a broken note is none
    assert get_model_sizes(studies, count=False) == {}
