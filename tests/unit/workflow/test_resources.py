"""What jobs ask for: it grows with the work and with each attempt, and follows from the sizes of the models."""

import os

import pytest
from conftest import copy_project

from posterity import notebook
from posterity.workflow import model_sizes, resources
from posterity.workflow.resources import Size, ask, numbers

STUDY = {
    "models": {"a": {}, "b": {}},
    "fits": {
        "nuts": {"method": "nuts", "models": ["a", "b"], "chains": 4, "warmup": 500, "draws": 1000},
        "map": {"method": "map", "models": ["a"]},
    },
    "prior": {"draws": 100},
    "predict": {"draws": 2000},
}
SIZES = {"a": Size(data=50, observed=20, latent=3, kept=5), "b": Size(data=50, observed=20, latent=10, kept=30)}


def test_numbers_are_those_of_what_a_job_reads():
    found = numbers(STUDY, SIZES, "a", "nuts")
    assert found["data"] == 50
    assert found["kept"] == 4 * 1000 * 5
    assert found["predicted"] == 2000 * 20
    assert found["prior"] == 100 * (5 + 20)
    assert found["gradient"] == 3 + 20 + 50
    assert found["leapfrogs"] == resources.LEAPFROGS * 4 * 1500
    assert numbers(STUDY, SIZES, "a", "map") | {"leapfrogs": 0} == found | {"kept": 5, "drawn": 5, "predicted": 0, "leapfrogs": 0}
    both = numbers(STUDY, SIZES)
    assert both["kept"] == 4000 * 5 + 5 + 4000 * 30
    assert both["predicted"] == 2 * 2000 * 20
    assert numbers(STUDY, {}, "a", "nuts")["kept"] == 0  # a model whose size is not known


def test_what_is_on_disk_takes_no_memory():
    size = Size(data=100_000, observed=100_000, latent=100_002, kept=100_002, largest=100_000)
    found = numbers(STUDY, {"a": size}, "a", "nuts")
    assert found["drawn"] == resources.HELD
    assert found["kept"] == 4000 * 2 + resources.HELD
    # measured: 1,625 MB for the fit, of 100,002 latent values and 4,000 draws
    assert 1625 < ask("fit", found)["mem_mb"] < 2 * 1625


@pytest.mark.parametrize("stage", resources.BASE)
def test_small_work_asks_for_little_and_each_attempt_for_twice_as_much(stage):
    small = ask(stage, numbers(STUDY, SIZES))
    assert 600 <= small["mem_mb"] <= 1050
    assert 10 <= small["runtime"] <= 30
    assert ask(stage, numbers(STUDY, SIZES), attempt=3) == {
        "mem_mb": 4 * small["mem_mb"],
        "runtime": 4 * small["runtime"],
        "gpu": None,
    }


def test_a_covariance_and_new_covariates_count():
    fits = {"svi": {"method": "svi", "models": ["a"], "guide": "AutoMultivariateNormal", "draws": 100}}
    study = STUDY | {"fits": fits, "predict": {"draws": 2000, "at": {"x": {"linspace": [0, 1, 500]}, "e": 1}}}
    found = numbers(study, {"a": Size(data=50, observed=20, latent=10_000, kept=5)}, "a", "svi")
    assert found["square"] == 10_000**2
    assert found["predicted"] == 100 * (20 + 500)
    assert ask("fit", found)["mem_mb"] > 800 * 10


def test_large_work_asks_for_more():
    large = {"a": Size(data=100_000, observed=100_000, latent=10_000, kept=10_000)}
    found = numbers(STUDY, large, "a", "nuts")
    # 4,000 draws of 10,000 numbers are 320 MB, of which chains hold 256; 2,000 predictions of 100,000 observations 1,600 MB
    assert ask("fit", found)["mem_mb"] > 4 * 256 + 1000
    assert ask("fit", found)["runtime"] > 30
    assert ask("predict", found)["mem_mb"] > 6 * 1600
    assert ask("figures corner", found)["mem_mb"] < 2 * 320 + 700
    assert ask("figures graph", found)["mem_mb"] == ask("figures graph", {})["mem_mb"]


@pytest.fixture
def here(tmp_path):
    project = copy_project(tmp_path / "project")
    (project / ".snakemake").mkdir()
    before = os.getcwd()
    os.chdir(project)
    yield project
    os.chdir(before)


def test_sizes_are_counted_by_binding():
    assert model_sizes.sizes("hogg") == {
        "line": Size(data=80, observed=20, latent=2, kept=2, largest=1),
        "outliers": Size(data=80, observed=20, latent=5, kept=25, largest=20),
    }  # fmt: skip


def test_sizes_are_counted_once(here, monkeypatch):
    """And a model that does not bind has none, which is remembered too: its job will say why."""
    monkeypatch.setenv("PYTHONPATH", str(resources.LIBRARY))
    model = here / "workflow/models/line/model.py"
    model.write_text("print('a model may print')\n" + model.read_text().replace("def model(", "def model(nothing, "))
    studies = {name: notebook.study(name) for name in ("line", "hogg")}
    assert resources.sizes(studies, count=False) == {}
    found = resources.sizes(studies, count=True)
    assert found["hogg", "outliers"].kept == 25
    assert found["line", "line_angle"].latent == 2
    assert found["line", "line"] == Size()
    with monkeypatch.context() as patch:
        patch.setattr(resources.subprocess, "run", None)  # from here on nothing can be counted
        assert resources.sizes(studies, count=True) == found
        os.utime(here / studies["hogg"]["data"]["file"], (1, 1))
        with pytest.raises(TypeError):
            resources.sizes(studies, count=True)
    resources.SIZES.write_text("{")  # a broken note is none
    assert resources.sizes(studies, count=False) == {}
