import numpy as np
import pytest
import xarray as xr

from posterity.diagnostics.check import Check
from posterity.diagnostics.divergences import check_divergences

LEAD = ("chain", "draw")
SHARES = {"warn": 0, "fail": 0.005}
BAD_RHAT = Check("rhat", 1.5, 1.01, "fail", "largest R-hat: 1.5 (x)")


def make_statistics(diverging):
    return xr.Dataset({"diverging": (LEAD, diverging)}, {"draw": np.arange(diverging.shape[1])})


def diverge(count, chains=4, draws=1000):
    """Statistics in which so many draws, evenly spread, diverge."""
    diverging = np.zeros(chains * draws, bool)
    diverging[np.linspace(0, chains * draws - 1, count, dtype=int)] = True
    return make_statistics(diverging.reshape(chains, draws))


@pytest.mark.parametrize(
    ("count", "status"), [(0, "pass"), (1, "warn"), (20, "warn"), (21, "fail")]
)
def test_a_few_divergences_warn_and_half_a_percent_fails(count, status):
    check = check_divergences(diverge(count), SHARES)
    assert (check.status, check.value) == (status, count / 4000)
    assert check.message.startswith(f"{count} of 4000 draws diverged")


def test_one_divergence_fails_if_chains_do_not_mix():
    check = check_divergences(diverge(1), SHARES, mixing=[BAD_RHAT])
    assert check.status == "fail"
    assert "1 of 4000 draws diverged, and rhat fail" in check.message
    assert check_divergences(diverge(0), SHARES, mixing=[BAD_RHAT]).status == "pass"


def test_threshold_without_fail_only_warns():
    assert check_divergences(diverge(400), {"warn": 0}, mixing=[BAD_RHAT]).status == "warn"


def make_funnel(count, chains=4, draws=1000):
    """Draws of three scalars, the divergent ones at small tau."""
    rng = np.random.default_rng(1)
    tau = np.exp(rng.normal(size=(chains, draws)))
    diverging = tau <= np.sort(tau.ravel())[2 * count - 1]
    diverging &= rng.uniform(size=diverging.shape) < 0.5
    sites = {
        "a": rng.normal(size=tau.shape),
        "tau": tau,
        "b": tau * rng.normal(size=tau.shape),
    }
    coordinates = {"draw": np.arange(draws)}
    return make_statistics(diverging), xr.Dataset(
        {name: (LEAD, value) for name, value in sites.items()}, coordinates
    )


def test_sentence_names_the_scalar_in_which_divergent_draws_concentrate():
    statistics, draws = make_funnel(40)
    message = check_divergences(statistics, SHARES, draws=draws).message
    assert ", most clearly apart in tau (median 0.0" in message
    thinned = draws.isel(draw=slice(0, None, 2))
    assert " tau (" in check_divergences(statistics, SHARES, draws=thinned).message


def test_no_scalar_is_named_for_few_or_evenly_spread_divergences():
    statistics, draws = make_funnel(4)
    assert "apart" not in check_divergences(statistics, SHARES, draws=draws).message
    assert "apart" not in check_divergences(diverge(50), SHARES, draws=draws).message


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({}, "raise target_accept, or reparametrise"),
        ({"target_accept": 0.8}, "raise target_accept (0.8) to 0.95, or reparametrise"),
        ({"target_accept": 0.99}, "reparametrise, as target_accept is 0.99 already"),
    ],
)
def test_advice_fits_the_settings(settings, advice):
    assert check_divergences(diverge(1), SHARES, settings).message.endswith(f"; {advice}")


def test_divergences_of_one_chain_that_is_elsewhere_advise_a_start_near_the_median():
    diverging = np.zeros((4, 1000), bool)
    diverging[2, :30] = True
    statistics = make_statistics(diverging)
    assert "init: median" in check_divergences(statistics, SHARES, {}, [BAD_RHAT]).message
    assert "init: median" not in check_divergences(statistics, SHARES).message
    settings = {"init": "median"}
    assert "init:" not in check_divergences(statistics, SHARES, settings, [BAD_RHAT]).message


def test_draws_that_are_not_finite_have_no_place():
    statistics, draws = make_funnel(40)
    draws = draws.map(lambda values: values * np.nan)
    assert "apart" not in check_divergences(statistics, SHARES, draws=draws).message
