import numpy as np
import pytest
import xarray as xr
from figure_artefacts import (
    X,
    close,
    list_legend,
    list_texts,
    make_data,
    make_predictions,
    make_settings,
    make_tree,
)

from posterity.plots.predictions import draw_figure


def draw(size, covariates=None, predictions=None):
    if covariates is None:
        covariates = {"x": ("new", np.linspace(0, 20, size)), "e": ("new", np.ones(size))}
    predictive = make_tree(
        predictions=make_predictions(size=size) if predictions is None else predictions,
        predictions_constant_data=xr.Dataset(covariates),
        observed_data=xr.Dataset({"y": ("point", 2 * X)}),
    )
    artefacts = {"data": make_data(), "predictive": predictive}
    return close(draw_figure(artefacts, make_settings()))


@pytest.mark.parametrize(
    ("size", "labels"),
    [
        (15, ["90 % HDI of predictions", "median of predictions", "data"]),
        (3, ["data", "90 % HDI of predictions"]),
    ],
    ids=["band", "single rows"],
)
def test_many_rows_are_a_band_and_few_are_points(size, labels):
    predictions = make_predictions(size=size).rename(point="new")
    figure = draw(size, predictions=predictions)
    assert list_legend(figure) == labels
    assert figure.axes[0].get_xlabel() == "x"
    assert figure.axes[0].get_ylabel() == "height (m)"


def test_site_along_a_plate_of_the_model_is_drawn():
    predictions = make_predictions(size=15).rename(point="plate")
    assert len(draw(15, predictions=predictions).axes) == 1


def test_without_a_varying_covariate_rows_are_counted():
    predictions = make_predictions(size=15).rename(point="new")
    figure = draw(15, {"x": ("new", np.ones(15))}, predictions)
    assert figure.axes[0].get_xlabel() == "new row"


def test_sites_that_do_not_follow_the_rows_give_a_note():
    assert "one value per new row" in list_texts(draw(15, predictions=make_predictions(size=4)))


def test_at_most_four_sites_are_drawn_and_observed_ones_first():
    y = make_predictions(size=15).rename(point="new")["y"]
    sites = xr.Dataset({name: y.rename(None) for name in ("a", "b", "c", "d", "y")})
    figure = draw(15, predictions=sites)
    assert len(figure.axes) == 4
    assert "data" in [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
