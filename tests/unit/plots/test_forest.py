import numpy as np
import pytest
from figure_artefacts import (
    close,
    list_texts,
    make_data,
    make_draws,
    make_point,
    make_posterior,
    make_settings,
)

from posterity.plots.forest import draw_figure


def draw(*posteriors, truth=None):
    artefacts = {"data": make_data(truth), "posteriors": list(posteriors)}
    return close(draw_figure(artefacts, make_settings(labels={"m": "slope"})))


def test_each_parameter_has_a_panel_with_a_row_per_fit():
    figure = draw(make_posterior(fit="nuts"), make_posterior(fit="svi"))
    assert [axes.get_xlabel() for axes in figure.axes] == ["slope", "c"]
    for axes in figure.axes:
        assert [tick.get_text() for tick in axes.get_yticklabels()] == ["nuts", "svi"]
    assert figure.axes[0].get_title(loc="left") == "median, 50 % and 90 % HDI"


def test_title_explains_diamonds_and_dashes():
    figure = draw(make_posterior(), make_point(), truth={"m": 2.0})
    title = figure.axes[0].get_title(loc="left")
    assert title.endswith("; diamond: point estimate; dashed: truth")
    assert any(line.get_marker() == "D" for line in figure.axes[0].lines)


def test_parameter_of_one_fit_alone_leaves_the_other_row_empty():
    figure = draw(make_posterior(fit="a"), make_posterior(make_draws(b=np.eye(2, 60)), fit="b"))
    assert [axes.get_xlabel() for axes in figure.axes] == ["slope", "c", "b"]


@pytest.mark.parametrize("value", [1.0, np.nan])
def test_constant_and_missing_draws_are_drawn(value):
    assert "slope" in list_texts(draw(make_posterior(make_draws(m=np.full((2, 60), value)))))
