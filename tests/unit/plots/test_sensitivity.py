import numpy as np
import xarray as xr
from figure_artefacts import close, list_legend, list_texts, make_settings, make_tree

from posterity.plots.sensitivity import draw_figure


def draw(prior, likelihood):
    names = [f"p{i}" for i in range(len(prior))]
    columns = {"prior": prior, "likelihood": likelihood, "diagnosis": ["d"] * len(prior)}
    table = xr.Dataset(
        {name: ("parameter", np.array(values)) for name, values in columns.items()},
        {"parameter": names},
    )
    return close(draw_figure({"sensitivity": make_tree(psense=table)}, make_settings()))


def test_prior_likelihood_and_threshold_are_in_the_legend():
    figure = draw([0.1, 0.01], [0.2, 0.3])
    assert list_legend(figure) == ["threshold 0.05", "likelihood (data)", "prior"]
    assert figure.axes[0].get_xlabel().startswith("sensitivity: change of the posterior")
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["p0", "p1"]


def test_flat_prior_has_no_value_and_does_not_fail():
    assert len(draw([np.nan, np.nan], [0.2, 0.3]).axes) == 1


def test_of_many_parameters_the_most_sensitive_are_shown():
    figure = draw(np.linspace(0, 1, 40), np.ones(40))
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert names == [f"p{i}" for i in range(16, 40)]
    assert figure.legends[0].get_title().get_text() == "24 of 40 parameters"


def test_without_parameters_there_is_a_note():
    assert "No parameter varies" in list_texts(draw([], []))
