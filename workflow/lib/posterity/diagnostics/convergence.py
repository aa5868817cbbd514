"""Checks of a sampler's draws: convergence, number of effective draws, and geometry."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from posterity.diagnostics.check import (
    Check,
    Threshold,
    describe_extreme,
    downgrade_pass,
    judge_value,
    skip_check,
)
from posterity.stats.summary import compute_bfmi


class Criterion(NamedTuple):
    """A statistic of each scalar, whose worst value over all scalars a check judges."""

    name: str
    quantity: str
    lower_is_better: bool
    decimals: int


CRITERIA = (
    Criterion("rhat", "largest R-hat", True, 4),
    Criterion("ess_bulk", "smallest bulk ESS", False, 0),
    Criterion("ess_tail", "smallest tail ESS", False, 0),
    Criterion("mcse", "largest Monte Carlo error of a mean (in units of its sd)", True, 4),
)


def check_convergence(
    summary: xr.Dataset,
    chains: int,
    thresholds: Mapping[str, Any],
    latent: Collection[str] = frozenset(),
) -> list[Check]:
    """
    Check R-hat, effective sample sizes and Monte Carlo errors of all scalars.

    A scalar that never changes does not count (a Cholesky factor has some). But if a whole site in
    `latent` never changes, the chains are stuck and the checks fail. They also fail if draws are
    not finite.

    Parameters
    ----------
    summary : xarray.Dataset
        The summary of `summarise_draws`, over `parameter`.
    chains : int
        The number of chains; 0 for independent draws, which have no R-hat.
    thresholds : dict
        The thresholds, by check.
    latent : set of str
        Names of latent sites whose value cannot be certain.

    Returns
    -------
    list of Check
        The checks rhat, ess_bulk, ess_tail and mcse.
    """
    judged = _select_judged_scalars(summary, latent)
    if not judged.sizes["parameter"]:
        reason = "no parameter changes over the draws"
        return [skip_check(criterion.name, reason) for criterion in CRITERIA]
    is_valid = (judged["sd"] > 0) & np.isfinite(judged["sd"])
    columns = {
        "rhat": judged["r_hat"],
        "ess_bulk": judged["ess_bulk"],
        "ess_tail": judged["ess_tail"],
        "mcse": judged["mcse"] / judged["sd"],
    }
    labels = judged["parameter"].values
    checks = [
        _judge_worst(criterion, columns[criterion.name].where(is_valid).values, labels, thresholds)
        for criterion in CRITERIA
    ]
    return [_limit_rhat(checks[0], chains), *checks[1:]]


def _select_judged_scalars(summary: xr.Dataset, latent: Collection[str]) -> xr.Dataset:
    """Return the scalars that change, and those of latent sites that never change at all."""
    sites = np.array([str(label).partition("[")[0] for label in summary["parameter"].values])
    is_constant = summary["sd"].values == 0
    stuck_sites = [site for site in latent if is_constant[sites == site].all()]
    is_stuck = np.isin(sites, stuck_sites)
    return summary.isel(parameter=np.flatnonzero(~is_constant | is_stuck))


def _judge_worst(
    criterion: Criterion,
    values: NDArray[np.float64],
    labels: NDArray[Any],
    thresholds: Mapping[str, Any],
) -> Check:
    """Judge the worst value of all scalars; an unknown value is the worst."""
    if criterion.lower_is_better:
        values = np.where(np.isnan(values), np.inf, values)
        worst = int(values.argmax())
    else:
        values = np.where(np.isnan(values), -np.inf, values)
        worst = int(values.argmin())
    number = f"{values[worst]:.{criterion.decimals}f}"
    return judge_value(
        criterion.name,
        values[worst],
        thresholds[criterion.name],
        describe_extreme(criterion.quantity, number, labels[worst], len(values)),
        lower_is_better=criterion.lower_is_better,
    )


def _limit_rhat(check: Check, chains: int) -> Check:
    """Return R-hat as far as the number of chains allows to judge it."""
    if chains == 0:
        return skip_check("rhat", "the draws are independent: there are no chains to compare")
    if chains > 1:
        return check
    note = "between parts of one chain; run several chains to be sure"
    return downgrade_pass(replace(check, message=f"{check.message}, {note}"))


def check_sampler(
    statistics: xr.Dataset, settings: Mapping[str, Any], thresholds: Mapping[str, Any]
) -> list[Check]:
    """
    Check divergences, energy, tree depth and acceptance rate, as far as the sampler has them.

    Parameters
    ----------
    statistics : xarray.Dataset
        The group `sample_stats`, over chain and draw.
    settings : dict
        The settings of the fit.
    thresholds : dict
        The thresholds, by check.

    Returns
    -------
    list of Check
        The checks divergences, e_bfmi, tree_depth and acceptance_rate.
    """
    return [
        check_divergences(statistics, thresholds["divergences"]),
        check_energy(statistics, thresholds["e_bfmi"]),
        check_tree_depth(statistics, settings, thresholds["tree_depth"]),
        check_acceptance_rate(statistics, thresholds["acceptance_rate"]),
    ]


def check_divergences(statistics: xr.Dataset, threshold: Threshold) -> Check:
    """Check the number of divergent transitions."""
    if "diverging" not in statistics:
        return skip_check("divergences", "the method has no divergences")
    count = int(statistics["diverging"].sum())
    message = f"{count} of {statistics['diverging'].size} draws diverged"
    remedy = "raise target_accept, or reparametrise"
    return judge_value("divergences", count, threshold, message, remedy=remedy)


def check_energy(statistics: xr.Dataset, threshold: Threshold) -> Check:
    """Check the smallest energy fraction of missing information (E-BFMI) of the chains."""
    if "energy" not in statistics:
        return skip_check("e_bfmi", "the method has no energy")
    bfmi = compute_bfmi(statistics["energy"].transpose("chain", "draw").values)
    return _judge_worst_chain("e_bfmi", "smallest E-BFMI", bfmi, threshold)


def check_tree_depth(
    statistics: xr.Dataset, settings: Mapping[str, Any], threshold: Threshold
) -> Check:
    """Check the share of draws whose trajectory has the largest allowed length."""
    if "tree_depth" not in statistics or "max_tree_depth" not in settings:
        return skip_check("tree_depth", "the method has no trees")
    depth = settings["max_tree_depth"]
    share = float((statistics["n_steps"] >= 2**depth - 1).mean())
    message = f"{share:.1%} of the draws reached the largest tree depth, {depth}"
    return judge_value("tree_depth", share, threshold, message)


def check_acceptance_rate(statistics: xr.Dataset, threshold: Threshold) -> Check:
    """Check the smallest mean acceptance rate of the chains of a sampler without an energy."""
    if "acceptance_rate" not in statistics or "energy" in statistics:
        return skip_check("acceptance_rate", "the method does not accept or reject proposals")
    rates = statistics["acceptance_rate"].transpose("chain", "draw").values.mean(1)
    return _judge_worst_chain("acceptance_rate", "smallest mean acceptance", rates, threshold)


def _judge_worst_chain(
    name: str, quantity: str, values: NDArray[np.float64], threshold: Threshold
) -> Check:
    """Judge the smallest value of all chains."""
    worst = int(values.argmin())
    label = f"chain {worst}"
    message = describe_extreme(quantity, f"{values[worst]:.2f}", label, len(values), "chains")
    return judge_value(name, values[worst], threshold, message, lower_is_better=False)
