import numpy as np
import pytest
import xarray as xr
from figure_artefacts import close, list_texts, make_settings, make_tree
from synthetic_fits import Y, sample_conjugate

from posterity.comparison.models import compare_models
from posterity.plots import models as plots_models
from posterity.plots.models import draw_figure, label_models, make_figure_with_notes
from posterity.plots.style import save_figure

COLUMNS = {
    "elpd": [-60.0, -80.0, np.nan],
    "se": [3.0, 4.0, np.nan],
    "elpd_diff": [0.0, -20.0, np.nan],
    "dse": [0.0, 5.0, np.nan],
    "weight": [0.9, 0.1, np.nan],
    "weight_low": [0.6, 0.0, np.nan],
    "weight_high": [1.0, 0.7, np.nan],
    "pareto_k": [0.3, np.inf, np.nan],
    "bad_k": [2, 0, np.nan],
    "good_k": [0.7, 0.7, 0.7],
    "message": ["predicts best", "predicts worse", "observes nothing"],
}
TABLE = xr.Dataset(
    {name: ("model", np.array(values)) for name, values in COLUMNS.items()},
    {"model": ["good", "bad", "other"]},
    {"reference": "good"},
)


def draw(table):
    artefacts = {"comparison": make_tree(models=table)}
    return close(draw_figure(artefacts, make_settings(model="")))


def test_panels_show_scores_differences_and_weights():
    figure = draw(TABLE)
    left, middle, right, _ = sorted(figure.axes, key=lambda axes: not axes.get_xlabel())
    assert left.get_xlabel() == "elpd (nats), higher is better"
    assert middle.get_xlabel() == "elpd minus that of good (nats)"
    assert right.get_xlabel() == "stacking weight"


def test_each_model_has_its_sentence_and_one_that_cannot_be_compared_has_no_number():
    texts = list_texts(draw(TABLE))
    for sentence in ("good: predicts best", "bad: predicts worse", "other: observes nothing"):
        assert sentence in texts
    assert texts.count("not comparable") == 1
    assert "0.90" in texts
    assert "determined" in texts  # its interval is wide


def test_label_has_the_largest_k_hat():
    assert label_models(TABLE) == [
        "good\nk-hat up to 0.30, 2 above 0.70",
        "bad\nk-hat unknown",
        "other",
    ]


def test_long_names_are_shortened():
    long = TABLE.assign_coords(model=["a very " * 10, "bad", "other"])
    assert max(map(len, label_models(long)[0].split("\n"))) < 40
    draw(long.assign_attrs(reference="a very " * 10))


def test_no_models_give_a_note():
    assert "no models to compare" in list_texts(draw(xr.Dataset()))


def test_notes_are_wrapped_below_the_panels():
    figure, panels = make_figure_with_notes(2.0, ["word " * 60], [{"marker": "o"}])
    figure.draw_without_rendering()
    assert figure.get_figheight() > 2.4
    assert panels.bbox.y0 > 0


@pytest.fixture
def read_texts(tmp_path):
    """A function that draws a comparison, checks its size as SVG, and returns its texts."""

    def read(table):
        tree = xr.DataTree.from_dict({"/models": table})
        settings = {"figure": {"model": "line"}, "options": {"labels": {"p0": "slope"}}}
        figure = plots_models.draw_figure({"comparison": tree}, settings)
        texts = " ".join(
            text.get_text().replace("\n", " ")
            for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))
        )
        save_figure(figure, tmp_path / "a.svg", tmp_path / "a.png")
        assert (tmp_path / "a.svg").stat().st_size < 300_000
        return texts

    return read


def test_figure_describes_each_model(read_texts):
    predictives = {
        "line": sample_conjugate(Y)[0],
        "outliers": sample_conjugate(Y, sd=4.0)[0],
        "other": sample_conjugate(Y[:50])[0],
    }
    texts = read_texts(compare_models(predictives, "line"))
    assert "outliers: predicts worse than line by" in texts
    assert "not comparable" in texts


def test_figure_without_models_states_that(read_texts):
    assert "no models" in read_texts(compare_models({}, None))
