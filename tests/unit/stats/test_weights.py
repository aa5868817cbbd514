import numpy as np
import pytest
import xarray as xr

from posterity.stats.weights import compute_weighted_size, has_guide_draws, has_importance_weights

LEAD = ("chain", "draw")


def make_fit(**groups):
    return xr.DataTree.from_dict({f"/{name}": group for name, group in groups.items()})


def make_weighted(log_weights):
    return xr.Dataset({"log_weight": (LEAD, np.atleast_2d(log_weights))})


EVIDENCE = xr.Dataset({"ln_z": -1.0})


def test_draws_without_weights_have_no_limit():
    assert compute_weighted_size(make_fit(posterior=xr.Dataset())) == np.inf


def test_size_of_nested_points_is_that_of_all_runs_together():
    weights = np.log([[1.0, 1.0, 2.0], [0.0001, 0.0001, 0.0001]])
    fit = make_fit(weighted_posterior=make_weighted(weights), evidence=EVIDENCE)
    assert not has_importance_weights(fit)
    assert compute_weighted_size(fit) == pytest.approx(16 / 6, rel=1e-3)


def test_importance_weights_are_smoothed_and_zeros_do_not_count():
    log_weights = np.random.default_rng(1).standard_normal(4000)
    fit = make_fit(weighted_posterior=make_weighted([*log_weights, -np.inf]))
    assert has_importance_weights(fit)
    exact = 4000 / np.e  # of weights exp(x) with x ~ N(0, 1)
    assert compute_weighted_size(fit) == pytest.approx(exact, rel=0.15)


def test_no_usable_weight_is_worth_nothing():
    fit = make_fit(weighted_posterior=make_weighted(np.full(50, -np.inf)))
    assert compute_weighted_size(fit) == 0


def test_draws_of_a_guide_have_its_density():
    densities = xr.Dataset({"log_q": (LEAD, np.zeros((1, 3)))})
    assert has_guide_draws(make_fit(sample_stats=densities))
    assert not has_guide_draws(make_fit(sample_stats=xr.Dataset()))
