import numpy as np
import pytest
import xarray as xr
from figure_artefacts import (
    X,
    close,
    list_legend,
    list_texts,
    make_data,
    make_draws,
    make_predictions,
    make_settings,
    make_tree,
    write_curve,
)

from posterity.plots.prior import draw_figure


def draw(curve=None, bounds=None, improper="", predictive=None):
    observed = xr.Dataset({"y": ("point", 2 * X)})
    values = make_predictions(chains=1) if predictive is None else predictive
    prior = make_tree(
        {"improper": improper},
        prior=make_draws(chains=1),
        prior_predictive=values,
        observed_data=observed,
    )
    settings = make_settings(curve=curve, bounds={"y": bounds} if bounds else None)
    return close(draw_figure({"data": make_data(), "prior": prior}, settings))


def test_points_of_prior_draws_are_drawn_without_a_curve():
    figure = draw()
    assert list_legend(figure) == ["5 prior draws", "data"]
    assert figure.axes[0].get_xlabel() == "x"
    assert figure.axes[0].get_ylabel() == "height (m)"
    assert figure.axes[1].get_xlabel() == "density"


def test_curves_of_prior_draws_are_drawn_with_a_curve(tmp_path):
    assert list_legend(draw(write_curve(tmp_path))) == ["5 prior draws of the curve", "data"]


def test_bounds_of_the_study_are_inside_both_panels():
    figure = draw(bounds=[-100, 200])
    assert "bounds set in the study" in list_legend(figure)
    for axes in figure.axes:
        low, high = axes.get_ylim()
        assert low < -100
        assert high > 200


@pytest.mark.parametrize(("improper", "text"), [("m, c", "prior of m, c is improper"), ("", "no")])
def test_without_prior_draws_there_is_a_note(improper, text):
    assert text in list_texts(draw(improper=improper, predictive=xr.Dataset()))


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_constant_missing_and_infinite_predictions_are_drawn(value):
    predictive = xr.full_like(make_predictions(chains=1), value)
    assert len(draw(predictive=predictive).axes) == 2
