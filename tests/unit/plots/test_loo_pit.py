import numpy as np
import xarray as xr
from figure_artefacts import close, list_legend, list_texts, make_settings, make_tree

from posterity.plots.loo_pit import compute_band, draw_figure


def make_loo(*pits):
    sites = [f"y{i}" for i, pit in enumerate(pits) for _ in pit]
    return xr.Dataset(
        {"pit": ("point", np.concatenate(pits))},
        {"site": ("point", np.array(sites, dtype=object))},
        {"discrete_sites": ""},
    )


def draw(loo):
    return close(draw_figure({"predictive": make_tree(loo=loo)}, make_settings()))


EVEN = (np.arange(80) + 0.5) / 80


def test_uniform_values_stay_in_the_band():
    figure = draw(make_loo(EVEN))
    assert list_legend(figure) == ["95 % band of right models", "these points"]
    assert "y0: 80 points, p = " in list_texts(figure)


def test_other_values_are_marked_and_described():
    figure = draw(make_loo(0.25 + EVEN / 2))
    assert "outside the band" in list_legend(figure)
    assert "predictions are too wide" in list_texts(figure)


def test_sites_have_a_panel_each_and_the_worst_is_first():
    figure = draw(make_loo(EVEN, EVEN**3, EVEN, EVEN))
    assert len(figure.axes) == 3
    assert figure.axes[0].get_title(loc="left").startswith("y1")


def test_band_holds_nineteen_of_twenty_uniform_samples():
    rng = np.random.default_rng(2)
    places = np.arange(1, 50) / 50
    low, high = compute_band(50, places)
    values = np.sort(rng.uniform(size=(400, 50)), axis=1)
    shares = np.array([np.searchsorted(row, places, side="right") / 50 for row in values])
    inside = ((shares - places >= low) & (shares - places <= high)).all(axis=1)
    assert 0.91 < inside.mean() < 0.99


def test_without_values_there_is_a_note():
    assert "20 draws are too few" in list_texts(
        draw(xr.Dataset(attrs={"reason": "20 draws are too few"}))
    )
    assert "Too few points" in list_texts(draw(make_loo(EVEN[:5])))
