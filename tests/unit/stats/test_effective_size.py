import numpy as np
import pytest

from posterity.stats.arviz_bridge import import_array_stats
from posterity.stats.effective_size import compute_ess, compute_tail_ess


def make_draws(shape, lowest=-0.9, highest=0.999):
    """Return AR(1) draws of scalars, whose correlation grows from scalar to scalar."""
    values = np.random.default_rng(3).normal(size=shape)
    correlation = np.linspace(lowest, highest, shape[0])[:, None]
    for i in range(1, shape[2]):
        noise = np.sqrt(1 - correlation**2) * values[..., i]
        values[..., i] = correlation * values[..., i - 1] + noise
    return values


@pytest.mark.parametrize("chains", [1, 2, 4])
@pytest.mark.parametrize("length", [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 51, 400])
def test_sizes_are_those_of_arviz(chains, length):
    draws = make_draws((60, chains, length))
    draws[1] = draws[1].round()
    draws[2] = 7.0
    draws[3, 0, 1] = np.nan
    draws[4, -1] += 20
    array_stats = import_array_stats()
    np.testing.assert_allclose(compute_ess(draws), array_stats.ess(draws, method="mean"))
    np.testing.assert_allclose(
        compute_tail_ess(draws, (0.05, 0.95)),
        array_stats.ess(draws, method="tail", prob=(0.05, 0.95)),
    )


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.95])
def test_size_of_ar1_is_exact(correlation):
    size = compute_ess(make_draws((40, 4, 5000), correlation, correlation))
    exact = 20_000 * (1 - correlation) / (1 + correlation)
    assert np.median(size) == pytest.approx(exact, rel=0.05)


def test_size_does_not_depend_on_the_unit():
    draws = make_draws((20, 4, 300))
    np.testing.assert_allclose(compute_ess(1e-30 * draws), compute_ess(draws))


def test_infinite_draws_have_no_size():
    draws = make_draws((2, 2, 100))
    draws[0, 0, 0] = np.inf
    assert np.isnan(compute_ess(draws)[0])
    assert np.isfinite(compute_tail_ess(draws, (0.05, 0.95))).all()


def test_blocks_of_scalars_give_the_same_sizes(monkeypatch):
    draws = make_draws((7, 2, 50))
    whole = compute_ess(draws)
    monkeypatch.setattr("posterity.stats.effective_size.BLOCK_BYTES", 2 * draws[:1].nbytes)
    np.testing.assert_array_equal(compute_ess(draws), whole)
