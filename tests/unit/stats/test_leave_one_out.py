import numpy as np
import pytest
from scipy.stats import norm

from posterity.stats.arviz_bridge import import_array_stats
from posterity.stats.leave_one_out import (
    compute_good_k,
    compute_pit,
    compute_pointwise_loo,
    compute_relative_efficiency,
    compute_total,
    compute_uniformity_p,
    fit_generalised_pareto,
    require_loo_inputs,
    smooth_log_ratios,
    sum_exponentials,
)


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@pytest.mark.parametrize(
    ("scale", "efficiency", "draws"), [(1, 1, 4000), (3, 0.4, 4000), (0.01, 1, 1000), (1, 0.3, 400)]
)
def test_smoothing_equals_that_of_arviz(rng, scale, efficiency, draws):
    ratios = scale * rng.standard_t(3, size=(5, draws))
    log_weights, pareto_k = smooth_log_ratios(ratios, efficiency)
    expected, shapes = import_array_stats().psislw(-ratios, r_eff=efficiency)
    np.testing.assert_allclose(log_weights, expected, atol=1e-10)
    np.testing.assert_allclose(pareto_k, shapes, atol=1e-10)


def test_weights_at_their_bound_need_no_smoothing():
    ratios = np.zeros((1, 1000))
    ratios[0, :300] = -5
    log_weights, pareto_k = smooth_log_ratios(ratios, 1.0)
    assert pareto_k[0] == 0
    assert np.exp(log_weights).sum() == pytest.approx(1)


def test_single_dominant_draw_has_a_large_k_hat():
    ratios = np.zeros((1, 1000))
    ratios[0, 0] = 1e3
    assert smooth_log_ratios(ratios, 1.0)[1][0] > 1


def test_pareto_fit_finds_the_shape(rng):
    excess = np.sort(rng.pareto(2.0, size=(3, 5000)), axis=1)
    shape, scale = fit_generalised_pareto(excess)
    np.testing.assert_allclose(shape, 0.5, atol=0.08)
    np.testing.assert_allclose(scale, 0.5, atol=0.06)


def test_good_k_falls_with_the_draws():
    assert compute_good_k(4000) == 0.7
    assert compute_good_k(100) == pytest.approx(0.5)


def test_sum_of_exponentials_does_not_overflow():
    np.testing.assert_allclose(sum_exponentials(np.array([[1000.0, 1000.0]])), 1000 + np.log(2))


@pytest.fixture(scope="module")
def conjugate():
    """Data of a mean, its draws, and the exact leave-one-out densities and PIT values."""
    rng = np.random.default_rng(3)
    y = rng.normal(size=80)
    sd = len(y) ** -0.5
    m = rng.normal(y.mean(), sd, size=8000)
    without = (y.sum() - y) / (len(y) - 1)
    spread = np.hypot(1, (len(y) - 1) ** -0.5)
    exact = norm(without, spread)
    likelihood = norm.logpdf(y, m[:, None])
    return y, m, likelihood, exact, rng.normal(m[:, None], 1, size=likelihood.shape)


def test_pointwise_values_equal_the_exact_ones(conjugate, rng):
    y, m, likelihood, exact, replicated = conjugate
    loo = compute_pointwise_loo(likelihood, y, replicated, 1.0, None, rng)
    np.testing.assert_allclose(loo.elpd, exact.logpdf(y), atol=0.01)
    np.testing.assert_allclose(loo.pit, exact.cdf(y), atol=0.03)
    np.testing.assert_allclose(loo.lpd, norm.logpdf(y, m.mean(), np.hypot(1, m.std())), atol=0.01)
    assert loo.pareto_k.max() < 0.5
    assert np.abs(loo.elpd - exact.logpdf(y)).max() < 5 * loo.mcse.max() < 0.04


def test_draws_of_an_approximation_are_corrected(conjugate, rng):
    y, m, _, exact, _ = conjugate
    wide = y.mean() + 1.5 * (m - y.mean()) + 0.05
    log_ratio = norm.logpdf(wide, y.mean(), m.std()) - norm.logpdf(
        wide, y.mean() + 0.05, 1.5 * m.std()
    )
    likelihood = norm.logpdf(y, wide[:, None])
    replicated = rng.normal(wide[:, None], 1, size=likelihood.shape)
    loo = compute_pointwise_loo(likelihood, y, replicated, 1.0, log_ratio, rng)
    np.testing.assert_allclose(loo.elpd, exact.logpdf(y), atol=0.02)
    plain = compute_pointwise_loo(likelihood, y, replicated, 1.0, None, rng)
    assert abs(plain.elpd - exact.logpdf(y)).sum() > 3 * abs(loo.elpd - exact.logpdf(y)).sum()


def test_masked_points_have_no_pit(conjugate, rng):
    y, _, likelihood, _, replicated = conjugate
    masked = likelihood.copy()
    masked[:, 2] = 0
    loo = compute_pointwise_loo(masked, y, replicated, 1.0, None, rng)
    assert np.isnan(loo.pit[2])
    assert (loo.elpd[2], loo.pareto_k[2]) == (0, 0)
    assert np.isfinite(loo.pit).sum() == len(y) - 1


def test_pit_values_of_exchangeable_draws_are_uniform(rng):
    counts = rng.poisson(3, size=(4000, 51))  # the observation and 50 draws, with many ties
    weights = np.full((4000, 50), 1 / 50)
    pit = compute_pit(counts[:, 0].astype(float), counts[:, 1:], weights, rng)
    assert 0 < pit.min() < pit.max() < 1
    assert compute_uniformity_p(pit, True) > 0.05
    assert compute_uniformity_p(pit, False) > 0.05


@pytest.mark.parametrize("is_discrete", [True, False])
def test_values_that_are_not_uniform_have_a_small_p(rng, is_discrete):
    assert compute_uniformity_p(rng.beta(2, 2, size=200), is_discrete) < 0.01
    assert compute_uniformity_p(rng.uniform(size=200) ** 1.5, is_discrete) < 0.01


def test_a_value_of_one_gives_a_finite_p(rng):
    assert np.isnan(compute_uniformity_p(np.array([np.nan]), False))
    assert compute_uniformity_p(np.array([1.0, *rng.uniform(size=10)]), False) >= 0


def test_total_is_scaled_to_all_points():
    pointwise = np.array([-1.0, -2.0, -3.0])
    total, error = compute_total(pointwise, 6)
    assert total == -12
    assert error == pytest.approx(2 * np.sqrt(3) * 1.0)


def test_efficiency_of_independent_draws_is_one(rng):
    assert compute_relative_efficiency(rng.normal(size=(5, 4, 1000))) == pytest.approx(1, abs=0.1)
    walk = np.cumsum(rng.normal(size=(5, 4, 1000)), axis=-1)
    assert compute_relative_efficiency(walk) < 0.05
    assert compute_relative_efficiency(np.zeros((0, 4, 10))) == 1


@pytest.mark.parametrize(
    ("likelihood", "text"),
    [
        (np.zeros((100, 1)), "at least 2"),
        (np.full((100, 3), -np.inf), "of 3 of 3 observations is not finite"),
        (np.zeros((20, 3)), "20 draws are too few"),
    ],
)
def test_reasons_against_leave_one_out(likelihood, text):
    with pytest.raises(ValueError, match=text):
        require_loo_inputs(likelihood)
