import pytest

from posterity.config.targets import (
    choose_compared_models,
    count_threads,
    get_draw_kind,
    has_comparison,
    list_figures,
    list_fits,
    list_report_links,
    list_tables,
)
from posterity.errors import UserError

FITS = {"nuts": {"method": "nuts"}, "svi": {"method": "svi"}, "map": {"method": "map"}}
TWO_MODELS = {"line": {}, "b": {"model": "line"}}


def write_figures(place, *names):
    """Write figures.py of the model `line` with some functions."""
    text = "".join(f"def {name}(a, s):\n    'Text'\n\n\n" for name in names)
    (place / "workflow/models/line/figures.py").write_text(text)


def test_a_point_guide_makes_a_fit_a_point(load):
    guided = {"method": "svi", "guide": "AutoDelta"}
    study = load(fits=FITS | {"delta": guided})
    kinds = {fit: get_draw_kind(study, fit) for fit in study["fits"]}
    assert kinds == {"nuts": "chains", "svi": "independent", "map": "point", "delta": "point"}
    assert list_fits(study, "line", ("point",)) == ["delta", "map"]


@pytest.mark.parametrize(
    ("settings", "threads"),
    [
        ({"method": "nuts", "chains": 3}, 3),
        ({"method": "nested", "runs": 2}, 2),
        ({"method": "chees", "chains": 64}, 1),
        ({"method": "map"}, 1),
    ],
)
def test_threads_follow_the_setting_of_the_method(settings, threads):
    assert count_threads(settings) == threads


def test_models_are_compared_by_the_fit_that_most_of_them_have(load):
    fits = {"nuts": {"method": "nuts", "models": ["line"]}, "svi": {"method": "svi"}}
    study = load(models=TWO_MODELS, fits=fits)
    assert choose_compared_models(study) == ("svi", ["b", "line"])


def test_a_fit_by_chains_is_preferred_for_the_comparison(load):
    study = load(models=TWO_MODELS, fits={"nuts": {"method": "nuts"}, "svi": {"method": "svi"}})
    assert choose_compared_models(study)[0] == "nuts"


def test_a_comparison_by_a_fit_of_one_model_is_an_error(load):
    fits = {"nuts": {"method": "nuts", "models": ["line"]}, "svi": {"method": "svi"}}
    study = load(models=TWO_MODELS, fits=fits)
    with pytest.raises(UserError, match="compare: fit: 'nuts': a comparison needs two models"):
        choose_compared_models(study | {"compare": {"fit": "nuts"}})


def test_a_reference_outside_the_comparison_is_an_error(load):
    with pytest.raises(UserError, match="compare: reference: 'line': the comparison uses the fit"):
        choose_compared_models(load(compare={"reference": "line"}))


def test_two_fits_of_one_model_are_a_comparison(load):
    assert not has_comparison(load())
    assert has_comparison(load(fits=FITS))


def test_only_the_kinds_of_figures_that_a_study_lists_are_drawn(load):
    drawn = list_figures("mine", load(figures={"kinds": ["data", "graph"]}))
    assert set(drawn) == {"line_nuts_data", "line_graph"}


def test_only_a_fit_with_a_loss_has_the_figure_of_the_loss(load):
    drawn = list_figures("mine", load(fits=FITS, figures={"kinds": ["loss", "trace"]}))
    assert set(drawn) == {"line_svi_loss", "line_nuts_trace"}


def test_a_custom_figure_is_drawn_for_each_fit_for_one_fit_or_jointly(place, load):
    write_figures(place, "p", "q", "r")
    custom = ["p", {"q": "map"}, {"r": ["nuts", "map"]}]
    study = load(fits=FITS, models={"line": {"figures": custom}}, figures={"kinds": ["graph"]})
    drawn = list_figures("mine", study)
    assert set(drawn) == {"line_graph", "line_nuts_p", "line_svi_p", "line_map_q", "line_r"}
    assert drawn["line_map_q"]["needs"] == ("posterior",)
    assert drawn["line_nuts_p"]["needs"] == ("posterior", "predictive")
    assert drawn["line_r"]["needs"] == ("posteriors",)
    assert drawn["line_r"]["fits"] == ["nuts", "map"]
    assert drawn["line_r"]["caption"] == "Text"
    assert drawn["line_r"]["custom"] == "workflow/models/line/figures.py"
    assert drawn["line_graph"]["custom"] is None


def test_two_figures_of_one_name_are_an_error(place, load):
    write_figures(place, "corner")
    models = {"line": {"figures": [{"corner": "nuts"}]}}
    with pytest.raises(UserError, match=r"mine.yaml: two figures would be called 'line_nuts_corn"):
        list_figures("mine", load(models=models))


def test_tables_follow_from_fits_and_models(load):
    assert set(list_tables(load())) == {"parameters", "sensitivity"}
    assert set(list_tables(load(fits=FITS))) == {"parameters", "sensitivity", "fits"}
    assert "models" in list_tables(load(models=TWO_MODELS))


def test_report_links_are_sorted_by_model_and_fit():
    figures = {
        "b_nuts_data": {"model": "b", "fit": "nuts", "title": "data"},
        "a_graph": {"model": "a", "fit": "", "title": "graph"},
        "comparison_models": {"model": "", "fit": "", "title": "models"},
    }
    links = list_report_links("s", figures, {"parameters": "results/{study}/tables/p.html"})
    assert list(links) == ["a", "all models", "b, nuts", "tables"]
    assert links["b, nuts"] == {"data": "results/s/figures/b_nuts_data.svg"}
    assert links["tables"] == {"parameters": "results/s/tables/p.html"}
