import numpy as np
import pytest
from scipy.stats import norm

from posterity.stats.arviz_bridge import import_array_stats
from posterity.stats.monte_carlo import compute_quantile_mcse


def test_errors_of_quantiles_are_those_of_arviz():
    draws = np.random.default_rng(1).normal(size=(5, 4, 500)).cumsum(-1) * 0.01
    bounds = np.quantile(draws.reshape(5, -1), [0.05, 0.95], axis=1).T
    errors = compute_quantile_mcse(draws, bounds)
    for column, probability in enumerate((0.05, 0.95)):
        expected = import_array_stats().mcse(draws, method="quantile", prob=probability)
        np.testing.assert_allclose(errors[:, column], expected, rtol=0.02)


@pytest.mark.parametrize("max_ess", [np.inf, 200])
def test_error_of_independent_draws_is_known(max_ess):
    draws = np.random.default_rng(1).normal(size=(40, 4, 1000))
    bounds = np.quantile(draws.reshape(40, -1), [0.1, 0.9], axis=1).T
    exact = np.sqrt(0.1 * 0.9 / min(4000, max_ess)) / norm.pdf(norm.ppf(0.1))
    errors = compute_quantile_mcse(draws, bounds, max_ess)
    assert np.median(errors) == pytest.approx(exact, rel=0.1)


def test_errors_of_draws_that_are_not_finite_are_unknown():
    draws = np.ones((2, 4, 100))
    draws[0, 1, 5] = np.nan
    errors = compute_quantile_mcse(draws, np.ones((2, 2)))
    assert np.isnan(errors[0]).all()
    assert (errors[1] == 0).all()
