"""R-hat, given where chains start."""

import numpy as np
import pytest
import xarray as xr

from posterity.diagnostics.check import Check
from posterity.diagnostics.starts import has_spread, limit_rhat_by_starts

PASS = Check("rhat", 1.001, 1.01, "pass", "largest R-hat: 1.0010 (mu)")
SENTENCE = "all chains start within one posterior sd of each other, so R-hat says little"


def make_draws(**values):
    """Return draws of shape (chain, draw, ...) as a Dataset."""
    return xr.Dataset(
        {
            name: (("chain", "draw", *(f"{name}_{axis}" for axis in range(array.ndim - 2))), array)
            for name, array in values.items()
        }
    )


def make_starts(**values):
    """Return starts of shape (chain, ...) as a Dataset."""
    return xr.Dataset(
        {
            name: (("chain", *(f"{name}_{axis}" for axis in range(np.ndim(array) - 1))), array)
            for name, array in values.items()
        }
    )


@pytest.fixture
def draws():
    rng = np.random.default_rng(3)
    return make_draws(mu=rng.normal(5, 2, (4, 500)), x=rng.normal(size=(4, 500, 3)))


def limit(starts, draws, check=PASS, init="median"):
    return limit_rhat_by_starts(check, starts, [draws[["mu"]], draws.drop_vars("mu")], init)


def test_chains_that_start_in_one_place_warn(draws):
    starts = make_starts(mu=np.array([1.0, 1.5, 2.0, 2.7]), x=np.zeros((4, 3)))
    check = limit(starts, draws)
    assert check.status == "warn"
    assert check.message.startswith(f"{PASS.message}; {SENTENCE}")
    assert check.message.endswith("use init: uniform or sample")
    assert limit(starts, draws, init="uniform").message.endswith("use init: sample")


def test_one_scalar_with_dispersed_starts_is_enough(draws):
    starts = make_starts(mu=np.ones(4), x=np.zeros((4, 3)))
    starts["x"][2, 1] = 1.5
    assert limit(starts, draws) == PASS


def test_uniform_starts_hardly_ever_warn():
    """Two scalars of posterior sd 0.5 in unconstrained space, and starts uniform in (-2, 2)."""
    rng = np.random.default_rng(4)
    draws = make_draws(mu=rng.normal(0, 0.5, (4, 250)), log=np.exp(rng.normal(0, 0.5, (4, 250))))
    warned = 0
    for _ in range(1000):
        starts = make_starts(mu=rng.uniform(-2, 2, 4), log=np.exp(rng.uniform(-2, 2, 4)))
        check = limit_rhat_by_starts(PASS, starts, [draws], "uniform")
        warned += check.status == "warn"
    assert warned <= 5


def test_the_logarithm_of_a_positive_scalar_counts():
    """Heavy tails make the sd of tau larger than any starts; its logarithm has none."""
    rng = np.random.default_rng(5)
    draws = make_draws(tau=np.exp(rng.normal(0, 1.5, (4, 500))))
    starts = make_starts(tau=np.exp(np.array([-2.0, -1.0, 0.5, 1.0])))
    assert has_spread(starts["tau"], draws["tau"])
    assert not has_spread(np.exp(0.3 * np.log(starts["tau"])), draws["tau"])


@pytest.mark.parametrize("status", ["warn", "fail", "n/a"])
def test_another_status_stays(draws, status):
    check = Check("rhat", 1.2, 1.01, status, "largest R-hat: 1.2000 (mu)")
    starts = make_starts(mu=np.ones(4))
    assert limit(starts, draws, check) == check


def test_without_several_chains_or_starts_nothing_changes(draws):
    assert limit(make_starts(mu=np.ones(1)), draws) == PASS
    assert limit(xr.Dataset(), draws) == PASS
    assert limit(make_starts(other=np.ones(4)), draws) == PASS
