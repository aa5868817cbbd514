"""Checks of a sampler's draws: convergence, number of effective draws, and geometry."""

from collections.abc import Collection, Mapping, Sequence
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
from posterity.diagnostics.divergences import check_divergences
from posterity.stats.rhat import compute_ess_scale, compute_rhat_limit
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
RHAT_REMEDY = "run more warmup and draws, start at init: median, or reparametrise"
ESS_REMEDY = "take more draws, set dense_mass: true if scalars are correlated, or reparametrise"
LOG_DENSITY = "log density"
ENERGY_REMEDY = "reparametrise; heavy tails are the usual cause"


class Statistic(NamedTuple):
    """A statistic by scalar, and the names of the scalars."""

    values: NDArray[np.float64]
    labels: NDArray[Any]


def check_convergence(
    summary: xr.Dataset,
    chains: int,
    thresholds: Mapping[str, Any],
    latent: Collection[str] = frozenset(),
    log_density: xr.Dataset | None = None,
    draws: int | None = None,
    ess_remedy: str = ESS_REMEDY,
) -> list[Check]:
    """
    Check R-hat, effective sample sizes and Monte Carlo errors of all scalars.

    A scalar that never changes does not count (a Cholesky factor has some). But if a whole site in
    `latent` never changes, the chains are stuck and the checks fail. They also fail if draws are
    not finite. R-hat may exceed its threshold as far as chance allows (see `compute_rhat_limit`).
    The thresholds of effective sizes are those of four chains: for more chains (but at most 16)
    they grow in proportion, so that 400 is 100 per chain (Vehtari et al. 2021, Bayesian Analysis
    16, 667, section 4).

    Parameters
    ----------
    summary : xarray.Dataset
        The summary of `summarise_fit`, over `parameter`.
    chains : int
        The number of chains; 0 for independent draws, which have no R-hat.
    thresholds : dict
        The thresholds, by check.
    latent : set of str
        Names of latent sites whose value cannot be certain.
    log_density : xarray.Dataset, optional
        The summary of the log density, which R-hat and effective sizes judge, too.
    draws : int, optional
        Number of draws of all chains. Without it, R-hat may not exceed its threshold.
    ess_remedy : str
        What to do if an effective size is too small.

    Returns
    -------
    list of Check
        The checks rhat, ess_bulk, ess_tail and mcse. Only the first that fails has a remedy: the
        others mostly fail for the same reason.
    """
    judged = _select_judged_scalars(summary, latent)
    if not judged.sizes["parameter"]:
        reason = "no parameter changes over the draws"
        return [skip_check(criterion.name, reason) for criterion in CRITERIA]
    mcse = _collect((judged["mcse"] / judged["sd"]).rename("mcse"), judged)
    if log_density is not None and (log_density["sd"] != 0).all():
        shared = [name for name in judged.data_vars if name in log_density and name != "interval"]
        judged = xr.concat([judged[shared], log_density[shared]], "parameter")
    ess_levels = _scale_ess_levels(thresholds, chains)
    r_hat = _judge_rhat(judged, chains, draws, thresholds["rhat"])
    checks = [r_hat]
    for criterion in CRITERIA[1:3]:
        statistic = _collect(judged[criterion.name], judged)
        checks.append(_judge_worst(criterion, statistic, ess_levels[criterion.name]))
    checks.append(_judge_worst(CRITERIA[3], mcse, thresholds["mcse"]))
    return _add_remedy(checks, ess_remedy)


def _collect(values: xr.DataArray, summary: xr.Dataset) -> Statistic:
    """Return a statistic of all scalars; NaN for those that never change or are not finite."""
    is_valid = (summary["sd"] > 0) & np.isfinite(summary["sd"])
    return Statistic(values.where(is_valid).values, summary["parameter"].values)


def _scale_ess_levels(thresholds: Mapping[str, Any], chains: int) -> dict[str, Threshold]:
    """Return the thresholds of effective sizes for the number of chains."""
    scale = compute_ess_scale(chains)
    levels: dict[str, Threshold] = {}
    for name in ("ess_bulk", "ess_tail"):
        level = thresholds[name]
        is_pair = isinstance(level, dict)
        scaled = {key: scale * value for key, value in level.items()} if is_pair else scale * level
        levels[name] = scaled
    return levels


def _judge_rhat(summary: xr.Dataset, chains: int, draws: int | None, threshold: Threshold) -> Check:
    """Judge the largest R-hat among those that exceed what chance allows, or among all."""
    if chains == 0:
        return skip_check("rhat", "the draws are independent: there are no chains to compare")
    statistic = _collect(summary["r_hat"], summary)
    limits = np.ones(len(statistic.values))
    if draws is not None:
        pooled = np.minimum(summary["ess_bulk"].values, summary["ess_tail"].values)
        within = summary["ess_within"].values
        ess = np.where(np.isnan(within), pooled, within)
        limits = compute_rhat_limit(ess, draws, chains, len(statistic.values))
    values = np.where(np.isnan(statistic.values), np.inf, statistic.values)
    is_excessive = values > limits
    candidates = np.where(is_excessive, values, -np.inf) if is_excessive.any() else values
    limit = float(limits[int(candidates.argmax())])
    levels = threshold if isinstance(threshold, dict) else {"fail": threshold}
    levels = {name: max(level, limit) for name, level in levels.items()}
    check = _judge_worst(CRITERIA[0], statistic._replace(values=candidates), levels)
    if chains > 1:
        return check
    note = "between parts of one chain; run several chains to be sure"
    return downgrade_pass(replace(check, message=f"{check.message}, {note}"))


def _select_judged_scalars(summary: xr.Dataset, latent: Collection[str]) -> xr.Dataset:
    """Return the scalars that change, and those of latent sites that never change at all."""
    sites = np.array([str(label).partition("[")[0] for label in summary["parameter"].values])
    is_constant = summary["sd"].values == 0
    stuck_sites = [site for site in latent if is_constant[sites == site].all()]
    is_stuck = np.isin(sites, stuck_sites)
    return summary.isel(parameter=np.flatnonzero(~is_constant | is_stuck))


def _judge_worst(criterion: Criterion, statistic: Statistic, threshold: Threshold) -> Check:
    """Judge the worst value of all scalars; an unknown value is the worst."""
    unknown = np.inf if criterion.lower_is_better else -np.inf
    values = np.where(np.isnan(statistic.values), unknown, statistic.values)
    worst = int(values.argmax() if criterion.lower_is_better else values.argmin())
    label = statistic.labels[worst]
    if np.isfinite(values[worst]):
        number = f"{values[worst]:.{criterion.decimals}f}"
        message = describe_extreme(criterion.quantity, number, label, len(values))
    else:
        message = f"{criterion.quantity}: draws of {label} never change, or are not finite"
    return judge_value(
        criterion.name,
        values[worst],
        threshold,
        message,
        lower_is_better=criterion.lower_is_better,
    )


def _add_remedy(checks: Sequence[Check], ess_remedy: str) -> list[Check]:
    """Return the checks with a remedy for the first that fails or warns."""
    bad = [check.status in ("warn", "fail") for check in checks]
    if not any(bad):
        return list(checks)
    first = bad.index(True)
    check = checks[first]
    if check.name == "rhat" and check.status == "warn" and any(bad[1:]):
        first = bad.index(True, 1)  # one chain explains no failure
        check = checks[first]
    remedy = RHAT_REMEDY if check.name == "rhat" else ess_remedy
    repaired = replace(check, message=f"{check.message}; {remedy}")
    return [*checks[:first], repaired, *checks[first + 1 :]]


def check_sampler(
    statistics: xr.Dataset,
    settings: Mapping[str, Any],
    thresholds: Mapping[str, Any],
    mixing: Sequence[Check] = (),
    draws: xr.Dataset | None = None,
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
    mixing : sequence of Check
        The checks of `check_convergence`, which decide how much divergences count.
    draws : xarray.Dataset, optional
        Draws by site, in which divergent ones are located.

    Returns
    -------
    list of Check
        The checks divergences, e_bfmi, tree_depth and acceptance_rate.
    """
    return [
        check_divergences(statistics, thresholds["divergences"], settings, mixing, draws),
        check_energy(statistics, thresholds["e_bfmi"]),
        check_tree_depth(statistics, settings, thresholds["tree_depth"]),
        check_acceptance_rate(statistics, thresholds["acceptance_rate"]),
    ]


def check_energy(statistics: xr.Dataset, threshold: Threshold) -> Check:
    """Check the smallest energy fraction of missing information (E-BFMI) of the chains."""
    if "energy" not in statistics:
        return skip_check("e_bfmi", "the method has no energy")
    bfmi = compute_bfmi(statistics["energy"].transpose("chain", "draw").values)
    return _judge_worst_chain("e_bfmi", "smallest E-BFMI", bfmi, threshold, ENERGY_REMEDY)


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
    name: str,
    quantity: str,
    values: NDArray[np.float64],
    threshold: Threshold,
    remedy: str = "",
) -> Check:
    """Judge the smallest value of all chains; an unknown value is the smallest."""
    values = np.where(np.isnan(values), -np.inf, values)
    worst = int(values.argmin())
    label = f"chain {worst}"
    message = describe_extreme(quantity, f"{values[worst]:.2f}", label, len(values), "chains")
    if not np.isfinite(values[worst]):
        message = f"{quantity}: not defined in {label}, which never moves or is not finite"
    return judge_value(
        name, values[worst], threshold, message, lower_is_better=False, remedy=remedy
    )
