"""Checks of methods that optimise or integrate: approximation, loss, maximum and evidence."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import xarray as xr

from posterity.diagnostics.check import (
    Check,
    Threshold,
    downgrade_pass,
    judge_value,
    skip_check,
)
from posterity.stats.importance import compute_kish_size, compute_pareto_k
from posterity.stats.losses import compute_decrease, find_last_fifths

# Restarts that come this close to the best log density have found the same maximum.
MAX_LOG_DENSITY_GAP_NATS = 0.01
# At a maximum the optimiser expects to raise the log density by less than this.
MAX_EXPECTED_RISE_NATS = 1e-3
# The largest component of the gradient at a maximum, in unconstrained space.
MAX_GRADIENT = 0.01
# A change of the mean loss within this many standard errors counts as 0.
NOISE_STANDARD_ERRORS = 3
# With a larger detection limit the loss check cannot tell whether the loss has converged.
MAX_DETECTION_LIMIT_NATS = 1.0
NEARLY_CONSTANT_SHARE = 0.95  # of the draws that importance weights are worth
LARGEST_USABLE_K = 0.7  # with any number of draws; a larger threshold is the user's decision
FULL_STEP_FRACTION = 0.999  # of the first step size: a larger step has not decayed


class AveragingWindows(NamedTuple):
    """Steps that `check_elbo_convergence` averages: [first, second) and [second, end)."""

    first: int
    second: int
    end: int


def check_pareto_k(statistics: xr.Dataset, threshold: Threshold) -> Check:
    """
    Check the Pareto k-hat of the importance weights from the approximation to the posterior.

    Below 0.5 the approximation is close (Yao, Vehtari, Simpson & Gelman 2018, PMLR 80, 5581).
    Below min(1 - 1 / log10 S, 0.7) with S draws it is usable with the weights. Above, do not trust
    it (Vehtari et al. 2024, JMLR 25, 72, section 3.2.4). If the weights are so nearly constant that
    they are worth 95 % of the draws, the check passes whatever k-hat is: the shape of a tail of
    tiny differences means nothing. The value depends on the draws alone: it does not see a mode
    that has no draw.
    """
    if "log_weight" in statistics:
        log_weights = statistics["log_weight"]
    elif "log_q" in statistics:
        log_weights = statistics["log_p"] - statistics["log_q"]
    else:
        return skip_check("khat", "the method makes no approximation with importance weights")
    values = log_weights.values.astype(float).ravel()
    k_hat = compute_pareto_k(values)
    size = compute_kish_size(values)
    check = judge_value(
        "khat",
        k_hat,
        _limit_by_draws(threshold, values.size),
        f"Pareto k-hat of the approximation's draws: {k_hat:.2f}; by their importance weights they "
        f"are worth {size:.0f} of {values.size} draws",
        remedy="take a richer guide, more steps or particles, or other initial values",
    )
    if size < NEARLY_CONSTANT_SHARE * values.size or check.status == "pass":
        return check
    first_part = check.message.rpartition("; ")[0]
    return replace(check, status="pass", message=f"{first_part}: the weights are nearly constant")


def _limit_by_draws(threshold: Threshold, draws: int) -> Threshold:
    """Return the threshold, lowered where few draws cannot use weights of so large a k-hat."""
    levels = dict(threshold) if isinstance(threshold, dict) else {"fail": threshold}
    if draws > 1 and levels.get("fail", np.inf) <= LARGEST_USABLE_K:
        levels["fail"] = min(levels["fail"], max(0.0, 1 - 1 / np.log10(draws)))
    return levels


def check_elbo_convergence(optimisation: xr.Dataset, threshold: Threshold) -> Check:
    """
    Check that the loss of an optimisation has converged.

    The value is the change of the mean loss, in nats, from the fourth to the last fifth of the
    steps. Only steps of full size count: with a decaying step size the loss falls as the noise of
    the steps shrinks, and short steps look converged. A change within three Monte Carlo errors (of
    block means) counts as 0. If three errors exceed one nat, a pass becomes a warning.
    """
    if "loss" not in optimisation:
        return skip_check("elbo_convergence", "the method has no loss")
    windows = find_averaging_windows(optimisation)
    decrease, error, last_mean = compute_decrease(optimisation["loss"].values[: windows.end])
    direction = "below" if decrease > 0 else "above"
    message = (
        f"mean loss of steps {windows.second} to {windows.end}: {last_mean:.3f}, "
        f"{abs(decrease):.3f} +- {error:.3f} nats {direction} that of steps "
        f"{windows.first} to {windows.second}"
    )
    detection_limit = NOISE_STANDARD_ERRORS * error
    change = 0.0 if abs(decrease) < detection_limit else abs(decrease)
    remedy = "run more steps" if decrease > 0 else "take a smaller step_size"
    check = judge_value("elbo_convergence", change, threshold, message, remedy=remedy)
    if detection_limit <= MAX_DETECTION_LIMIT_NATS:
        return check
    if np.isinf(error):
        return downgrade_pass(check, "too few steps to judge: run more")
    noisy = "too noisy to judge: take a smaller step_size, or more particles"
    return downgrade_pass(check, noisy)


def find_averaging_windows(optimisation: xr.Dataset) -> AveragingWindows:
    """Return where the fourth and the last fifth of the steps of full size begin and end."""
    sizes = optimisation["step_size"].values
    end = int((sizes > FULL_STEP_FRACTION * sizes[0]).sum())
    return AveragingWindows(*find_last_fifths(end), end)


def check_evidence(evidence: xr.Dataset, threshold: Threshold) -> Check:
    """Check that the standard error of ln Z, over all runs, is small enough."""
    if "ln_z" not in evidence:
        return skip_check("evidence_error", "the method does not compute the evidence")
    error = float(evidence["ln_z_error"])
    ln_z_of_run = evidence["ln_z_of_run"].values
    runs = "from one run, whose scatter is unknown"
    if len(ln_z_of_run) > 1:
        span = f"from {ln_z_of_run.min():.3f} to {ln_z_of_run.max():.3f}"
        runs = f"{len(ln_z_of_run)} runs {span}"
    message = f"ln Z = {float(evidence['ln_z']):.3f} +- {error:.3f}; {runs}"
    return judge_value("evidence_error", error, threshold, message, remedy="take more live_points")


def check_optimum(optimisation: xr.Dataset, threshold: Threshold) -> Check:
    """
    Check that the best point is a maximum and that more than one restart found it.

    The value is the number of restarts within 0.01 nats of the best log density. The check fails if
    the best restart has not converged.
    """
    if "log_density" not in optimisation:
        return skip_check("optimum_restarts", "the method does not search for a maximum")
    log_densities = optimisation["log_density"].values
    best = int(np.nanargmax(np.where(np.isfinite(log_densities), log_densities, -np.inf)))
    lowest = log_densities[best] - MAX_LOG_DENSITY_GAP_NATS
    agreeing = int((log_densities >= lowest).sum())
    message = (
        f"{agreeing} of {len(log_densities)} restarts reached the best log density, "
        f"{log_densities[best]:.3f}"
    )
    rise = float(optimisation["rise"].values[best])
    gradient = float(optimisation["gradient"].values[best])
    if not (rise < MAX_EXPECTED_RISE_NATS and gradient < MAX_GRADIENT):
        reason = _describe_unfinished_search(rise, gradient)
        return Check("optimum_restarts", 0.0, np.nan, "fail", f"{message}, but {reason}")
    return judge_value(
        "optimum_restarts",
        agreeing,
        threshold,
        message,
        lower_is_better=False,
        remedy="try more restarts",
    )


def _describe_unfinished_search(rise: float, gradient: float) -> str:
    if not np.isfinite(gradient):
        return "its gradient is not finite; try other initial values"
    margin = f"by about {max(rise, 0):.1g} nats; gradient {gradient:.1g}"
    return f"it may still rise ({margin}); run more steps"
