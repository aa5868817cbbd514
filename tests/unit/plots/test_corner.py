import numpy as np
import pytest
from figure_artefacts import close, list_texts, make_data, make_draws, make_posterior, make_settings

from posterity.plots.corner import choose_range, draw_figure


def draw(draws, truth=None):
    artefacts = {"data": make_data(truth), "posterior": make_posterior(draws)}
    return close(draw_figure(artefacts, make_settings(labels={"m": "slope"})))


def test_each_pair_has_a_panel_and_the_edges_have_labels():
    figure = draw(make_draws(m=np.random.default_rng(0).normal(size=(2, 60)), c=np.eye(2, 60)))
    assert len(figure.axes) == 4
    assert figure.axes[2].get_xlabel() == "slope"
    assert figure.axes[2].get_ylabel() == "c"


@pytest.mark.parametrize("truth", [None, {"m": 2.0}])
def test_note_names_the_truth_only_if_it_is_known(truth):
    texts = list_texts(draw(make_draws(), truth))
    assert "contours: 39 % and 86 %" in texts
    assert ("red lines: truth" in texts) == (truth is not None)


def test_single_parameter_has_the_truth_in_its_title():
    figure = draw(make_draws(m=np.random.default_rng(0).normal(size=(2, 60))), {"m": 0.3})
    assert len(figure.axes) == 1
    assert figure.axes[0].get_title(loc="left") == "red line: truth"


def test_constant_parameters_are_left_out():
    figure = draw(make_draws(m=np.random.default_rng(0).normal(size=(2, 60)), c=np.ones((2, 60))))
    assert len(figure.axes) == 1


@pytest.mark.parametrize(
    ("value", "reason"), [(1.0, "all draws are equal"), (np.nan, "120 of 120 draws are not finite")]
)
def test_draws_that_do_not_vary_give_a_note(value, reason):
    texts = list_texts(draw(make_draws(m=np.full((2, 60), value))))
    assert f"no density of m: {reason}" in texts


def test_range_includes_the_truth_and_nothing_beyond_the_draws():
    draws = np.linspace(0, 1, 1001)
    assert choose_range(draws, None) == (0, 1)
    low, high = choose_range(draws, 5.0)
    assert low == 0
    assert 5 < high < 6
