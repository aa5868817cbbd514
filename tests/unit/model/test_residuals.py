import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

from posterity.model.residuals import compute_expectation, compute_residuals, find_mask

RNG = np.random.default_rng(3)
VALUES = RNG.normal(size=5)


def make_message(distribution, value):
    return {"fn": distribution, "value": jnp.asarray(value)}


@pytest.mark.parametrize(
    ("distribution", "value", "expected"),
    [
        (dist.Normal(1.0, 2.0).expand([5]), VALUES, (VALUES - 1) / 2),
        (dist.Normal(1.0, 2.0), VALUES, (VALUES - 1) / 2),  # a scalar that a vector observes
        (dist.Poisson(4.0).expand([2]), np.array([4, 8]), [0, 2]),
        (dist.Bernoulli(probs=0.2).expand([2]), np.array([0, 1]), [-0.5, 2]),
        (dist.Binomial(10, 0.5).expand([1]), np.array([5]), [0]),
        (dist.Normal(0.0, 1.0).expand([5]).to_event(1), VALUES, VALUES),
        (dist.Normal(0.0, 1.0).expand([5]).mask(jnp.arange(5) < 2), VALUES, VALUES),
    ],
)
def test_residuals_are_scaled_by_mean_and_sd(distribution, value, expected):
    result = compute_residuals(make_message(distribution, value))
    np.testing.assert_allclose(result, expected, atol=1e-12)


def test_categorical_labels_have_moments():
    probs = jnp.array([[0.5, 0.25, 0.25]])
    result = compute_residuals(make_message(dist.Categorical(probs=probs), np.array([2])))
    assert result[0] == pytest.approx((2 - 0.75) / np.sqrt(1.25 - 0.75**2))


def test_multivariate_gaussian_is_whitened():
    matrix = RNG.normal(size=(4, 4))
    covariance = matrix @ matrix.T + np.eye(4)
    lower = np.linalg.cholesky(covariance)
    normal = RNG.normal(size=4)
    distribution = dist.MultivariateNormal(jnp.ones(4), covariance_matrix=jnp.asarray(covariance))
    result = compute_residuals(make_message(distribution, 1 + lower @ normal))
    np.testing.assert_allclose(result, normal, rtol=1e-9)


@pytest.mark.parametrize(
    ("distribution", "reference"),
    [(dist.Cauchy(1.0, 2.0), stats.cauchy(1, 2)), (dist.StudentT(2.0, 1.0, 2.0), stats.t(2, 1, 2))],
)
def test_heavy_tails_give_normal_scores(distribution, reference):
    result = compute_residuals(make_message(distribution.expand([5]), VALUES))
    np.testing.assert_allclose(result, stats.norm.ppf(reference.cdf(VALUES)), rtol=1e-6)


def test_normal_scores_are_finite_far_out():
    distribution = dist.Cauchy(0.0, 1e-30).expand([2])
    result = compute_residuals(make_message(distribution, np.array([-1e30, 1e30])))
    assert np.isfinite(result).all()


def test_distribution_without_moments_gives_log_densities():
    distribution = dist.VonMises(0.0, 1.0)
    distribution.__class__ = type("Custom", (dist.VonMises,), {"variance": property(_refuse)})
    distribution.__class__.cdf = _refuse
    result = compute_residuals(make_message(distribution, VALUES))
    np.testing.assert_allclose(result, -dist.VonMises(0.0, 1.0).log_prob(VALUES))


def _refuse(*arguments):
    raise NotImplementedError


def test_expectation_is_the_mean():
    assert compute_expectation(make_message(dist.Gamma(4.0, 2.0), 1.0)) == 2
    assert compute_expectation(make_message(dist.Cauchy(3.0, 1.0), 1.0)) == 3
    assert compute_expectation(make_message(dist.HalfCauchy(1.0), 1.0)) is None


def test_mask_covers_the_dimensions_of_the_event():
    mask = jnp.array([True, False])
    message = make_message(dist.Normal(0, 1).expand([2, 3]).to_event(1).mask(mask), 0.0)
    assert find_mask(message, (2, 3)).tolist() == [[True] * 3, [False] * 3]
    assert find_mask(make_message(dist.Normal(0, 1).expand([2]), 0.0), (2,)).all()
