import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

from posterity.prediction.statistics import (
    Covariate,
    compute_statistics,
    design_statistics,
)

RNG = np.random.default_rng(5)
COUNT = 60


def make_message(distribution, value):
    return {"fn": distribution, "value": jnp.asarray(value)}


def compute(distribution, value, *covariates):
    """Return the statistics of a site by name."""
    message = make_message(distribution, value)
    design = design_statistics(message, np.shape(value), list(covariates))
    values = compute_statistics(message, design, design.arrays)
    assert values.shape == (len(design.names),) == (len(design.is_decisive),)
    return dict(zip(design.names, values.tolist(), strict=True))


NORMAL = dist.Normal(0.0, 1.0).expand([COUNT])
R = RNG.normal(size=COUNT)
X = RNG.uniform(size=COUNT)


def test_shape_of_residuals_is_that_of_scipy():
    result = compute(NORMAL, R)
    assert result["sum of r²"] == pytest.approx((R**2).mean())
    assert result["skewness of r"] == pytest.approx(stats.skew(R))
    assert result["kurtosis of r"] == pytest.approx(stats.kurtosis(R, fisher=False))
    assert result["largest |r|"] == pytest.approx(np.abs(R).max())


def test_slope_is_the_correlation_with_the_rank_of_a_covariate():
    result = compute(NORMAL, R, Covariate("x", X, True))
    rank = stats.zscore(stats.rankdata(X))
    assert result["r against x"] == pytest.approx((R * rank).mean() / np.sqrt((R**2).mean()))
    size = stats.zscore(np.abs(R))
    assert result["|r| against x"] == pytest.approx((size * rank).mean())


def test_curve_is_orthogonal_to_the_slope():
    linear = stats.zscore(stats.rankdata(X))
    result = compute(NORMAL, linear, Covariate("x", X, True))
    assert result["r against x"] == pytest.approx(1)
    assert result["r against x²"] == pytest.approx(0, abs=1e-9)


def test_lag_follows_the_rows_and_the_order_of_a_covariate():
    ordered = R[np.argsort(X)]
    result = compute(NORMAL, R, Covariate("x", X, True))
    total = (R**2).sum()
    assert result["r of successive rows"] == pytest.approx((R[1:] * R[:-1]).sum() / total)
    assert result["r in order of x"] == pytest.approx((ordered[1:] * ordered[:-1]).sum() / total)


@pytest.mark.parametrize("labels", [np.repeat([3, 1, 2], 20), np.repeat(["c", "a", "b"], 20)])
def test_groups_are_labels_of_numbers_or_texts(labels):
    result = compute(NORMAL, R, Covariate("g", labels, True))
    sums = np.array([R[labels == label].sum() for label in np.unique(labels)])
    expected = (sums**2 / 20).sum() / (R**2).sum()
    assert result["r between groups of g"] == pytest.approx(expected)


def test_distinct_values_make_no_groups():
    assert "r between groups of id" not in compute(NORMAL, R, Covariate("id", np.arange(60), True))


def test_only_columns_of_the_model_are_decisive():
    covariates = [Covariate("x", X, True), Covariate("z", RNG.normal(size=COUNT), False)]
    design = design_statistics(make_message(NORMAL, R), (COUNT,), covariates)
    chosen = [name for name, used in zip(design.names, design.is_decisive, strict=True) if not used]
    assert set(chosen) == {
        "r against z",
        "r against z²",
        "|r| against z",
        "r of successive rows",
        "r in order of z",
    }


def test_counts_have_a_share_of_zeros():
    counts = RNG.poisson(1.0, size=COUNT)
    result = compute(dist.Poisson(1.0).expand([COUNT]), counts)
    assert result["share of zeros"] == pytest.approx((counts == 0).mean())


def test_continuous_values_have_a_share_of_zeros_only_if_zeros_pile_up():
    message = make_message(NORMAL, R)
    recorded = np.where(np.arange(COUNT) < 20, 0, R)
    rounded = np.round(R, 1)
    for values, is_listed in ((recorded, True), (rounded, False), (R, False)):
        design = design_statistics(message, (COUNT,), [], values)
        assert ("share of zeros" in design.names) == is_listed


def test_binary_data_have_a_calibration():
    probability = np.repeat([0.1, 0.9], 30)
    values = np.repeat([0, 1], 30)
    result = compute(dist.Bernoulli(probs=jnp.asarray(probability)), values)
    # Two bins with 30 points of variance 0.09, and a sum of residuals of 3.
    assert result["calibration in bins"] == pytest.approx(2 * 9 / (30 * 0.09))
    assert "skewness of r" not in result


def test_fitted_values_are_compared_with_residuals():
    fitted = np.linspace(-1, 1, COUNT)
    result = compute(dist.Normal(jnp.asarray(fitted), 1.0), fitted + fitted**2)
    assert result["r against fitted values²"] > 0.5
    flat = compute(NORMAL, R)
    assert flat["r against fitted values"] == 0


def test_masked_values_have_no_influence():
    mask = np.arange(COUNT) < 40
    wrong = np.where(mask, R, -999.0)
    distribution = dist.Normal(0.0, 1.0).expand([COUNT]).mask(jnp.asarray(mask))
    result = compute(distribution, wrong)
    assert result["sum of r²"] == pytest.approx((R[:40] ** 2).mean())
    assert result["skewness of r"] == pytest.approx(stats.skew(R[:40]))
    assert result["largest |r|"] == pytest.approx(np.abs(R[:40]).max())


def test_few_points_have_one_statistic():
    assert list(compute(dist.Normal(0.0, 1.0), 2.0)) == ["sum of r²"]


def test_statistics_that_are_not_finite_are_zero():
    result = compute(NORMAL, np.zeros(COUNT))
    assert np.isfinite(list(result.values())).all()
    assert result["kurtosis of r"] == 0
