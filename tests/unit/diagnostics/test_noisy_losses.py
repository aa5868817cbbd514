"""The checks of losses and optima on simulated optimisations."""

import numpy as np
import pytest
import xarray as xr

from posterity.diagnostics.approximation import check_elbo_convergence, check_optimum

STEPS = 5000


@pytest.fixture(scope="module")
def flat_losses():
    """Converged losses with noise, shape (200, step)."""
    rng = np.random.default_rng(3)
    return np.stack([10 + rng.normal(0, 0.5, STEPS) for _ in range(200)])


def check_loss(loss):
    sizes = np.full(STEPS, 0.1)
    return check_elbo_convergence(
        xr.Dataset({"loss": ("step", loss), "step_size": ("step", sizes)}), 0.1
    )


def test_noise_of_a_converged_loss_passes(flat_losses):
    assert {check_loss(loss).status for loss in flat_losses} == {"pass"}


def test_a_falling_loss_fails(flat_losses):
    assert check_loss(flat_losses[0] - np.linspace(0, 5, STEPS)).status == "fail"


def test_a_rising_loss_fails_with_a_remedy(flat_losses):
    check = check_loss(flat_losses[0] + np.linspace(0, 5, STEPS))
    assert check.status == "fail"
    assert "smaller step_size" in check.message


def test_a_loss_that_is_not_finite_fails(flat_losses):
    broken = np.where(np.arange(STEPS) > 3000, np.nan, flat_losses[0])
    assert check_loss(broken).status == "fail"


@pytest.mark.parametrize(
    ("rise", "other", "status"), [(2.0, -5.0, "fail"), (1e-9, -5.0, "warn"), (1e-9, -3.001, "pass")]
)
def test_an_optimum_needs_a_small_rise_and_several_starts(rise, other, status):
    optimisation = xr.Dataset(
        {
            "log_density": ("start", [other, -3.0]),
            "rise": ("start", [0.0, rise]),
            "gradient": ("start", [0.0, 0.0]),
            "steps": ("start", [3, 9]),
        }
    )
    assert check_optimum(optimisation, {"warn": 2}).status == status
