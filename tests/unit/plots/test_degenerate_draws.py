"""Figures of fits that went wrong show what can be shown, and say what cannot."""

import importlib

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from figure_artefacts import (
    LEAD,
    X,
    close,
    list_texts,
    make_data,
    make_draws,
    make_posterior,
    make_settings,
    make_tree,
    write_curve,
)

from posterity.plots.style import apply_style
from posterity.plots.trace import draw_ranks, explain_missing_ranks


def make_kinds():
    """Return draws of m of each kind, shape (chain, draw), and what figures say of them."""
    good = np.random.default_rng(3).normal(2, 0.1, (2, 60))
    one_nan = good.copy()
    one_nan[1, 5] = np.nan
    infinite = good.copy()
    infinite[0, :3] = np.inf
    stuck = good.copy()
    stuck[0] = 2.0
    return {
        "constant": (np.full((2, 60), 2.0), "all draws are equal"),
        "one NaN": (one_nan, "1 of 120 draws are not finite"),
        "infinite": (infinite, "3 of 120 draws are not finite"),
        "NaN": (np.full((2, 60), np.nan), "120 of 120 draws are not finite"),
        "huge": (good * 1e300, "the draws are too large to show"),
        "a stuck chain": (stuck, ""),
        "chains at two values": (np.repeat([[1.0], [2.0]], 60, axis=1), ""),
        "two values": (np.where(good > 2, 1.0, 2.0), ""),
        "5 draws of one chain": (good[:1, :5], ""),
    }


KINDS = make_kinds()


def draw(kind, artefacts, **settings):
    """Return the texts of a figure, after rendering it."""
    module = importlib.import_module(f"posterity.plots.{kind}")
    with apply_style(), np.errstate(all="ignore"):
        figure = close(module.draw_figure(artefacts, make_settings(**settings)))
    return list_texts(figure)


def make_artefacts(m):
    """Return the artefacts of a fit with these draws of m; c is as it should be."""
    c = np.random.default_rng(4).normal(0, 0.1, m.shape)
    draws = make_draws(m=m, c=c)
    with np.errstate(all="ignore"):
        values = m[:, :, None] * X + c[:, :, None]
    predicted = xr.Dataset({"y": ((*LEAD, "point"), values)})
    observed = xr.Dataset({"y": ("point", 2 * X)})
    groups = {"posterior_predictive": predicted, "observed_data": observed}
    return {
        "data": make_data(),
        "posterior": make_posterior(draws),
        "posteriors": [make_posterior(draws), make_posterior(fit="other")],
        "predictive": make_tree(**groups),
        "prior": make_tree(
            {"improper": ""}, prior=draws, prior_predictive=predicted, observed_data=observed
        ),
    }


@pytest.mark.parametrize("name", KINDS)
def test_a_figure_of_draws_says_what_it_leaves_out(name):
    m, reason = KINDS[name]
    artefacts = make_artefacts(m)
    texts = draw("corner", artefacts)
    assert (f"no density of m: {reason}" in texts) == bool(reason)
    draw("trace", artefacts)
    texts = draw("forest", artefacts)
    assert (reason in texts) == (reason != "all draws are equal")  # which has a median


@pytest.mark.parametrize("name", ["one NaN", "infinite", "NaN", "huge"])
def test_a_figure_of_predictions_says_where_they_are_not_known(name, tmp_path):
    artefacts = make_artefacts(KINDS[name][0])
    for curve in (None, write_curve(tmp_path)):
        texts = draw("data", artefacts, curve=curve)
        assert "no interval at" in texts or (name == "infinite" and curve)  # 0 * inf at x = 0
        assert "not finite or too large" in draw("prior", artefacts, curve=curve)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("constant", "all draws are equal"),
        ("chains at two values", "no chain moves"),
        ("NaN", "120 of 120 draws\nare not finite"),
        ("a stuck chain", ""),
        ("two values", ""),
    ],
)
def test_chains_that_do_not_move_have_no_ranks(name, reason):
    assert explain_missing_ranks(KINDS[name][0]) == reason


def test_equal_draws_do_not_make_chains_differ():
    """Chains of the same two values have flat ranks: the spread of a bar is 0.14."""
    figure, axes = plt.subplots()
    draw_ranks(axes, np.random.default_rng(1).integers(0, 2, (4, 1000)).astype(float))
    heights = np.concatenate([patch.get_data().values for patch in axes.patches[1:]])
    assert len(heights) == 4 * 20
    assert np.abs(heights - 1).max() < 0.6
    close(figure)
