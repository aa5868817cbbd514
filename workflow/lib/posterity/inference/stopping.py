"""Rules that end a run before it has all draws."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from posterity.inference.records import DrawBuffer

FIRST_GOAL_CHECK = 100  # draws at which the goals of `stop_when` are checked first
GOAL_CHECK_GROWTH = 1.25  # times the draws of the last check: the draws alone decide, not the clock
GOAL_DRAWS_FACTOR = 20  # times the draws of a fit that it has at most if it has a goal
CONVERGENCE_GOALS = ("ess", "rhat")


@dataclass(frozen=True)
class StoppingRule:
    """
    A rule that ends a run.

    Attributes
    ----------
    name : str
        Why the run stopped, for the artefact.
    next_check : Callable
        `next_check(draws)` returns the number of draws at which the rule is checked next.
    is_reached : Callable
        `is_reached(records)` returns whether the run ends.
    """

    name: str
    next_check: Callable[[int], int]
    is_reached: Callable[[DrawBuffer], bool]


def select_goals(stop_when: dict) -> dict:
    """Return the convergence goals among the limits of a run."""
    return {name: stop_when[name] for name in CONVERGENCE_GOALS if name in stop_when}


def compute_max_draws(settings: dict) -> int:
    """
    Return the largest number of draws per chain of a fit.

    It is that of `stop_when`, or else the fit's own, times GOAL_DRAWS_FACTOR if there is a goal.
    """
    stop_when = settings["stop_when"]
    factor = GOAL_DRAWS_FACTOR if select_goals(stop_when) else 1
    return stop_when.get("draws", settings["draws"] * factor)


def make_goal_rule(goals: dict) -> StoppingRule | None:
    """Return the rule that ends a run at its goals; None without goals."""
    if not goals:
        return None
    return StoppingRule(
        " and ".join(goals), _next_goal_check, lambda records: _are_goals_reached(goals, records)
    )


def _next_goal_check(draws: int) -> int:
    """Return the number of draws at which the goals are checked next."""
    check = FIRST_GOAL_CHECK
    while check <= draws:
        check = int(check * GOAL_CHECK_GROWTH)
    return check


def _are_goals_reached(goals: dict, records: DrawBuffer) -> bool:
    """
    Return whether the monitored scalars reach the goals.

    The smallest ESS, bulk and tail, and the largest R-hat of all scalars that vary decide.
    """
    # Imported here: ArviZ takes half a second, and most fits have no goals.
    from posterity.stats.effective_size import compute_ess, compute_tail_ess
    from posterity.stats.ranks import score_ranks
    from posterity.stats.rhat import compute_rhat
    from posterity.stats.summary import TAIL_QUANTILES, split_single_chain

    draws = records.scalars()
    draws = draws[np.ptp(draws, axis=(1, 2)) > 0] if len(draws) else draws
    if not len(draws) or not np.isfinite(draws).all():
        return False
    ess = [compute_ess(score_ranks(draws).values), compute_tail_ess(draws, TAIL_QUANTILES)]
    r_hat = compute_rhat(split_single_chain(draws))
    return bool(np.min(ess) >= goals.get("ess", 0) and np.max(r_hat) <= goals.get("rhat", np.inf))
