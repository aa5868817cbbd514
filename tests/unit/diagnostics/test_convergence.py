import numpy as np
import pytest
import xarray as xr

from posterity.diagnostics.convergence import (
    check_acceptance_rate,
    check_convergence,
    check_energy,
    check_sampler,
    check_tree_depth,
)
from posterity.stats.summary import summarise_draws

LEAD = ("chain", "draw")
LIMITS = {
    "rhat": 1.01,
    "ess_bulk": 400,
    "ess_tail": 400,
    "mcse": 0.05,
    "divergences": {"warn": 0, "fail": 0.005},
    "e_bfmi": 0.3,
    "tree_depth": {"warn": 0.0},
    "acceptance_rate": {"warn": 0.1},
}


def check_draws(draws):
    posterior = xr.Dataset({"x": (("chain", "draw"), draws)})
    return {
        check.name: check
        for check in check_convergence(
            summarise_draws(posterior, "hdi", 0.9), draws.shape[0], LIMITS
        )
    }


def test_good_chains_pass():
    draws = np.random.default_rng(1).normal(size=(4, 1000))
    assert {check.status for check in check_draws(draws).values()} == {"pass"}


def test_chains_that_disagree_fail():
    draws = np.random.default_rng(1).normal(size=(4, 1000)) + np.array([0, 0, 0, 1])[:, None]
    result = check_draws(draws)
    assert result["rhat"].status == "fail"
    assert result["ess_bulk"].status == "fail"


def test_slow_chains_fail():
    noise = np.random.default_rng(1).normal(size=(4, 1000))
    draws = np.zeros_like(noise)
    for i in range(1, 1000):
        draws[:, i] = 0.99 * draws[:, i - 1] + noise[:, i]
    result = check_draws(draws)
    assert {result[name].status for name in ("rhat", "ess_bulk", "mcse")} == {"fail"}


def test_stuck_chain_fails():
    draws = np.random.default_rng(1).normal(size=(4, 1000))
    draws[3] = 0.3
    assert check_draws(draws)["rhat"].status == "fail"


def test_one_chain_warns_and_a_drifting_one_fails():
    draws = np.random.default_rng(1).normal(size=(1, 4000))
    assert check_draws(draws)["rhat"].status == "warn"
    assert check_draws(draws)["ess_bulk"].status == "pass"
    assert check_draws(draws + np.linspace(0, 3, 4000))["rhat"].status == "fail"


def test_latent_site_that_never_changes_fails():
    posterior = xr.Dataset({"x": (("chain", "draw"), np.ones((4, 100)))})
    summary = summarise_draws(posterior, "hdi", 0.9)
    assert {check.status for check in check_convergence(summary, 4, LIMITS, {"x"})} == {"fail"}


def test_constant_entries_of_a_cholesky_factor_do_not_count():
    """As LKJCholesky has them: the first row is 1, 0."""
    draws = np.random.default_rng(1).uniform(-1, 1, size=(4, 1000))
    factor = np.stack(
        [np.ones_like(draws), np.zeros_like(draws), draws, np.sqrt(1 - draws**2)], axis=-1
    ).reshape(4, 1000, 2, 2)
    summary = summarise_draws(xr.Dataset({"L": (("chain", "draw", "i", "j"), factor)}), "hdi", 0.9)
    assert {check.status for check in check_convergence(summary, 4, LIMITS, {"L"})} == {"pass"}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_draws_that_are_not_finite_fail(value):
    draws = np.random.default_rng(1).normal(size=(4, 1000))
    draws[2, 5] = value
    assert {check.status for check in check_draws(draws).values()} == {"fail"}


def test_only_the_first_failing_check_has_a_remedy():
    draws = np.random.default_rng(1).normal(size=(4, 1000)) + np.arange(4)[:, None]
    messages = [check.message for check in check_draws(draws).values()]
    assert ["; " in message for message in messages] == [True, False, False, False]


def test_more_than_four_chains_need_a_hundred_effective_draws_each():
    draws = np.random.default_rng(1).normal(size=(16, 60))
    result = check_draws(draws)
    assert result["ess_bulk"].threshold == 1600
    assert result["ess_bulk"].status == "fail"
    assert check_draws(np.random.default_rng(1).normal(size=(64, 90)))["ess_bulk"].status == "pass"


def make_ar1(rng, shape, correlation):
    values = rng.normal(size=shape)
    for i in range(1, shape[-1]):
        noise = np.sqrt(1 - correlation**2) * values[..., i]
        values[..., i] = correlation * values[..., i - 1] + noise
    return values


def judge_scalars(values, chains=4):
    """Return the checks of scalars with draws of shape (chain, draw, scalar)."""
    summary = summarise_draws(xr.Dataset({"v": ((*LEAD, "i"), values)}), "eti", 0.9)
    size = values.shape[0] * values.shape[1]
    checks = check_convergence(summary, chains, LIMITS, draws=size)
    return {check.name: check for check in checks}


def test_rhat_of_many_scalars_may_be_as_large_as_chance_allows():
    """With 200 converged scalars and an ESS of 1000 some R-hat exceeds 1.01, as it should."""
    values = np.moveaxis(make_ar1(np.random.default_rng(1), (200, 4, 1000), 0.6), 0, 2)
    rhat = judge_scalars(values)["rhat"]
    assert 1.01 < rhat.value <= rhat.threshold < 1.03
    assert rhat.status == "pass"


def test_rhat_fails_if_one_chain_is_half_an_sd_off():
    values = np.random.default_rng(1).normal(size=(4, 1000, 50))
    values[3, :, 7] += 0.5
    rhat = judge_scalars(values)["rhat"]
    assert rhat.status == "fail"
    assert "(v[7])" in rhat.message


def test_log_density_is_one_more_scalar_for_rhat_and_ess_only():
    rng = np.random.default_rng(1)
    density = rng.normal(size=(4, 1000)) + np.arange(4)[:, None]
    summary = summarise_draws(xr.Dataset({"x": (LEAD, rng.normal(size=(4, 1000)))}), "hdi", 0.9)
    of_density = summarise_draws(xr.Dataset({"log density": (LEAD, density)}), "hdi", 0.9)
    checks = check_convergence(summary, 4, LIMITS, log_density=of_density)
    assert [check.status for check in checks] == ["fail", "fail", "fail", "pass"]
    assert all("(log density)" in check.message for check in checks[:3])
    assert "of 2 scalars" not in checks[3].message


def test_constant_log_density_does_not_count():
    rng = np.random.default_rng(1)
    summary = summarise_draws(xr.Dataset({"x": (LEAD, rng.normal(size=(4, 1000)))}), "hdi", 0.9)
    constant = summarise_draws(xr.Dataset({"log density": (LEAD, np.ones((4, 1000)))}), "hdi", 0.9)
    checks = check_convergence(summary, 4, LIMITS, log_density=constant)
    assert {check.status for check in checks} == {"pass"}


def test_checks_do_not_apply_to_constant_draws():
    assert {check.status for check in check_draws(np.ones((4, 100))).values()} == {"n/a"}


def test_independent_draws_have_no_rhat():
    draws = np.random.default_rng(1).normal(size=(1, 4000))
    summary = summarise_draws(xr.Dataset({"x": (LEAD, draws)}), "hdi", 0.9)
    checks = {check.name: check.status for check in check_convergence(summary, 0, LIMITS)}
    assert checks == {"rhat": "n/a", "ess_bulk": "pass", "ess_tail": "pass", "mcse": "pass"}


def test_message_names_the_worst_scalar_and_the_count():
    rng = np.random.default_rng(1)
    draws = rng.normal(size=(4, 1000, 3))
    draws[..., 1] += np.arange(4)[:, None]
    summary = summarise_draws(xr.Dataset({"v": ((*LEAD, "i"), draws)}), "hdi", 0.9)
    rhat = check_convergence(summary, 4, LIMITS)[0]
    assert rhat.message.startswith("largest R-hat of 3 scalars: ")
    assert " (v[1]); run more warmup" in rhat.message
    assert rhat.value == float(summary["r_hat"].max())


@pytest.fixture
def statistics():
    """Statistics of a sampler without problems."""
    rng = np.random.default_rng(1)
    return xr.Dataset(
        {
            "diverging": (LEAD, np.zeros((2, 500), bool)),
            "energy": (LEAD, rng.normal(size=(2, 500))),
            "tree_depth": (LEAD, np.full((2, 500), 3)),
            "n_steps": (LEAD, np.full((2, 500), 7)),
        }
    )


SETTINGS = {"max_tree_depth": 10}


def test_sampler_without_problems_passes(statistics):
    checks = {check.name: check.status for check in check_sampler(statistics, SETTINGS, LIMITS)}
    assert checks == {
        "divergences": "pass",
        "e_bfmi": "pass",
        "tree_depth": "pass",
        "acceptance_rate": "n/a",
    }


@pytest.mark.parametrize("energy", [1.0, np.nan, np.inf])
def test_energy_that_is_constant_or_not_finite_fails_with_a_reason(statistics, energy):
    statistics["energy"] = (LEAD, np.full((2, 500), energy))
    check = check_energy(statistics, 0.3)
    assert check.status == "fail"
    assert "not defined in chain 0" in check.message


def test_energy_that_drifts_fails(statistics):
    drift = np.random.default_rng(2).normal(size=(2, 500)).cumsum(1)
    statistics["energy"] = (LEAD, drift)
    assert check_energy(statistics, 0.3).status == "fail"


def test_trajectories_of_the_largest_depth_warn(statistics):
    statistics["n_steps"][0, :50] = 1023
    check = check_tree_depth(statistics, SETTINGS, {"warn": 0.0})
    assert (check.status, check.value) == ("warn", 0.05)


def test_acceptance_rate_is_that_of_the_worst_chain():
    rates = np.stack([np.full(100, 0.5), np.full(100, 0.05)])
    check = check_acceptance_rate(xr.Dataset({"acceptance_rate": (LEAD, rates)}), {"warn": 0.1})
    assert check.status == "warn"
    assert check.value == pytest.approx(0.05)
    assert "smallest mean acceptance of 2 chains: 0.05 (chain 1)" in check.message


def test_sampler_checks_do_not_apply_without_statistics():
    assert {check.status for check in check_sampler(xr.Dataset(), {}, LIMITS)} == {"n/a"}
