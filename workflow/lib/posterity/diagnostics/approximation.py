"""Checks of methods that optimise: has the optimiser come to rest, and is the approximation good enough to be used?"""

import numpy as np
import xarray as xr

from posterity.diagnostics.check import Check, judge_value, skip_check
from posterity.stats.importance import compute_pareto_k
from posterity.stats.losses import compute_decrease, find_last_fifths

MAX_LOG_DENSITY_GAP = (
    0.01  # nats: starts that reach the best log density within this have found the same maximum
)


MAX_EXPECTED_RISE = 1e-3  # nats that the log density of a maximum may still be expected to rise
MAX_GRADIENT = 0.01  # largest component of the gradient of a maximum, in unconstrained space


def check_pareto_k(statistics: xr.Dataset, limit: float | dict) -> Check:
    """
    Check the Pareto k-hat of importance weights from the approximation to the posterior.

    Below 0.5 the approximation is close, below 0.7 usable with the weights, above it is not to be trusted (Yao, Vehtari, Simpson &
    Gelman 2018, PMLR 80, 5581; Vehtari et al. 2024, JMLR 25, 72). It sees what the draws see: a mode without a draw stays unseen.
    """
    if "log_weight" in statistics:
        weights = statistics["log_weight"]
    elif "log_q" in statistics:
        weights = statistics["log_p"] - statistics["log_q"]
    else:
        return skip_check("khat", "the method makes no approximation that could be weighted")
    value = compute_pareto_k(weights.values.ravel())
    remedy = (
        "" if value < 0.5 else "; take a richer guide, more steps or particles, or another start"
    )
    return judge_value(
        "khat", value, limit, f"Pareto k-hat of the guide's draws: {value:.2f}{remedy}"
    )


def check_elbo_convergence(optimisation: xr.Dataset, limit: float | dict) -> Check:
    """
    Check that the loss of an optimisation has come to rest.

    Only steps of the whole size are looked at: when the size decays, the loss comes down by the noise of the steps, and small steps
    look like rest. The value is by how much the mean loss of their last fifth differs from that of the fifth before, in nats. What
    is within three Monte Carlo errors (of block means) does not count, and where these errors are above a nat the check warns.
    """
    if "loss" not in optimisation:
        return skip_check("elbo_convergence", "the method has no loss")
    first, second, end = find_averaging_windows(optimisation)
    fall, error, after = compute_decrease(optimisation["loss"].values[:end])
    message = (
        f"mean loss of steps {second} to {end}: {after:.3f}, {abs(fall):.3f} +- {error:.3f} nats"
    )
    message += f" {'below' if fall > 0 else 'above'} that of steps {first} to {second}"
    moved = 0.0 if abs(fall) < 3 * error else abs(fall)
    remedy = "" if moved == 0 else "; run more steps" if fall > 0 else "; take a smaller step_size"
    found = judge_value("elbo_convergence", moved, limit, message + remedy)
    if found.status == "pass" and 3 * error > 1:
        few = (
            "; too few steps to say: run more"
            if np.isinf(error)
            else ": too noisy to say; take a smaller step_size, or more particles"
        )
        return Check(**vars(found) | {"status": "warn", "message": message + few})
    return found


def find_averaging_windows(optimisation: xr.Dataset) -> tuple[int, int, int]:
    """Find where the fourth and the last fifth of the steps of the whole size begin, and where these steps end."""
    sizes = optimisation["step_size"].values
    end = int((sizes > 0.999 * sizes[0]).sum())
    return *find_last_fifths(end), end


def check_evidence(evidence: xr.Dataset, limit: float | dict) -> Check:
    """Check that the standard error of ln Z, which several runs agree on, is small enough."""
    if "ln_z" not in evidence:
        return skip_check("evidence_error", "the method gives no evidence")
    error, each = float(evidence["ln_z_error"]), evidence["ln_z_of_run"].values
    message = f"ln Z = {float(evidence['ln_z']):.3f} +- {error:.3f}"
    message += (
        f"; {len(each)} runs from {each.min():.3f} to {each.max():.3f}"
        if len(each) > 1
        else "; one run: several say more"
    )
    return judge_value(
        "evidence_error", error, limit, message + ("; take more live points" if error > 0.2 else "")
    )


def check_optimum(optimisation: xr.Dataset, limit: float | dict) -> Check:
    """
    Check that the best point is a maximum that more than one start has found.

    The value is the number of starts that came within 0.01 nats of it. Fails where the best start has not come to rest.
    """
    if "log_density" not in optimisation:
        return skip_check("optimum_restarts", "the method seeks no maximum")
    reached = optimisation["log_density"].values
    best = int(np.nanargmax(np.where(np.isfinite(reached), reached, -np.inf)))
    rise, slope = (float(optimisation[name].values[best]) for name in ("rise", "gradient"))
    same = int((reached >= reached[best] - MAX_LOG_DENSITY_GAP).sum())
    message = f"{same} of {len(reached)} starts reached the best log density, {reached[best]:.3f}"
    if not (rise < MAX_EXPECTED_RISE and slope < MAX_GRADIENT):
        why = f"it may still rise (by about {max(rise, 0):.1g} nats; gradient {slope:.1g}); run more steps"
        why = why if np.isfinite(slope) else "its gradient is not finite; try other starts"
        return Check("optimum_restarts", 0.0, np.nan, "fail", f"{message}, but {why}")
    return judge_value(
        "optimum_restarts",
        same,
        limit,
        message + ("; try more starts" if same < 2 else ""),
        above=False,
    )
