import pytest
import xarray as xr
from synthetic_fits import Y, sample_conjugate

from posterity.comparison.models import compare_models
from posterity.plots import models as plots_models
from posterity.plots.style import save_figure


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
