import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from posterity.stats.arviz_bridge import import_array_stats
from posterity.stats.summary import (
    compute_bfmi,
    compute_interval,
    flatten_scalars,
    label_scalars,
    select_scalars,
    split_single_chain,
    summarise_draws,
    summarise_fit,
    summarise_point,
    thin_to_ess,
)

LEAD = ("chain", "draw")


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize(
    ("count", "limit", "chosen"),
    [(3, None, [0, 1, 2]), (3, 3, [0, 1, 2]), (5, 3, [0, 2, 4]), (6, 2, [0, 5]), (0, 2, [])],
)
def test_selected_scalars_are_evenly_spaced(count, limit, chosen):
    assert select_scalars(count, limit).tolist() == chosen


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.integers(1, 5000), st.integers(2, 2000))
def test_selected_scalars_are_as_many_as_allowed(count, limit):
    chosen = select_scalars(count, limit)
    assert len(chosen) == min(count, limit)
    assert (np.diff(chosen) > 0).all()
    assert chosen[0] == 0
    assert chosen[-1] == count - 1


def test_labels_have_the_indices_of_a_site():
    assert label_scalars("v", np.array([0, 5]), (3, 2)) == ["v[0,0]", "v[2,1]"]
    assert label_scalars("m", np.array([0]), ()) == ["m"]


@pytest.fixture
def posterior(rng):
    return xr.Dataset(
        {
            "m": (LEAD, np.zeros((2, 5))),
            "v": ((*LEAD, "star", "band"), rng.normal(size=(2, 5, 3, 2))),
        }
    )


def test_scalars_have_labels_and_draws(posterior):
    labels, draws = flatten_scalars(posterior)
    assert labels == ["m", "v[0,0]", "v[0,1]", "v[1,0]", "v[1,1]", "v[2,0]", "v[2,1]"]
    np.testing.assert_array_equal(draws[4], posterior["v"][:, :, 1, 1])


def test_limit_applies_to_each_site(posterior):
    assert flatten_scalars(posterior, limit=2)[0] == ["m", "v[0,0]", "v[2,1]"]


def test_empty_posterior_has_no_scalars():
    assert flatten_scalars(xr.Dataset())[0] == []


def test_order_of_dimensions_does_not_matter(posterior):
    transposed = posterior.transpose("star", "draw", "band", "chain")
    np.testing.assert_array_equal(flatten_scalars(transposed)[1], flatten_scalars(posterior)[1])


def test_scalars_that_are_read_in_blocks_are_equal(posterior, monkeypatch):
    expected = flatten_scalars(posterior)[1]
    monkeypatch.setattr("posterity.stats.summary.BLOCK_BYTES", 200)
    np.testing.assert_array_equal(flatten_scalars(posterior)[1], expected)


@pytest.mark.parametrize("shape", [(1, 7), (3, 1, 8), (2, 2, 1, 5)])
def test_single_chain_is_split_into_halves(rng, shape):
    draws = rng.normal(size=shape)
    half = shape[-1] // 2
    halves = split_single_chain(draws)
    assert halves.shape == (*shape[:-2], 2, half)
    np.testing.assert_array_equal(halves[..., 0, :], draws[..., 0, :half])
    np.testing.assert_array_equal(halves[..., 1, :], draws[..., 0, half : 2 * half])


def test_several_chains_are_not_split(rng):
    draws = rng.normal(size=(3, 4, 10))
    assert split_single_chain(draws) is draws


def test_summary_of_a_gaussian_has_its_moments(rng):
    draws = rng.normal(5, 2, size=(4, 5000))
    summary = summarise_draws(xr.Dataset({"x": (LEAD, draws)}), "eti", 0.9)
    row = summary.sel(parameter="x")
    assert abs(row["mean"] - 5) < 4 * row["mcse"]
    assert abs(row["mcse"] / (2 / np.sqrt(20000)) - 1) < 0.1
    assert abs(row["sd"] - 2) < 0.05
    np.testing.assert_allclose(row["interval"], [5 - 1.645 * 2, 5 + 1.645 * 2], atol=0.12)
    assert row["r_hat"] < 1.005
    assert abs(row["ess_bulk"] / 20000 - 1) < 0.1


def test_intervals_of_an_exponential_are_exact(rng):
    skewed = rng.exponential(size=100_000)
    tails = [-np.log(0.95), -np.log(0.05)]
    np.testing.assert_allclose(compute_interval(skewed, "eti", 0.9), tails, atol=0.05)
    np.testing.assert_allclose(compute_interval(skewed, "hdi", 0.9), [0, -np.log(0.1)], atol=0.05)


def test_intervals_are_over_the_last_axis(rng):
    assert compute_interval(rng.normal(size=(3, 1000)), "hdi", 0.5).shape == (3, 2)


@pytest.mark.parametrize("probability", [0.5, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("count", [1, 2, 10, 999, 1000])
def test_interval_of_highest_density_equals_that_of_arviz(rng, count, probability):
    for draws in (
        rng.gamma(1.5, size=(2, 3, count)),
        rng.poisson(3, size=(2, 3, count)),
        rng.random((1, count)) < 0.3,
    ):
        np.testing.assert_array_equal(
            compute_interval(draws, "hdi", probability),
            import_array_stats().hdi(draws, probability, axis=-1),
        )


@pytest.mark.parametrize("draws", [2, 3, 4])
def test_very_few_draws_have_a_summary(rng, draws):
    data = xr.Dataset({"x": (LEAD, rng.normal(size=(1, draws)))})
    assert summarise_draws(data, "hdi", 0.9).sizes["parameter"] == 1


def test_stored_summary_replaces_draws(rng):
    draws = rng.normal(size=(4, 1000))
    full = summarise_draws(xr.Dataset({"x": (LEAD, draws), "s": (LEAD, draws + 1)}), "eti", 0.9)
    statistics = ["mean", "sd", "q5", "median", "q95", "mcse", "ess_bulk", "ess_tail", "r_hat"]
    row = full.sel(parameter="s")
    stored = [0.0 if name in ("q5", "q95") else float(row[name]) for name in statistics]
    tree = xr.DataTree.from_dict(
        {
            "/posterior": xr.Dataset({"x": (LEAD, draws)}),
            "/posterior_summary": xr.Dataset(
                {"s": ("statistic", stored)}, {"statistic": statistics}
            ),
        }
    )
    summary = summarise_fit(tree, "eti", 0.9)
    assert summary["parameter"].values.tolist() == ["x", "s"]
    for name in ("mean", "sd", "median", "mcse", "ess_bulk", "ess_tail", "r_hat"):
        np.testing.assert_array_equal(summary[name], full[name])
    assert np.isnan(summary["interval"].sel(parameter="s")).all()


def test_bfmi_is_that_of_each_chain(rng):
    energy = np.stack([rng.normal(size=1000), rng.normal(size=1000).cumsum()])
    bfmi = compute_bfmi(energy)
    assert bfmi.shape == (2,)
    assert bfmi[0] > 1 > 0.3 > bfmi[1]


def test_independent_draws_are_hardly_thinned(rng):
    assert thin_to_ess(rng.normal(size=(2, 1000))).shape[1] >= 500


def test_correlated_draws_are_thinned_to_their_ess(rng):
    repeated = np.repeat(rng.normal(size=(2, 100)), 10, axis=1)
    assert thin_to_ess(repeated).shape[1] < 300


def test_point_estimate_is_listed_by_scalar():
    summary = summarise_point(xr.Dataset({"a": 1.0, "v": ("i", [2.0, 3.0])}), 10)
    assert summary["parameter"].values.tolist() == ["a", "v[0]", "v[1]"]
    assert summary["point"].values.tolist() == [1, 2, 3]
