import numpy as np
import pytest

from posterity.stats.losses import compute_decrease, find_last_fifths, has_converged


@pytest.mark.parametrize(("steps", "fifths"), [(1000, (600, 800)), (10, (6, 8)), (0, (0, 0))])
def test_last_fifths_begin_at_their_share_of_the_steps(steps, fifths):
    assert find_last_fifths(steps) == fifths


def test_decrease_is_the_difference_of_the_last_fifths():
    losses = np.repeat([5.0, 4.0, 3.0, 2.0, 1.5], 200)
    change = compute_decrease(losses)
    assert change == (0.5, 0.0, 1.5)


def test_error_covers_the_difference_of_noise():
    rng = np.random.default_rng(1)
    changes = [compute_decrease(rng.normal(size=1000)) for _ in range(200)]
    z = np.array([change.decrease / change.error for change in changes])
    assert abs(z.mean()) < 4 / np.sqrt(200)
    assert 0.8 < z.std() < 1.3


def test_error_of_few_steps_is_infinite():
    assert compute_decrease(np.zeros(150)).error == np.inf
    assert compute_decrease(np.zeros(200)).error == 0


def test_no_steps_have_no_mean():
    change = compute_decrease(np.zeros(0))
    assert np.isnan(change.last_mean)
    assert change.error == np.inf


def test_loss_converges_if_change_and_noise_are_small():
    rng = np.random.default_rng(2)
    assert has_converged(rng.normal(0, 0.01, size=1000), 0.01)
    assert not has_converged(rng.normal(0, 1, size=1000), 0.01)
    assert not has_converged(np.linspace(1, 0, 1000), 0.01)
    assert not has_converged(np.zeros(100), 0.01)
