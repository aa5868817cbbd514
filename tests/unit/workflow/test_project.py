"""Inputs, code, threads and resources of each job."""

from types import SimpleNamespace

import pytest
from conftest import ROOT
from small_project import make_model, make_project, make_study, select

from posterity.errors import UserError
from posterity.workflow import project as project_module
from posterity.workflow.project import Project
from posterity.workflow.resources import (
    COUNT_SIZES_VARIABLE,
    ModelSize,
    estimate_resources,
    estimate_workload,
)

FIT = select(study="lines", model="straight", fit="nuts")
POINT = select(study="lines", model="straight", fit="map")
STUDY = select(study="lines")
SIMULATED = {"simulate": {"model": "straight", "truth": {}, "design": {"n": 5}}}


def refuse(function, wildcards):
    """Return the message of the UserError that a function raises."""
    with pytest.raises(UserError) as raised:
        function(wildcards)
    return str(raised.value)


def names(files):
    """Return the library modules among files, without suffix."""
    parts = [file.partition("lib/posterity/") for file in files]
    return {module.removesuffix(".py") for _, library, module in parts if library}


@pytest.fixture
def model_folder(tmp_path):
    """A folder with a model and a table, and without simulate.py."""
    (tmp_path / "model.py").write_text("from physics import law\n\n\ndef model(x): ...\n")
    (tmp_path / "physics.py").write_text("def law(x): ...\n")
    (tmp_path / "filters.csv").write_text("x\n1\n")
    return tmp_path


def make_own_project(folder, **settings):
    models = {"straight": make_model(str(folder / "model.py"))}
    fits = {"nuts": {"method": "nuts", "models": ["straight"]}}
    return make_project({"lines": make_study(models=models, **{"fits": fits} | settings)})


def make_workflow(overrides, is_module=False):
    return SimpleNamespace(
        modifier=SimpleNamespace(skip_configfile=is_module),
        config_settings=SimpleNamespace(overwrite_config=overrides),
    )


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """A working directory with a configuration file, in which any study can be loaded."""
    (tmp_path / "config").mkdir()
    text = "studies: [line]\nscratch: $TMP\ndefaults: {checks: {mcse: 1e-3}}\n"
    (tmp_path / "config/config.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        project_module,
        "load_study",
        lambda name, defaults: make_study(title=name, checks=defaults.get("checks", {})),
    )


def test_a_project_is_loaded_from_the_configuration_and_the_command_line(configured):
    workflow = make_workflow({"studies": "line,hogg", "strict": True})
    project = Project.load({"studies": "ignored"}, ROOT / "workflow", workflow)
    assert list(project.studies) == ["line", "hogg"]
    assert (project.strict, project.scratch) == (True, "$TMP")
    assert project.folder == ROOT / "workflow"


def test_the_configuration_is_read_by_the_rules_of_studies(configured):
    project = Project.load({}, ROOT / "workflow", make_workflow({}))
    assert project.studies["line"]["checks"] == {"mcse": 0.001}


def test_a_module_uses_the_configuration_of_its_caller(configured):
    workflow = make_workflow({}, is_module=True)
    project = Project.load({"studies": ["hogg"]}, ROOT / "workflow", workflow)
    assert list(project.studies) == ["hogg"]
    assert project.scratch == ""


# Inputs


def test_data_from_a_table_depend_on_the_table(small_project):
    assert small_project.list_data_sources(STUDY) == ["table.csv"]
    assert small_project.list_data_sources(select(study="density")) == []
    assert "data/simulate" not in names(small_project.list_data_code(STUDY))


def test_data_from_a_model_depend_on_the_files_of_the_model(model_folder):
    project = make_own_project(model_folder, data=SIMULATED)
    sources = project.list_data_sources(STUDY)
    assert sources == [str(model_folder / "model.py"), str(model_folder / "physics.py")]
    assert "data/simulate" in names(project.list_data_code(STUDY))


def test_data_from_a_simulator_depend_on_it_and_on_the_files_of_its_design(model_folder):
    (model_folder / "simulate.py").write_text("def simulate(): ...\n")
    table = str(model_folder / "filters.csv")
    design = {"n": 5, "filters": table, "name": "no_file"}
    data = {"simulate": SIMULATED["simulate"] | {"design": design}}
    project = make_own_project(model_folder, data=data)
    assert project.list_data_sources(STUDY) == [str(model_folder / "simulate.py"), table]
    assert "data/simulate" not in names(project.list_data_code(STUDY))


def test_a_model_depends_on_the_files_that_it_imports(model_folder):
    files = make_own_project(model_folder).list_model_files(FIT)
    assert files == [str(model_folder / "model.py"), str(model_folder / "physics.py")]


def test_a_model_that_is_not_valid_python_is_refused_with_its_line(model_folder):
    (model_folder / "physics.py").write_text("x = 1\ndef law((\n")
    message = refuse(make_own_project(model_folder).list_model_files, FIT)
    assert message.startswith(f"{model_folder}/physics.py, line 2: ")
    assert message.endswith("Fix the file.")


def test_predictions_need_a_posterior(small_project):
    assert small_project.get_posterior(FIT) == "results/lines/straight/nuts/posterior.nc"


def test_a_point_estimate_has_no_predictions(small_project):
    message = refuse(small_project.get_posterior, POINT)
    for part in ("results/lines/straight/map:", "'map' is a point estimate", "Name a fit"):
        assert part in message


def test_a_verdict_needs_all_diagnoses(small_project):
    assert small_project.list_diagnoses(STUDY) == [
        "results/lines/straight/nuts/diagnosis.nc",
        "results/lines/straight/map/diagnosis.nc",
        "results/lines/curved/nuts/diagnosis.nc",
    ]


def test_a_diagnosis_needs_predictions_and_sensitivity_of_a_fit_with_draws(small_project):
    assert small_project.list_diagnose_inputs(FIT) == {
        "predictive": "results/lines/straight/nuts/predictive.nc",
        "sensitivity": "results/lines/straight/nuts/sensitivity.nc",
    }
    assert small_project.list_diagnose_inputs(POINT) == {}


def test_a_diagnosis_without_data_needs_no_sensitivity():
    project = make_project({"lines": make_study(data="none")})
    assert set(project.list_diagnose_inputs(FIT)) == {"predictive"}


def test_a_comparison_needs_one_fit_of_each_model_and_all_fits_of_a_model(small_project):
    assert small_project.list_compare_inputs(STUDY) == {
        "predictives": [
            "results/lines/straight/nuts/predictive.nc",
            "results/lines/curved/nuts/predictive.nc",
        ],
        "posteriors": [
            "results/lines/straight/nuts/posterior.nc",
            "results/lines/straight/map/posterior.nc",
        ],
    }


def test_a_study_with_nothing_to_compare_is_refused(small_project):
    message = refuse(small_project.list_compare_inputs, select(study="density"))
    for part in ("results/density/comparison.nc:", "nothing to compare", "two models"):
        assert part in message


def test_a_figure_needs_its_artefacts_and_the_code_of_its_kind(small_project):
    inputs = small_project.list_figure_inputs(select(study="lines", figure="straight_nuts_corner"))
    code = names(inputs.pop("code"))
    assert {"plots/corner", "plots/style"} <= code
    assert not {"plots/graph", "plots/trace", "inference/run"} & code
    assert inputs == {
        "data": "results/lines/data.nc",
        "posterior": "results/lines/straight/nuts/posterior.nc",
    }


def test_a_figure_of_a_model_needs_the_posteriors_of_its_fits(small_project):
    inputs = small_project.list_figure_inputs(select(study="lines", figure="straight_forest"))
    assert inputs["posteriors"] == [
        "results/lines/straight/nuts/posterior.nc",
        "results/lines/straight/map/posterior.nc",
    ]


def test_a_custom_figure_needs_the_file_that_defines_it(model_folder):
    (model_folder / "figures.py").write_text('def trials(a, b):\n    """All trials."""\n')
    project = make_own_project(model_folder)
    model = project.studies["lines"]["models"]["straight"]
    model["figures"] = [{"name": "trials", "fits": None, "joint_figure": False}]
    project = make_project(project.studies)
    inputs = project.list_figure_inputs(select(study="lines", figure="straight_nuts_trials"))
    assert str(model_folder / "figures.py") in inputs["code"]
    assert "plots/style" in names(inputs["code"])
    assert {"posterior", "predictive"} <= set(inputs)


def test_a_curve_belongs_to_the_code_of_the_figures_that_draw_it(model_folder):
    (model_folder / "figures.py").write_text("def curve(a, b): ...\n")
    project = make_own_project(model_folder)
    for figure, has_curve in (("straight_nuts_data", True), ("straight_nuts_corner", False)):
        inputs = project.list_figure_inputs(select(study="lines", figure=figure))
        assert (str(model_folder / "figures.py") in inputs["code"]) == has_curve


def test_a_table_needs_its_artefacts(small_project):
    inputs = small_project.list_table_inputs(select(study="lines", table="parameters"))
    assert list(inputs) == ["posteriors"]
    assert len(inputs["posteriors"]) == 3
    inputs = small_project.list_table_inputs(select(study="lines", table="models"))
    assert inputs == {"comparison": ["results/lines/comparison.nc"]}
    inputs = small_project.list_table_inputs(select(study="lines", table="sensitivity"))
    assert inputs == {"sensitivities": small_project.list_sensitivities(["lines"])}


def test_an_unknown_table_is_refused_with_the_tables_of_the_study(small_project):
    message = refuse(small_project.list_table_inputs, select(study="density", table="models"))
    for part in ("results/density/tables:", "no table 'models'", "parameters"):
        assert part in message


# Code


def test_the_code_of_a_stage_is_its_script_and_what_it_imports(small_project):
    code = small_project.list_code("sensitivity")
    assert "workflow/scripts/sensitivity.py" in "".join(code)
    assert "diagnostics/prior_sensitivity" in names(code)


def test_the_code_of_a_fit_is_that_of_its_method(small_project):
    assert {"inference/methods/nuts", "inference/enumeration"} <= names(
        small_project.list_fit_code(FIT)
    )
    point = names(small_project.list_fit_code(POINT))
    assert "inference/methods/map" in point
    assert not {"inference/methods/nuts", "inference/enumeration", "stats/summary"} & point


def test_a_guide_of_the_user_belongs_to_the_code_of_its_fit(model_folder):
    (model_folder / "guide.py").write_text("def guide(x): ...\n")
    for guide, belongs in (("guide", True), ("AutoNormal", False)):
        fits = {"nuts": {"method": "svi", "models": ["straight"], "guide": guide}}
        code = make_own_project(model_folder, fits=fits).list_fit_code(FIT)
        assert (str(model_folder / "guide.py") in code) == belongs


# Threads and resources


def test_a_fit_has_a_thread_for_each_chain(small_project):
    assert small_project.count_fit_threads(FIT) == 4
    assert small_project.count_fit_threads(POINT) == 1


@pytest.mark.parametrize(
    ("cores", "options", "threads"),
    [
        (1, {}, 4),
        (1, {"count": 2}, 1),
        (2, {"count": 2}, 4),
        (1, {"count": 2, "on_cluster": True}, 4),
        (1, {"count": 2, "is_main_process": False}, 4),
    ],
)
def test_far_more_fits_than_cores_have_one_thread_each_on_one_machine(cores, options, threads):
    studies = {name: make_study() for name in ("lines", "other")[: options.pop("count", 1)]}
    project = make_project(studies, cores=cores, **options)
    assert project.parallel_fits == 2 * len(studies)
    assert project.count_fit_threads(FIT) == threads


@pytest.fixture
def sized(monkeypatch):
    """A project whose model `straight` is large."""
    project = make_project({"lines": make_study()})
    size = ModelSize(data=1000, observed=1000, latent=5000, stored=5000)
    monkeypatch.setattr(
        project_module, "get_model_sizes", lambda studies, count: {("lines", "straight"): size}
    )
    return project, size


def test_a_job_requests_what_its_workload_needs(sized):
    project, size = sized
    study = project.studies["lines"]
    workload = estimate_workload(study, {"straight": size}, "straight", "nuts")
    expected = estimate_resources("fit", workload, 2)
    assert project.estimate_job("fit", FIT, 2) == expected
    assert project.request("fit", "mem_mb")(FIT, 2) == expected["mem_mb"]
    assert project.request("fit", "runtime")(FIT, attempt=2) == expected["runtime"]


def test_a_figure_requests_what_its_kind_needs(sized):
    project, size = sized
    study = project.studies["lines"]
    workload = estimate_workload(study, {"straight": size}, "straight", "nuts")
    wildcards = select(study="lines", figure="straight_nuts_data")
    expected = estimate_resources("figures data", workload)
    assert project.estimate_job("figures", wildcards, 1) == expected


def test_a_table_requests_what_its_kind_needs(sized):
    project, size = sized
    workload = estimate_workload(project.studies["lines"], {"straight": size})
    wildcards = select(study="lines", table="parameters")
    expected = estimate_resources("tables parameters", workload)
    assert project.estimate_job("tables", wildcards, 1) == expected


def test_a_comparison_of_fits_alone_requests_less(sized):
    project, size = sized
    compare = project.estimate_job("compare", STUDY, 1)
    workload = estimate_workload(project.studies["lines"], {"straight": size})
    assert compare == estimate_resources("compare", workload)
    fits = make_study()["fits"]
    fits["nuts"]["models"] = ["straight"]
    alone = make_project({"lines": make_study(fits=fits)})
    workload = estimate_workload(alone.studies["lines"], {"straight": size})
    assert alone.estimate_job("compare", STUDY, 1) == estimate_resources("compare fits", workload)


def test_the_verdicts_on_all_studies_request_the_minimum(sized):
    assert sized[0].estimate_job("verdicts", select(), 1) == estimate_resources("verdicts", {})


@pytest.mark.parametrize(
    ("options", "plan", "count"),
    [
        ({}, False, False),
        ({"on_cluster": True}, False, True),
        ({"on_cluster": True, "is_main_process": False}, False, False),
        ({}, True, True),
    ],
)
def test_sizes_are_counted_before_a_submission_and_for_a_plan(monkeypatch, options, plan, count):
    calls = []
    monkeypatch.setattr(
        project_module, "get_model_sizes", lambda studies, count: calls.append(count) or {}
    )
    if plan:
        monkeypatch.setenv(COUNT_SIZES_VARIABLE, "1")
    else:
        monkeypatch.delenv(COUNT_SIZES_VARIABLE, raising=False)
    project = make_project({"lines": make_study()}, **options)
    for attempt in (1, 2):
        project.estimate_job("fit", FIT, attempt)
    assert calls == [count]
