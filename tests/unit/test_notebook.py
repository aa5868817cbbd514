"""The public interface for notebooks."""

import pytest
import xarray as xr
from conftest import ROOT

from posterity.artefact.netcdf import write_artefact
from posterity.config.stage import ComputeSettings, StageIds
from posterity.errors import UserError
from posterity.notebook import get_stage, load_results, load_settings, make_stage_arguments


@pytest.fixture(autouse=True)
def project_folder(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_settings_include_defaults():
    assert (
        load_settings("line")["seed"] == make_stage_arguments("line", "line", "x")["compute"].seed
    )
    assert "ess_bulk" in load_settings("line")["checks"]


def test_a_stage_is_the_function_of_its_script():
    stage = get_stage("sensitivity")
    assert stage.__name__ == "sensitivity"
    assert stage.__doc__


def test_an_unknown_stage_is_refused_with_the_nearest_one():
    with pytest.raises(UserError, match="no stage 'fitt': did you mean 'fit'"):
        get_stage("fitt")


def test_stage_arguments_are_ids_model_and_compute():
    arguments = make_stage_arguments("line", "line_angle", "short")
    assert set(arguments) == {"ids", "model", "compute"}
    assert arguments["ids"] == StageIds("line", "line_angle", "short")
    assert isinstance(arguments["compute"], ComputeSettings)
    assert arguments["model"].spec["function"] == "line_angle"
    assert "workflow/models/line/model.py" in arguments["model"].files


def test_stage_arguments_of_an_unknown_model_are_refused():
    with pytest.raises(UserError, match=r"line\.yaml: there is no model 'lin'"):
        make_stage_arguments("line", "lin", "short")


def test_results_of_a_study_without_artefacts_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"no artefacts\. Run it: snakemake"):
        load_results("line", tmp_path)


def test_results_are_one_tree_by_model_and_fit(tmp_path):
    values = xr.Dataset({"m": ("draw", [1.0, 2.0])})
    files = {
        "data.nc": "data",
        "line/prior.nc": "prior",
        "line/nuts/posterior.nc": "posterior",
        "line/nuts/predictive.nc": "posterior",
        "comparison.nc": "models",
    }
    for file, group in files.items():
        (tmp_path / "line" / file).parent.mkdir(parents=True, exist_ok=True)
        write_artefact(str(tmp_path / "line" / file), {group: values}, {"study": "line"})
    tree = load_results("line", tmp_path)
    groups = {node.path.strip("/") for node in tree.leaves}
    assert groups == {
        "data",
        "line/prior",
        "line/nuts/posterior",
        "line/nuts/predictive/posterior",
        "comparison/models",
    }
    assert tree["line/nuts/posterior"].attrs["file"] == str(
        tmp_path / "line/line/nuts/posterior.nc"
    )
