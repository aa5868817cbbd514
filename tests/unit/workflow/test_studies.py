"""The studies of a run: entries by wildcards, paths of artefacts, and parameters of jobs."""

import pytest
from small_project import make_density, make_model, make_project, make_study, select

from posterity.config.registry import DRAW_KINDS
from posterity.errors import UserError
from posterity.workflow import paths

LINES = select(study="lines", model="straight", fit="nuts")


def refuse(function, **ids):
    """Return the message of the UserError that a function raises."""
    with pytest.raises(UserError) as raised:
        function(select(**ids))
    return str(raised.value)


# Paths


def test_study_paths_are_one_per_study(small_project):
    expected = ["results/lines/data.nc", "results/density/data.nc"]
    assert small_project.list_study_paths(paths.DATA) == expected


def test_paths_can_be_restricted_to_studies(small_project):
    assert small_project.list_study_paths(paths.DATA, ["density"]) == ["results/density/data.nc"]
    assert small_project.list_study_paths(paths.DATA, []) == []


def test_model_paths_are_one_per_model(small_project):
    assert small_project.list_model_paths(paths.PRIOR) == [
        "results/lines/straight/prior.nc",
        "results/lines/curved/prior.nc",
        "results/density/density/prior.nc",
    ]


def test_fit_paths_are_one_per_model_and_fit(small_project):
    assert small_project.list_fit_paths(paths.POSTERIOR, ["lines"]) == [
        "results/lines/straight/nuts/posterior.nc",
        "results/lines/straight/map/posterior.nc",
        "results/lines/curved/nuts/posterior.nc",
    ]


def test_fit_paths_can_be_restricted_to_a_model_and_to_kinds_of_draws(small_project):
    listed = small_project.list_fit_paths(paths.POSTERIOR, ["lines"], "straight", DRAW_KINDS)
    assert listed == ["results/lines/straight/nuts/posterior.nc"]


def test_sensitivities_need_draws_and_data(small_project):
    assert small_project.list_sensitivities() == [
        "results/lines/straight/nuts/sensitivity.nc",
        "results/lines/curved/nuts/sensitivity.nc",
    ]


def test_comparisons_need_two_models_or_two_fits(small_project):
    assert small_project.list_comparisons() == ["results/lines/comparison.nc"]


def test_figures_are_svg_and_png(small_project):
    files = small_project.list_figure_files()
    assert "results/lines/figures/straight_nuts_corner.svg" in files
    assert "results/lines/figures/straight_nuts_corner.png" in files
    assert len(files) == len(set(files))


def test_tables_are_csv_and_tex(small_project):
    files = small_project.list_table_files()
    assert {"results/lines/tables/fits.csv", "results/lines/tables/fits.tex"} <= {*files}
    assert "results/density/tables/fits.csv" not in files


def test_only_a_strict_run_has_gates():
    studies = {"lines": make_study()}
    assert make_project(studies).list_gates() == []
    assert make_project(studies, strict=True).list_gates() == ["results/lines/gate.txt"]


# Entries


def test_entries_are_those_that_the_wildcards_name(small_project):
    study = small_project.studies["lines"]
    assert small_project.get_study(LINES) is study
    assert small_project.get_model(LINES) is study["models"]["straight"]
    assert small_project.get_fit(LINES) is study["fits"]["nuts"]


def test_an_unknown_study_is_refused_with_the_studies_of_the_run(small_project):
    message = refuse(small_project.get_study, study="line")
    for part in ("results/line:", "lines, density", "--config studies=line"):
        assert part in message


def test_an_unknown_model_is_refused_with_the_nearest_one(small_project):
    message = refuse(small_project.get_model, study="lines", model="curve")
    for part in ("results/lines/curve:", "study lines has no model 'curve'", "'curved'"):
        assert part in message


def test_an_unknown_fit_is_refused_with_the_fits_of_the_model(small_project):
    message = refuse(small_project.get_fit, study="lines", model="curved", fit="map")
    for part in ("results/lines/curved/map:", "no fit 'map'", "nuts"):
        assert part in message


def test_an_unknown_figure_is_refused_with_the_nearest_one(small_project):
    message = refuse(small_project.get_figure, study="lines", figure="straight_nuts_dta")
    for part in ("results/lines/figures:", "no figure 'straight_nuts_dta'", "straight_nuts_data"):
        assert part in message


# Parameters


def test_a_setting_is_read_by_its_keys(small_project):
    assert small_project.setting("prior", "draws")(LINES) == 100
    assert small_project.setting("seed")(LINES) == 7


def test_a_setting_has_a_default_if_one_is_given(small_project):
    assert small_project.setting("compare", "reference", default=None)(LINES) is None
    with pytest.raises(KeyError):
        small_project.setting("compare", "reference")(LINES)


def test_a_setting_of_an_unknown_study_is_refused(small_project):
    assert "lines, density" in refuse(small_project.setting("seed"), study="other")


def test_what_defines_a_model_excludes_its_figures(small_project):
    spec = small_project.get_model_spec(LINES)
    assert "figures" not in spec
    assert spec["function"] == "model"


def test_the_settings_of_a_fit_exclude_its_models(small_project):
    assert small_project.get_fit_settings(LINES) == {
        "method": "nuts",
        "chains": 4,
        "warmup": 500,
        "draws": 1000,
    }


def test_limits_exclude_expected_failures(small_project):
    assert small_project.get_limits(LINES) == {"rhat": 1.01}


def test_a_simulated_model_is_the_one_that_the_study_names(small_project):
    data = {"simulate": {"model": "curved", "truth": {}, "design": {}}}
    project = make_project({"lines": make_study(data=data)})
    model = make_model()
    del model["figures"]
    assert project.get_simulated_model(LINES) == model
    assert small_project.get_simulated_model(LINES) is None
    assert small_project.get_simulated_model(select(study="density")) is None


def test_figure_settings_have_bounds_for_the_prior_only():
    bounds = {"y": [-1, 1]}
    project = make_project({"lines": make_study(checks={"prior_predictive": bounds})})
    prior = project.get_figure_settings(select(study="lines", figure="straight_prior"))
    corner = project.get_figure_settings(select(study="lines", figure="straight_nuts_corner"))
    assert prior["bounds"] == bounds
    assert corner["bounds"] == {}
    assert corner["options"] == {"lines": 20}
    assert corner["title"] == "Two lines"
    assert corner["figure"]["kind"] == "corner"


def test_labels_of_the_report(small_project):
    figure = select(study="lines", figure="straight_nuts_corner")
    model_figure = select(study="lines", figure="straight_forest")
    assert small_project.get_figure_labels(figure)["fit"] == "nuts"
    assert small_project.get_figure_labels(model_figure)["fit"] == "-"
    labels = small_project.get_table_labels(select(study="lines", table="fits"))
    assert labels == {"fit": "all", "figure": "fits against each other"}


def test_the_report_lists_titles_and_links(small_project):
    assert small_project.list_titles()["lines"] == {"title": "Two lines", "description": ""}
    pages = small_project.list_report_pages()["lines"]
    assert "results/lines/figures/straight_nuts_corner.svg" in pages["straight, nuts"].values()
    assert pages["tables"]["all checks"] == "results/lines/checks.html"


def test_two_figures_of_one_name_are_refused():
    models = {"a": make_model(), "a_nuts": make_model()}
    fits = {
        "nuts_nuts": {"method": "nuts", "models": ["a"]},
        "nuts": {"method": "nuts", "models": ["a_nuts"]},
    }
    with pytest.raises(UserError, match="two figures"):
        make_project({"lines": make_study(models=models, fits=fits)})


def test_a_study_without_data_has_no_figure_of_data():
    project = make_project({"density": make_density()})
    assert {figure["kind"] for figure in project.figures["density"].values()} == {"forest"}
