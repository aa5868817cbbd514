import numpy as np
import pytest
import xarray as xr
from figure_artefacts import (
    LEAD,
    close,
    list_legend,
    list_texts,
    make_data,
    make_draws,
    make_posterior,
    make_settings,
)

from posterity.plots.trace import draw_figure, wrap_label


def draw(draws, truth=None, **groups):
    artefacts = {"data": make_data(truth), "posterior": make_posterior(draws, **groups)}
    return close(draw_figure(artefacts, make_settings()))


def test_each_parameter_has_a_trace_and_ranks():
    figure = draw(make_draws(), {"m": 2.0})
    assert len(figure.axes) == 4
    assert list_legend(figure) == ["chain 0", "chain 1", "truth"]
    assert figure.axes[0].get_title(loc="left") == "trace of 2 chains"
    assert figure.axes[1].get_title(loc="left") == "ranks (grey: 99 % band)"
    assert [axes.get_xlabel() for axes in figure.axes[2:]] == ["draw", "rank / number of draws"]


def test_long_chains_are_thinned_and_the_title_says_so():
    figure = draw(make_draws(draws=1000))
    assert figure.axes[0].get_title(loc="left") == "trace of 2 chains (1 in 4 draws)"
    assert len(figure.axes[0].lines[0].get_xdata()) == 250


def test_divergences_are_marked_at_their_draws():
    diverging = np.zeros((2, 60), dtype=bool)
    diverging[0, 7] = diverging[1, [7, 30]] = True
    statistics = xr.Dataset({"diverging": (LEAD, diverging)}, {"draw": np.arange(60)})
    figure = draw(make_draws(), sample_stats=statistics)
    (marks,) = [line for line in figure.axes[0].lines if line.get_label() == "divergence"]
    assert marks.get_xdata().tolist() == [7, 30]


def test_one_chain_has_nothing_to_compare():
    figure = draw(make_draws(chains=1))
    assert "one chain: nothing to compare" in list_texts(figure)
    assert list_legend(figure) == []


@pytest.mark.parametrize(
    "values",
    [np.ones((2, 60)), np.ones((1, 1)), np.ones((4, 2)), np.full((2, 60), np.nan)],
    ids=["constant", "one draw", "two draws", "missing"],
)
def test_odd_draws_are_drawn(values):
    assert len(draw(make_draws(m=values)).axes) == 2


def test_long_labels_are_wrapped():
    assert wrap_label("absolute magnitude of the star (mag)") == [
        "absolute magnitude",
        "of the star (mag)",
    ]
    assert wrap_label("") == [""]
