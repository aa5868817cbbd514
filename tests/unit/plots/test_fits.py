from itertools import combinations

import numpy as np
import pytest
import xarray as xr
from figure_artefacts import close, list_texts, make_draws, make_settings, make_tree
from synthetic_fits import LEAD, sample_gaussian

from posterity.comparison.fits import compare_fits
from posterity.plots import fits as plots_fits
from posterity.plots.fits import choose_scalars, describe_selection, draw_figure, label_scalar
from posterity.plots.style import save_figure


def make_rows(fits, points=None, limit=5):
    rows = compare_fits(fits, points or {}, limit)
    return rows.assign(model=("row", np.array(["line"] * rows.sizes["row"], dtype=object)))


def draw(rows, model="line", **options):
    artefacts = {"comparison": make_tree(fit_differences=rows)}
    return close(draw_figure(artefacts, make_settings(model=model, **options)))


def get_panels(figure):
    return [axes for axes in figure.axes if axes.get_xlabel()]


TWO = {"nuts": make_draws(), "svi": make_draws(seed=2)}


def test_panels_show_differences_ratios_and_distances():
    figure = draw(make_rows(TWO))
    assert [axes.get_xlabel().partition("\n")[0] for axes in get_panels(figure)] == [
        "difference of means",
        "ratio of sds",
        "Wasserstein distance",
    ]
    assert "svi against nuts: agree within Monte Carlo error" in list_texts(figure)


def test_scalars_have_the_labels_of_the_study():
    left = get_panels(draw(make_rows(TWO), labels={"m": "slope"}))[0]
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["slope", "c"]


def test_equal_labels_leave_the_names():
    left = get_panels(draw(make_rows(TWO), labels={"m": "same", "c": "same"}))[0]
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["m", "c"]


def test_many_pairs_are_reduced_to_those_with_the_first_fit():
    fits = {f"f{i}": make_draws(draws=20, seed=i) for i in range(6)}
    assert len(list(combinations(fits, 2))) == 15
    texts = list_texts(draw(make_rows(fits)))
    assert "pairs with f0 only (5 of 15; all: tables/fits)" in texts
    assert "f5 against f0" in texts
    assert "f2 against f1" not in texts


def test_point_estimates_have_differences_alone():
    rows = make_rows({"nuts": make_draws()}, {"map": xr.Dataset({"m": 2.0, "c": 2.1})})
    texts = list_texts(draw(rows))
    assert texts.count("not for point estimates") == 2
    assert "map against nuts" in texts


def test_far_values_are_on_a_logarithmic_axis():
    far = {"nuts": make_draws(), "svi": make_draws() * 100}
    left, middle, right = get_panels(draw(make_rows(far)))
    assert (left.get_xscale(), middle.get_xscale(), right.get_xscale()) == (
        "symlog",
        "log",
        "symlog",
    )


@pytest.mark.parametrize("rows", [xr.Dataset(), make_rows(TWO)], ids=["no rows", "other model"])
def test_without_two_fits_there_is_a_note(rows):
    assert "Model other has no two fits to compare." in list_texts(draw(rows, model="other"))


def test_most_different_scalars_are_chosen_in_their_order():
    names = np.array([f"p{i}" for i in range(30)] * 2)
    differences = np.concatenate([np.arange(30.0), np.zeros(30)])
    differences[3] = np.nan  # an unknown difference may be large
    assert choose_scalars(names, differences) == ["p3", *(f"p{i}" for i in range(7, 30))]


def test_selection_is_described_only_if_something_is_left_out():
    pairs = [{"fit_a": "a"}]
    assert describe_selection(24, pairs, 1) == ""
    assert describe_selection(30, pairs, 1) == "the 24 scalars of 30 whose means differ most"


def test_long_labels_keep_beginning_and_end():
    label = label_scalar("site[12]", {"labels": {"site": "a label that is much too long"}})
    assert label == "a label that… too long[12]"


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
