"""Checks of what a model predicts: prior draws inside bounds, and data like the posterior's predictions."""

from dataclasses import replace

import numpy as np
import xarray as xr

from posterity.artefact.groups import get_group
from posterity.diagnostics.check import Check, judge_value, skip_check
from posterity.errors import UserError, hint


def check_prior_bounds(
    predicted: dict[str, np.ndarray], bounds: dict[str, list], known: set[str], limits: float | dict
) -> Check:
    """
    Check that prior predictive draws lie inside the bounds that the study declares, by observed variable.

    The value is the smallest share inside; a draw that is not finite lies outside. `known` are the other names that bounds may have
    (variables that another model observes). Raises UserError for a name that is nothing, which would switch the check off.
    """
    for name in bounds:
        if name not in predicted and name not in known:
            raise UserError(
                f"checks: prior_predictive: there is no observed variable '{name}': {hint(name, predicted)}"
            )
    shares = {}
    for name, (low, high) in bounds.items():
        if name in predicted:
            with np.errstate(invalid="ignore"):
                shares[name] = float(((predicted[name] >= low) & (predicted[name] <= high)).mean())
    if not shares:
        return skip_check(
            "prior_predictive",
            "the study declares no bounds for these variables (`checks: prior_predictive`)",
        )
    worst = min(shares, key=shares.get)
    low, high = bounds[worst]
    message = (
        f"{shares[worst]:.1%} of the prior predictive draws of {worst} lie in [{low:g}, {high:g}]"
    )
    return judge_value("prior_predictive", shares[worst], limits, message, above=False)


def check_test_statistics(
    replicated: dict[str, np.ndarray],
    observed: dict[str, np.ndarray],
    names: tuple[str, ...],
    limits: float | dict,
) -> Check:
    """
    Check test statistics of the data against those of posterior predictions.

    `replicated` and `observed` have shape (draws, statistic) by observed site. Each statistic has a two-sided p-value, with ties
    counted half (Gelman, Meng & Stern 1996, Statistica Sinica 6, 733); the smallest is multiplied by the number of statistics
    (Bonferroni), so that the level holds for all together. A statistic that is the same in all predictions and in the data says
    nothing and has p = 1. Posterior predictive p-values are conservative: a right model fails less often than the level says.
    """
    p_values = {site: compute_two_sided_p(replicated[site], observed[site]) for site in replicated}
    if not p_values:
        return skip_check("ppc", "the model has no observed site")
    count = sum(len(p) for p in p_values.values())
    site = min(p_values, key=lambda name: p_values[name].min())
    spread = np.maximum(replicated[site].std(0), np.finfo(float).tiny)
    far = np.abs(np.median(observed[site], 0) - replicated[site].mean(0)) / spread
    at = int(
        np.lexsort((-far, p_values[site]))[0]
    )  # of the least likely ones the one that is farthest out
    value = min(1.0, count * float(p_values[site][at]))
    side = (
        "larger"
        if np.median(observed[site][:, at]) > np.median(replicated[site][:, at])
        else "smaller"
    )
    message = f"least likely of {count} statistics: the {names[at]} of {site}, {side} than predicted; corrected p = {value:.2g}"
    found = judge_value("ppc", value, limits, message, above=False)
    if found.status == "pass" and p_values[site][at] < 2 / (len(replicated[site]) + 1):
        return replace(
            found,
            status="warn",
            message=f"{message}; beyond all predictions, which are too few to say more",
        )
    return found


def compute_two_sided_p(replicated: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Two-sided predictive p-values over the leading axis, ties counted half; never 0: one more draw is counted on each side."""
    draws = len(replicated)
    close = np.isclose(replicated, observed, rtol=1e-9, atol=0)
    above = ((replicated > observed) & ~close).sum(0) + 0.5 * close.sum(0)
    upper = (above + 0.5) / (draws + 1)
    return 2 * np.minimum(upper, 1 - upper)


def check_prior_predictive(before: xr.DataTree, known: set[str], limits: dict) -> Check:
    """Check the prior predictive draws against the bounds of the study; `known` are the variables of the data."""
    if before.attrs["improper"]:
        return skip_check(
            "prior_predictive",
            f"the prior of {before.attrs['improper']} is improper: it predicts nothing",
        )
    names = {
        site: values.attrs.get("variable", site)
        for site, values in get_group(before, "observed_data").items()
    }
    expected = {
        names[site]: values.values for site, values in get_group(before, "prior_predictive").items()
    }
    bounds = {
        names.get(name, name): limit for name, limit in limits.get("prior_predictive", {}).items()
    }
    return check_prior_bounds(expected, bounds, known, limits["prior_coverage"])


def check_posterior_predictive(statistics: xr.Dataset, limit: float | dict) -> Check:
    """Check the test statistics of the data against those of predictions."""
    sites = [
        str(name).removesuffix("_replicated")
        for name in statistics.data_vars
        if str(name).endswith("_replicated")
    ]
    names = tuple(statistics["statistic"].values) if sites else ()
    replicated, observed = (
        {site: statistics[f"{site}_{kind}"].values.reshape(-1, len(names)) for site in sites}
        for kind in ("replicated", "observed")
    )
    return check_test_statistics(replicated, observed, names, limit)
