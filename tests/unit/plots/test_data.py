import numpy as np
import pytest
import xarray as xr
from figure_artefacts import (
    LEAD,
    OPTIONS,
    X,
    close,
    list_legend,
    list_texts,
    make_data,
    make_point,
    make_posterior,
    make_predictions,
    make_settings,
    make_tree,
    write_curve,
)

from posterity.plots.data import compute_pointwise_interval, draw_figure, spread_ties


def draw(posterior, curve=None, truth=None, **options):
    predictive = make_tree(posterior_predictive=make_predictions())
    artefacts = {"data": make_data(truth), "posterior": posterior, "predictive": predictive}
    return close(draw_figure(artefacts, make_settings(curve=curve, **options)))


def test_without_a_curve_predictions_of_each_point_are_drawn():
    figure = draw(make_posterior())
    assert list_legend(figure) == ["90 % HDI of predictions", "median of predictions", "data"]
    assert figure.axes[0].get_xlabel() == "x"
    assert figure.axes[0].get_ylabel() == "height (m)"


def test_with_a_curve_band_draws_and_truth_are_drawn(tmp_path):
    figure = draw(make_posterior(), write_curve(tmp_path), {"m": 2.0, "c": 0.0}, lines=7)
    assert list_legend(figure) == ["90 % HDI of the curve", "truth", "data"]
    thin_lines = [line for line in figure.axes[0].lines if line.get_linewidth() == 0.4]
    assert len(thin_lines) == 7


def test_point_estimate_is_one_curve(tmp_path):
    figure = draw(make_point(m=2.0, c=1.0), write_curve(tmp_path))
    assert list_legend(figure) == ["point estimate", "data"]
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata()[[0, -1]], [1, 21])


def test_point_estimate_without_a_curve_shows_the_data():
    assert list_legend(draw(make_point())) == ["data"]


def test_without_a_covariate_points_are_drawn_by_row():
    data = make_tree(data=xr.Dataset({"y": ("point", 2 * X)}), truth=xr.Dataset())
    predictive = make_tree(posterior_predictive=make_predictions())
    artefacts = {"data": data, "posterior": make_posterior(), "predictive": predictive}
    figure = close(draw_figure(artefacts, make_settings()))
    assert figure.axes[0].get_xlabel() == "row"


def test_site_without_a_value_per_point_gives_a_note():
    posterior = make_posterior()
    posterior["observed_data"] = xr.DataTree(xr.Dataset({"y": (("a", "b"), np.ones((2, 3)))}))
    assert "nothing to draw against a covariate" in list_texts(draw(posterior))


@pytest.mark.parametrize(
    "x", [np.array([1.0, 1.0, 2.0, 2.0, 2.0]), np.zeros(4), np.arange(3.0)], ids=str
)
def test_ties_stand_apart_by_less_than_the_next_value(x):
    spread = spread_ties(x)
    assert len(np.unique(spread)) == x.size
    gap = np.diff(np.unique(x)).min() if len(np.unique(x)) > 1 else 1.0
    assert np.abs(spread - x).max() < gap / 2


def test_pointwise_interval_holds_its_probability():
    values = np.broadcast_to(np.arange(100.0).reshape(2, 50, 1), (2, 50, 3))
    bounds, median = compute_pointwise_interval(xr.DataArray(values, dims=(*LEAD, "p")), OPTIONS)
    assert bounds.shape == (3, 2)
    np.testing.assert_allclose(median, 49.5)
    np.testing.assert_allclose(bounds[:, 1] - bounds[:, 0], 90)
