import numpy as np
import pytest
import xarray as xr
from synthetic_fits import LEAD, sample_gaussian

from posterity.comparison.fits import compare_fits
from posterity.plots import fits as plots_fits
from posterity.plots.style import save_figure


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(12)
    names = [f"p{i}" for i in range(30)]
    draws = {
        "nuts": sample_gaussian(rng, draws=100, names=names),
        "svi": sample_gaussian(rng, 0.5, names=names),
    }
    rows = compare_fits(draws, {"map": draws["nuts"].mean(LEAD)}, 5)
    return rows.assign(model=("row", np.array(["line"] * rows.sizes["row"], dtype=object)))


@pytest.fixture
def read_texts(tmp_path):
    """A function that draws a comparison, checks its size as SVG, and returns its texts."""

    def read(rows, model="line"):
        tree = xr.DataTree.from_dict({"/fit_differences": rows})
        settings = {"figure": {"model": model}, "options": {"labels": {"p0": "slope"}}}
        figure = plots_fits.draw_figure({"comparison": tree}, settings)
        texts = " ".join(
            text.get_text().replace("\n", " ")
            for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))
        )
        save_figure(figure, tmp_path / "a.svg", tmp_path / "a.png")
        assert (tmp_path / "a.svg").stat().st_size < 300_000
        return texts

    return read


def test_figure_describes_each_pair(read_texts, rows):
    texts = read_texts(rows)
    assert "the 24 scalars of 30 whose means differ most" in texts
    assert "svi against nuts: means differ by up to 0." in texts


def test_figure_of_point_estimates_has_no_ratios(read_texts, rows):
    only_map = rows.isel(row=rows["fit_b"] == "map")
    assert "not for point estimates" in read_texts(only_map)


def test_figure_of_a_model_without_pairs_states_that(read_texts, rows):
    assert "no two fits" in read_texts(rows, model="other")
    assert "no two fits" in read_texts(compare_fits({}, {}, 5))
