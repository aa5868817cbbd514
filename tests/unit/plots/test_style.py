import json
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from conftest import ROOT
from figure_artefacts import list_texts, make_draws

from posterity.plots import style
from posterity.plots.style import (
    describe_interval,
    draw_note_figure,
    get_true_value,
    make_label,
    save_figure,
    select_parameters,
)

IMPORT_ALL = f"""
import sys, json, gc
sys.path[:0] = [{str(ROOT / "workflow/lib")!r}]
threshold = gc.get_threshold()
import posterity
collector = gc.get_threshold() == threshold
import matplotlib
import matplotlib.pyplot
before = dict(matplotlib.rcParams)
backend = matplotlib.get_backend()
from pathlib import Path
from posterity.python_files import load_module
import importlib
for file in Path({str(ROOT / "workflow/lib/posterity/plots")!r}).glob("*.py"):
    importlib.import_module("posterity.plots." + file.stem)
figures = sorted(Path({str(ROOT / "workflow/models")!r}).glob("*/figures.py"))
for file in figures:
    load_module(file)
after = dict(matplotlib.rcParams)
changed = [key for key in before if before[key] != after[key]]
print(json.dumps([collector, len(figures), changed, backend, matplotlib.get_backend()]))
"""


def test_import_changes_neither_matplotlib_nor_the_garbage_collector():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORT_ALL],
        env={"MPLBACKEND": "pdf", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    collector, figure_files, changed, before, after = json.loads(done.stdout)
    assert collector
    assert figure_files >= 10
    assert changed == []
    assert before == after == "pdf"


def test_context_applies_within_its_block_only():
    with mpl.rc_context():
        mpl.rcParams.update(mpl.rcParamsDefault)
        backend = mpl.get_backend()
        with style.apply_style():
            assert mpl.rcParams["svg.hashsalt"] == "posterity"
            assert not mpl.rcParams["axes.spines.top"]
            assert mpl.get_backend() == backend
        assert mpl.rcParams["svg.hashsalt"] is None
        assert mpl.rcParams["axes.spines.top"]


def test_equal_figures_give_equal_files(tmp_path):
    names = [(tmp_path / f"{i}.svg", tmp_path / f"{i}.png") for i in range(2)]
    for svg, png in names:
        save_figure(draw_note_figure("Nothing to draw."), svg, png)
    for first, second in zip(*names, strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_note_figure_holds_its_sentence_alone():
    figure = draw_note_figure("Nothing to draw.")
    assert "Nothing to draw." in list_texts(figure)
    assert not figure.axes[0].axison


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, "height[3] (m)"), ({"labels": {"y": "depth"}}, "depth[3] (m)")],
)
def test_label_of_the_study_replaces_that_of_the_model(options, expected):
    values = xr.DataArray(0.0, attrs={"long_name": "height", "units": "m"})
    assert make_label("y", values, options, "[3]") == expected


def test_label_without_attributes_is_the_name():
    assert make_label("y", None, {}) == "y"


@pytest.mark.parametrize(
    ("kind", "name"), [("hdi", "90 % HDI"), ("eti", "90 % equal-tailed interval")]
)
def test_interval_name_has_its_probability(kind, name):
    assert describe_interval({"interval": {"kind": kind, "probability": 0.9}}) == name


def test_scalar_sites_come_before_latent_vectors():
    draws = make_draws()
    vector = np.arange(2 * 60 * 6.0).reshape(2, 60, 2, 3)
    draws = draws.assign(v=(("chain", "draw", "a", "b"), vector, {"role": "latent"}))
    draws = draws[["v", "m", "c"]]
    scalars = select_parameters(draws, {}, 5)
    assert [scalar.name for scalar in scalars] == ["m", "c", "v[0,0]", "v[0,1]", "v[0,2]"]
    np.testing.assert_array_equal(scalars[4].draws, vector[:, :, 0, 2])


def test_requested_parameters_are_shown_alone():
    scalars = select_parameters(make_draws(), {"parameters": ["c", "unknown"]})
    assert [scalar.name for scalar in scalars] == ["c"]


def test_true_value_is_found_by_index():
    truth = xr.Dataset({"m": 2.0, "v": (("a", "b"), np.arange(6.0).reshape(2, 3))})
    assert get_true_value(truth, "m") == 2
    assert get_true_value(truth, "v[1,2]") == 5
    assert get_true_value(truth, "unknown") is None
