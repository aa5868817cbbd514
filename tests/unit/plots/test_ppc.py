import numpy as np
import xarray as xr
from figure_artefacts import (
    LEAD,
    X,
    close,
    list_legend,
    list_texts,
    make_predictions,
    make_settings,
    make_tree,
)
from matplotlib.text import Text

from posterity.plots.ppc import draw_figure
from posterity.plots.style import BLACK, TRUTH_COLOUR

NAMES = ["sum of r²", "skewness of r", "kurtosis of r", "largest |r|", "r against x", "r of rows"]


def draw(size=12, observed=None, shift=0.0, count=6):
    rng = np.random.default_rng(3)
    replicated = rng.normal(size=(2, 1000, 6))
    realised = np.full((2, 1000, 6), shift)
    realised[..., 4:] = rng.normal(shift, 1, (2, 1000, 2))
    dims = (*LEAD, "y_statistic")
    statistics = xr.Dataset(
        {"y_replicated": (dims, replicated), "y_realised": (dims, realised)},
        {"y_statistic": NAMES},
    ).isel(y_statistic=slice(count))
    values = 2 * X if observed is None else observed
    predictive = make_tree(
        posterior_predictive=make_predictions(size=size),
        observed_data=xr.Dataset({"y": ("point", values)}),
        test_statistics=statistics,
    )
    return close(draw_figure({"predictive": predictive}, make_settings()))


def list_titles(figure):
    return [text.get_text() for text in figure.findobj(Text) if "\np = " in text.get_text()]


def test_statistics_have_panels_with_their_p_values_the_least_likely_first():
    titles = list_titles(draw())
    assert {title.partition("\n")[0] for title in titles} == set(NAMES)
    p_values = [float(title.rpartition("= ")[2]) for title in titles]
    assert p_values == sorted(p_values)
    assert "all 6 statistics" in list_texts(draw())


def test_few_statistics_leave_panels_empty():
    assert list_titles(draw(count=1)) == ["sum of r²\np = 0.97"]


def test_distribution_of_the_data_is_drawn_among_50_predictions():
    figure = draw()
    assert list_legend(figure) == ["50 predictions", "data"]
    assert figure.axes[0].get_xlabel() == "height (m)"
    assert figure.axes[0].get_ylabel() == "fraction of points below"
    assert len(figure.axes[0].lines) == 51


def list_title_colours(figure):
    texts = figure.findobj(Text)
    return {text.get_color() for text in texts if "\np = " in text.get_text()}


def test_small_p_values_are_red():
    assert list_title_colours(draw()) == {BLACK}
    assert TRUTH_COLOUR in list_title_colours(draw(shift=50.0))


def test_single_point_has_a_histogram_of_predictions():
    figure = draw(size=1, observed=[3.0])
    assert list_legend(figure) == ["predictions", "data"]
    assert figure.axes[0].get_ylabel() == "number of predictions"


def test_model_without_observed_sites_gives_a_note():
    figure = close(draw_figure({"predictive": make_tree(posterior=xr.Dataset())}, make_settings()))
    assert "no observed site" in list_texts(figure)


def test_statistics_and_predictions_that_are_not_finite_are_left_out():
    figure = draw(size=12, observed=2 * X, shift=1e300)
    assert "not finite" in list_texts(figure)
