import numpy as np
import pytest

from posterity.stats.arviz_bridge import import_array_stats
from posterity.stats.ranks import score_ranks
from posterity.stats.rhat import (
    compute_ess_scale,
    compute_rhat,
    compute_rhat_limit,
    compute_within_chain_ess,
    count_compared_chains,
)


def make_ar1(correlation, shape, seed=1):
    values = np.random.default_rng(seed).normal(size=shape)
    for i in range(1, shape[-1]):
        noise = np.sqrt(1 - correlation**2) * values[..., i]
        values[..., i] = correlation * values[..., i - 1] + noise
    return values


def test_size_within_chains_is_exact_for_ar1_and_blind_to_a_shift():
    draws = make_ar1(0.6, (50, 4, 1000))
    exact = 4000 * 0.4 / 1.6  # N (1 - rho) / (1 + rho)
    sizes = compute_within_chain_ess(score_ranks(draws))
    assert np.median(sizes) == pytest.approx(exact, rel=0.1)
    shifted = draws + np.array([0, 0, 0, 2])[:, None]
    assert np.median(compute_within_chain_ess(score_ranks(shifted))) > 0.5 * exact


@pytest.mark.parametrize(
    ("chains", "length"), [(2, 1000), (4, 500), pytest.param(8, 500, marks=pytest.mark.long)]
)
def test_limit_is_exceeded_by_converged_chains_in_one_of_a_hundred_fits(chains, length):
    scalars = 600
    draws = make_ar1(0.3, (scalars, chains, length), seed=2)
    ess = compute_within_chain_ess(score_ranks(draws))
    limit = compute_rhat_limit(ess, chains * length, chains, 1)
    assert (compute_rhat(draws) > limit).mean() <= 0.025
    # The share of larger ones is not zero either: the limit is as low as chance allows.
    many = compute_rhat_limit(ess, chains * length, chains, scalars)
    assert not (compute_rhat(draws) > many).any()
    assert (many > limit).all()


def test_a_chain_that_is_off_exceeds_the_limit():
    draws = make_ar1(0.3, (100, 4, 1000))
    draws[:, 3] += 0.5
    limit = compute_rhat_limit(compute_within_chain_ess(score_ranks(draws)), 4000, 4, 20)
    assert (compute_rhat(draws) > limit).all()


def test_chains_that_hardly_move_cannot_excuse_themselves():
    few, enough = compute_rhat_limit(np.array([5.0, 400.0]), 4000, 4, 1)
    assert few == enough < 1.03


@pytest.mark.parametrize("length", [4, 5, 7, 8, 200, 201])
def test_ranks_are_those_of_arviz(length):
    draws = make_ar1(0.5, (7, 4, length))
    draws[1] = draws[1].round()  # ties
    draws[2] = 3.0
    draws[3, 1, 2] = np.nan
    draws[4, 2, 1] = -np.inf
    draws[5, :, 0] = np.inf
    draws[6] *= 1e300
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(compute_rhat(draws), import_array_stats().rhat(draws))
        np.testing.assert_allclose(
            import_array_stats().ess(score_ranks(draws).values, method="mean"),
            import_array_stats().ess(draws, method="bulk"),
        )


def test_many_short_chains_pass_by_nested_rhat_where_split_rhat_fails():
    draws = make_ar1(0.7, (20, 64, 120))
    assert (import_array_stats().rhat(draws) > 1.02).all()
    nested = compute_rhat(draws)
    limit = compute_rhat_limit(np.full(20, 64 * 120 * 0.3 / 1.7), 64 * 120, 64, 20)
    assert (nested < np.maximum(1.01, limit)).all()


@pytest.mark.parametrize("fault", ["stuck", "drift", "two modes"])
def test_many_chains_that_have_not_converged_are_found(fault):
    draws = make_ar1(0.3, (5, 64, 100))
    if fault == "stuck":  # each chain at its own start: groups of chains have similar means
        draws = draws[..., :1] + 1e-3 * draws
    elif fault == "drift":  # all chains together
        draws += np.linspace(0, 2, 100)
    else:
        draws[:, :24] += 4
    limit = compute_rhat_limit(np.full(5, 400.0), 6400, 64, 5)
    assert (compute_rhat(draws) > np.maximum(1.01, limit)).all()


@pytest.mark.parametrize(
    ("chains", "compared", "scale"), [(1, 4, 1), (2, 4, 1), (4, 8, 1), (16, 32, 4), (17, 8, 1)]
)
def test_compared_parts_and_the_scale_of_sizes(chains, compared, scale):
    assert (count_compared_chains(chains), compute_ess_scale(chains)) == (compared, scale)
