"""Rules that end a run before it has all draws."""

import numpy as np
import pytest

from posterity.inference.records import DrawBuffer
from posterity.inference.stopping import (
    FIRST_GOAL_CHECK,
    compute_max_draws,
    make_goal_rule,
    select_goals,
)


def make_buffer(draws: np.ndarray) -> DrawBuffer:
    """Return a buffer with one monitored site of these draws, shape (chain, draw, ...)."""
    buffer = DrawBuffer({}, ("x",), 100)
    buffer.add({"x": draws}, draws.shape[1])
    return buffer


@pytest.mark.parametrize(
    ("stop_when", "draws"),
    [
        ({}, 1000),
        ({"minutes": 3}, 1000),
        ({"ess": 400}, 20_000),
        ({"rhat": 1.01}, 20_000),
        ({"ess": 400, "draws": 70}, 70),
    ],
)
def test_goals_allow_more_draws(stop_when, draws):
    assert compute_max_draws({"draws": 1000, "stop_when": stop_when}) == draws


def test_limits_other_than_goals_make_no_rule():
    assert select_goals({"minutes": 3, "draws": 10, "ess": 5}) == {"ess": 5}
    assert make_goal_rule({}) is None


def test_checks_of_the_goals_grow_geometrically():
    rule = make_goal_rule({"ess": 400, "rhat": 1.01})
    assert rule.name == "ess and rhat"
    checks = [rule.next_check(0)]
    while len(checks) < 4:
        checks.append(rule.next_check(checks[-1]))
    assert checks == [FIRST_GOAL_CHECK, 125, 156, 195]
    assert rule.next_check(130) == 156


def test_goals_are_reached_by_independent_draws():
    draws = np.random.default_rng(0).normal(size=(4, 500, 3))
    assert make_goal_rule({"ess": 400, "rhat": 1.02}).is_reached(make_buffer(draws))
    assert not make_goal_rule({"ess": 1e6}).is_reached(make_buffer(draws))


def test_single_chain_is_judged_by_its_halves():
    draws = np.random.default_rng(0).normal(size=(1, 1000))
    rule = make_goal_rule({"rhat": 1.05})
    assert rule.is_reached(make_buffer(draws))
    draws[:, 500:] += 10
    assert not rule.is_reached(make_buffer(draws))


def test_scalars_that_do_not_vary_are_left_out():
    draws = np.random.default_rng(0).normal(size=(4, 500, 2))
    draws[:, :, 1] = 3
    rule = make_goal_rule({"ess": 400})
    assert rule.is_reached(make_buffer(draws))
    assert not rule.is_reached(make_buffer(np.ones((4, 500))))


def test_goals_are_not_reached_by_draws_that_are_not_finite():
    draws = np.random.default_rng(0).normal(size=(4, 500))
    draws[0, 0] = np.nan
    assert not make_goal_rule({"ess": 1}).is_reached(make_buffer(draws))
