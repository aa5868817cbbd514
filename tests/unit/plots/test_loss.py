import numpy as np
import pytest
import xarray as xr
from figure_artefacts import close, list_legend, make_settings, make_tree

from posterity.plots.loss import draw_figure


def draw(losses):
    optimisation = xr.Dataset(
        {"loss": ("step", losses), "step_size": ("step", np.full(len(losses), 0.01))},
        {"step": np.arange(len(losses))},
    )
    return close(draw_figure({"posterior": make_tree(optimisation=optimisation)}, make_settings()))


def test_panels_show_all_steps_and_the_windows_of_the_check():
    noise = np.random.default_rng(1).normal(0, 0.1, 2000)
    figure = draw(10 + noise)
    left, right = figure.axes
    assert left.get_ylabel() == "loss: negative ELBO (nats)"
    assert (left.get_xlabel(), right.get_xlabel()) == ("step", "step")
    assert left.get_yscale() == "linear"
    assert list_legend(figure) == [
        "loss (block averages)",
        "mean of steps 1200 to 1600",
        "mean of steps 1600 to 2000",
    ]


def test_loss_that_falls_far_has_a_logarithmic_axis():
    losses = 10 + 1e5 * np.exp(-np.arange(2000) / 20)
    assert draw(losses).axes[0].get_yscale() == "symlog"


@pytest.mark.parametrize("value", [3.0, np.inf, np.nan])
def test_constant_and_infinite_losses_are_drawn(value):
    losses = np.full(300, 3.0)
    losses[-1] = value
    assert len(draw(losses).axes) == 2
