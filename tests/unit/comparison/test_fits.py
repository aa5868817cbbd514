import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance
from synthetic_fits import LEAD, sample_gaussian

from posterity.comparison.fits import (
    compare_fits,
    compute_wasserstein,
    describe_effect_size,
    describe_pairs,
)


@pytest.fixture(scope="module")
def transformed():
    """A fit a, a shifted and scaled copy b, and a fit c of the same distribution."""
    rng = np.random.default_rng(2)
    a = sample_gaussian(rng, 5, 2, draws=4000)
    b = a.assign(b=5 + 1.5 * (a["b"] - 5), a=a["a"] + 0.6)
    c = sample_gaussian(rng, 5, 2, draws=2500)
    return a, compare_fits({"a": a, "b": b, "c": c}, {}, 10)


def test_rows_are_all_pairs_and_scalars_in_order(transformed):
    rows = transformed[1]
    columns = (rows[name].values for name in ("fit_a", "fit_b", "parameter"))
    pairs = (("a", "b"), ("a", "c"), ("b", "c"))
    expected = [(*pair, name) for pair in pairs for name in ("a", "b")]
    assert list(zip(*columns, strict=True)) == expected


def test_shift_and_scale_are_recovered(transformed):
    a, rows = transformed
    sd = a["a"].values.std(ddof=1)
    np.testing.assert_allclose(rows["difference"][0], 0.6 / sd)
    np.testing.assert_allclose(rows["wasserstein"][0], 0.6 / sd)
    np.testing.assert_allclose(rows["ratio"][:2], [1, 1.5])


def test_errors_are_those_of_independent_draws(transformed):
    rows = transformed[1]
    np.testing.assert_allclose(rows["difference_error"][0], np.sqrt(2 / 16000), rtol=0.1)
    np.testing.assert_allclose(rows["ratio_error"][1], 1.5 * np.sqrt(2 / 32000), rtol=0.1)


def test_description_names_what_differs(transformed):
    shifted, equal, _ = describe_pairs(transformed[1])
    assert shifted["agree"] is False
    assert shifted["size"] == "visible"
    assert shifted["message"].startswith(
        "means differ by up to 0.3 sd (a), visible; sds differ by a factor 1.5 (b), visible"
    )
    assert equal["agree"] is True
    assert equal["message"].startswith(
        "agree within Monte Carlo error (largest difference of means 0.0"
    )


def test_pairs_of_different_fits_disagree(transformed):
    assert [pair["agree"] for pair in describe_pairs(transformed[1])] == [False, True, False]


@pytest.mark.parametrize("sizes", [(200, 200), (200, 70), (3, 1000)])
def test_wasserstein_distance_equals_that_of_scipy(sizes):
    rng = np.random.default_rng(4)
    a, b = (np.sort(rng.normal(i, 1 + i, size=(2, n))) for i, n in enumerate(sizes))
    distance, _ = compute_wasserstein(a, b, np.ones((2, 3)))
    expected = [wasserstein_distance(*rows) for rows in zip(a, b, strict=True)]
    np.testing.assert_allclose(distance, expected)


SAMPLES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(SAMPLES, SAMPLES)
def test_wasserstein_distance_equals_that_of_scipy_for_all_samples(first, second):
    a = np.sort(np.array([first]), axis=1)
    b = np.sort(np.array([second]), axis=1)
    distance, expected = compute_wasserstein(a, b, np.ones((1, 3)))
    reference = wasserstein_distance(first, second)
    np.testing.assert_allclose(distance[0], reference, rtol=1e-9, atol=1e-9)
    assert expected[0] >= 0


@pytest.fixture(scope="module")
def equal_gaussians():
    """600 pairs of equal Gaussian scalars."""
    rng = np.random.default_rng(6)
    names = [f"p{i}" for i in range(600)]
    a = sample_gaussian(rng, draws=250, names=names)
    b = sample_gaussian(rng, draws=500, names=names)
    return compare_fits({"a": a, "b": b}, {}, 1)


def assert_standard_normal(z):
    assert abs(z.mean()) < 4 / np.sqrt(len(z))
    assert abs(z.std() - 1) < 4 / np.sqrt(2 * len(z))


def test_errors_of_equal_gaussians_are_calibrated(equal_gaussians):
    rows = equal_gaussians
    assert_standard_normal((rows["difference"] / rows["difference_error"]).values)
    assert_standard_normal((np.log(rows["ratio"]) * rows["ratio"] / rows["ratio_error"]).values)


def test_distance_of_equal_gaussians_has_its_expectation(equal_gaussians):
    rows = equal_gaussians
    # The average over 600 pairs is known to about 2 %.
    ratio = float(rows["wasserstein"].mean() / rows["wasserstein_error"].mean())
    assert ratio == pytest.approx(1, abs=0.06)


def test_equal_gaussians_rarely_differ(equal_gaussians):
    # Five scalars a pair: of 120 pairs at most 1 % (and 4 binomial standard errors) may differ.
    fits = np.array([f"b{i // 5}" for i in range(600)], dtype=object)
    summaries = describe_pairs(equal_gaussians.assign(fit_b=("row", fits)))
    results = [pair["agree"] for pair in summaries]
    assert len(results) == 120
    assert results.count(False) <= 0.01 * len(results) + 4 * np.sqrt(0.01 * len(results))


@pytest.mark.parametrize("correlation", [0.8, -0.4])
def test_errors_of_autocorrelated_chains_are_calibrated(correlation):
    rng = np.random.default_rng(8)
    names = [f"p{i}" for i in range(150)]

    def sample_chains():
        noise = rng.normal(size=(len(names), 4, 500)) * np.sqrt(1 - correlation**2)
        noise[..., 0] = rng.normal(size=noise.shape[:2])
        for t in range(1, noise.shape[2]):
            noise[..., t] += correlation * noise[..., t - 1]
        return xr.Dataset({name: (LEAD, values) for name, values in zip(names, noise, strict=True)})

    rows = compare_fits({"a": sample_chains(), "b": sample_chains()}, {}, 1)
    expected = np.sqrt(2 * (1 + correlation) / (1 - correlation) / 2000)
    assert float(rows["difference_error"].mean()) == pytest.approx(expected, rel=0.1)
    z = rows["difference"] / rows["difference_error"]
    assert float(z.std()) == pytest.approx(1, abs=4 / np.sqrt(300))
    ratio = float(rows["wasserstein"].mean() / rows["wasserstein_error"].mean())
    assert ratio == pytest.approx(1, abs=0.15)
    assert describe_pairs(rows)[0]["agree"]


def test_equal_moments_with_another_shape_differ():
    rng = np.random.default_rng(9)
    sign = np.where(rng.random((4, 2000)) < 0.5, -1, 1)
    bimodal = 0.99 * sign + rng.normal(0, np.sqrt(1 - 0.99**2), size=sign.shape)
    fits = {
        "one": sample_gaussian(rng, draws=2000, names=["x"]),
        "two": xr.Dataset({"x": (LEAD, bimodal)}),
    }
    pair = describe_pairs(compare_fits(fits, {}, 1))[0]
    assert pair["agree"] is False
    assert pair["message"].startswith("shapes differ")


@pytest.fixture(scope="module")
def point_rows():
    """A fit with draws against two equal point estimates."""
    rng = np.random.default_rng(10)
    draws = sample_gaussian(rng, 3, 2, draws=1000).assign(
        v=((*LEAD, "band"), rng.normal(3, 2, size=(4, 1000, 2)))
    )
    point = xr.Dataset({"a": 3.0, "b": 5.0, "v": ("band", [3.0, 3.0])})
    return compare_fits({"nuts": draws}, {"map": point, "ml": point}, 5)


def test_two_point_estimates_are_not_compared(point_rows):
    assert point_rows["fit_b"].values.tolist() == ["map"] * 4 + ["ml"] * 4
    assert point_rows["parameter"].values.tolist()[:4] == ["a", "b", "v[0]", "v[1]"]


def test_point_estimates_have_a_difference_only(point_rows):
    np.testing.assert_allclose(point_rows["difference"][:4], [0, 1, 0, 0], atol=0.08)
    np.testing.assert_allclose(point_rows["difference_error"], 1 / np.sqrt(4000), rtol=0.15)
    assert point_rows["ratio"].isnull().all()
    assert point_rows["wasserstein_error"].isnull().all()


def test_description_of_a_point_estimate_names_the_distance_from_the_mean(point_rows):
    pair = describe_pairs(point_rows)[0]
    assert pair["size"] == "large"
    assert pair["message"].startswith("map is up to 1 sd from the mean of nuts (b), large")


@pytest.fixture(scope="module")
def gaussian():
    return sample_gaussian(np.random.default_rng(11))


@pytest.fixture(scope="module")
def stuck(gaussian):
    """A fit with a constant scalar, and with a scalar that no other fit has."""
    return gaussian.assign(a=xr.zeros_like(gaussian["a"]), c=gaussian["a"])


def test_scalar_that_is_constant_in_b_has_a_factor_of_zero(gaussian, stuck):
    rows = compare_fits({"a": gaussian, "stuck": stuck}, {}, 5)
    assert rows["parameter"].values.tolist() == ["a", "b"]
    assert "sds differ by a factor 0 (a), large" in describe_pairs(rows)[0]["message"]


def test_scalar_that_is_constant_in_a_is_left_out(gaussian, stuck):
    rows = compare_fits({"stuck": stuck, "a": gaussian}, {}, 5)
    assert rows["parameter"].values.tolist() == ["b"]


def test_too_few_draws_cannot_be_judged(gaussian):
    few = gaussian.isel(chain=[0], draw=slice(2))
    pair = describe_pairs(compare_fits({"few": few, "a": gaussian}, {}, 5))[0]
    assert pair["agree"] is None
    assert "too few for their Monte Carlo error" in pair["message"]


def test_scalars_that_are_not_finite_are_counted(gaussian):
    broken = gaussian.assign(a=gaussian["a"].where(gaussian["a"] < 2))
    pair = describe_pairs(compare_fits({"a": gaussian, "broken": broken}, {}, 5))[0]
    assert "1 of 2 scalars cannot be compared" in pair["message"]


def test_single_fit_or_no_common_scalar_has_no_rows(gaussian):
    for fits in ({"a": gaussian}, {}, {"a": gaussian, "b": xr.Dataset()}):
        rows = compare_fits(fits, {}, 5)
        assert rows.sizes["row"] == 0
        assert describe_pairs(rows) == []


@pytest.mark.parametrize(
    ("size", "name"), [(0.05, "negligible"), (0.1, "visible"), (0.49, "visible"), (0.5, "large")]
)
def test_effect_sizes_have_names(size, name):
    assert describe_effect_size(size) == name
