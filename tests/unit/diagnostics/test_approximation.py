import numpy as np
import pytest
import xarray as xr

from posterity.diagnostics.approximation import (
    check_elbo_convergence,
    check_evidence,
    check_optimum,
    check_pareto_k,
    find_averaging_windows,
)

LEAD = ("chain", "draw")
K_HAT = {"warn": 0.5, "fail": 0.7}


def test_weights_of_a_close_approximation_pass():
    rng = np.random.default_rng(1)
    log_weights = rng.normal(0, 0.1, size=(1, 2000))
    check = check_pareto_k(xr.Dataset({"log_weight": (LEAD, log_weights)}), K_HAT)
    assert check.status == "pass"
    assert "richer guide" not in check.message


def test_weights_with_a_heavy_tail_fail_with_a_remedy():
    rng = np.random.default_rng(2)
    log_weights = rng.exponential(2.0, size=(1, 2000))
    check = check_pareto_k(xr.Dataset({"log_weight": (LEAD, log_weights)}), K_HAT)
    assert check.status == "fail"
    assert "take a richer guide" in check.message


def test_weights_follow_from_two_log_densities():
    rng = np.random.default_rng(3)
    log_q = rng.normal(size=(1, 2000))
    log_weights = rng.normal(0, 0.1, size=(1, 2000))
    densities = xr.Dataset({"log_p": (LEAD, log_q + log_weights), "log_q": (LEAD, log_q)})
    weights = xr.Dataset({"log_weight": (LEAD, log_weights)})
    assert check_pareto_k(densities, K_HAT).value == pytest.approx(
        check_pareto_k(weights, K_HAT).value, abs=1e-6
    )


def make_optimisation(losses, sizes=None):
    sizes = np.full(len(losses), 0.1) if sizes is None else sizes
    return xr.Dataset({"loss": ("step", losses), "step_size": ("step", sizes)})


def test_constant_loss_with_noise_has_converged():
    losses = np.random.default_rng(4).normal(5, 0.1, size=2000)
    check = check_elbo_convergence(make_optimisation(losses), 0.1)
    assert (check.status, check.value) == ("pass", 0.0)


def test_falling_loss_fails_and_needs_more_steps():
    losses = np.linspace(10, 0, 2000) + np.random.default_rng(5).normal(0, 0.1, size=2000)
    check = check_elbo_convergence(make_optimisation(losses), 0.1)
    assert check.status == "fail"
    assert check.value == pytest.approx(2, abs=0.1)
    assert check.message.endswith("below that of steps 1200 to 1600; run more steps")


def test_rising_loss_fails_and_needs_a_smaller_step():
    losses = np.linspace(0, 10, 2000) + np.random.default_rng(6).normal(0, 0.1, size=2000)
    check = check_elbo_convergence(make_optimisation(losses), 0.1)
    assert check.status == "fail"
    assert check.message.endswith("above that of steps 1200 to 1600; take a smaller step_size")


def test_noisy_loss_warns():
    losses = np.random.default_rng(7).normal(0, 100, size=2000)
    check = check_elbo_convergence(make_optimisation(losses), 0.1)
    assert check.status == "warn"
    assert "too noisy to judge" in check.message


def test_few_steps_warn():
    losses = np.random.default_rng(8).normal(0, 0.01, size=50)
    check = check_elbo_convergence(make_optimisation(losses), 0.1)
    assert check.status == "warn"
    assert "too few steps to judge" in check.message


def test_steps_of_a_decayed_size_do_not_count():
    sizes = np.r_[np.full(1000, 0.1), np.linspace(0.099, 0.001, 1000)]
    windows = find_averaging_windows(make_optimisation(np.zeros(2000), sizes))
    assert windows == (600, 800, 1000)


def make_optimum(log_densities, rise=0.0, gradient=0.0):
    count = len(log_densities)
    return xr.Dataset(
        {
            "log_density": ("start", log_densities),
            "rise": ("start", np.full(count, rise)),
            "gradient": ("start", np.full(count, gradient)),
        }
    )


def test_value_is_the_number_of_restarts_at_the_best_point():
    check = check_optimum(make_optimum([-1.0, -1.005, -3.0, np.nan]), {"warn": 2})
    assert (check.value, check.status) == (2, "pass")
    assert check.message == "2 of 4 restarts reached the best log density, -1.000"


def test_single_restart_at_the_best_point_warns_with_a_remedy():
    check = check_optimum(make_optimum([-1.0, -2.0, -np.inf]), {"warn": 2})
    assert (check.value, check.status) == (1, "warn")
    assert check.message.endswith("; try more restarts")


@pytest.mark.parametrize(
    ("rise", "gradient", "reason"),
    [
        (0.5, 0.0, "it may still rise (by about 0.5 nats; gradient 0); run more steps"),
        (0.0, 0.3, "it may still rise (by about 0 nats; gradient 0.3); run more steps"),
        (0.0, np.nan, "its gradient is not finite; try other initial values"),
    ],
)
def test_optimum_that_has_not_converged_fails(rise, gradient, reason):
    check = check_optimum(make_optimum([-1.0, -1.0], rise, gradient), {"warn": 2})
    assert check.status == "fail"
    assert check.message.endswith(f"-1.000, but {reason}")


def make_evidence(error, runs):
    return xr.Dataset({"ln_z": -3.5, "ln_z_error": error, "ln_z_of_run": ("run", runs)})


def test_evidence_of_several_runs_states_their_range():
    check = check_evidence(make_evidence(0.1, [-3.6, -3.4]), {"warn": 0.2})
    assert (check.value, check.status) == (0.1, "pass")
    assert check.message == "ln Z = -3.500 +- 0.100; 2 runs from -3.600 to -3.400"


def test_uncertain_evidence_warns_with_a_remedy():
    check = check_evidence(make_evidence(0.3, [-3.5]), {"warn": 0.2})
    assert check.status == "warn"
    assert check.message.endswith("; take more live_points")


@pytest.mark.parametrize(
    "check", [check_pareto_k, check_elbo_convergence, check_evidence, check_optimum]
)
def test_checks_do_not_apply_to_other_methods(check):
    assert check(xr.Dataset(), 0.1).status == "n/a"


def make_weights(log_weights):
    return xr.Dataset({"log_weight": (("chain", "draw"), np.atleast_2d(log_weights))})


def test_nearly_constant_weights_pass_whatever_their_k_hat():
    """The tail of the weights is that of a Cauchy distribution, but it is tiny."""
    log_weights = 1e-5 * np.abs(np.random.default_rng(1).standard_cauchy(4000))
    check = check_pareto_k(make_weights(log_weights), {"warn": 0.5, "fail": 0.7})
    assert check.value > 0.7
    assert check.status == "pass"
    assert check.message.endswith("worth 4000 of 4000 draws: the weights are nearly constant")


def test_bad_weights_fail_and_the_sentence_has_both_numbers():
    log_weights = 2 * np.random.default_rng(1).exponential(size=4000)
    check = check_pareto_k(make_weights(log_weights), {"warn": 0.5, "fail": 0.7})
    assert check.status == "fail"
    assert f"{check.value:.2f}; by their importance weights they are worth " in check.message


def test_few_draws_lower_the_threshold_of_usable_weights():
    log_weights = np.random.default_rng(1).normal(size=400)
    assert check_pareto_k(make_weights(log_weights), 0.7).threshold == pytest.approx(
        0.616, abs=1e-3
    )
    assert check_pareto_k(make_weights(np.tile(log_weights, 10)), 0.7).threshold == 0.7
    assert check_pareto_k(make_weights(log_weights), 0.9).threshold == 0.9
