"""Checks of what a model predicts: prior draws within bounds, and data like the predictions."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from posterity.artefact.groups import get_group
from posterity.diagnostics.check import (
    Check,
    Threshold,
    downgrade_pass,
    judge_value,
    skip_check,
)
from posterity.errors import UserError, hint

MAX_NONFINITE_SHARE = 0.01  # of prior predictive draws, in a study without bounds
TIE_TOLERANCE = 1e-9  # relative difference below which two values of a statistic are a tie


def check_prior_bounds(
    predictions: Mapping[str, NDArray[Any]],
    bounds: Mapping[str, Sequence[float]],
    known_names: Collection[str],
    threshold: Threshold,
) -> Check:
    """
    Check that prior predictive draws lie within the bounds that the study declares.

    Parameters
    ----------
    predictions : dict of arrays
        Prior predictive draws, any shape, by observed variable.
    bounds : dict
        Lower and upper bound, by variable, in the units of the data.
    known_names : set of str
        Other variables that may have bounds, because another model observes them.
    threshold : float or dict
        The threshold of the share.

    Returns
    -------
    Check
        The smallest share within the bounds. A draw that is not finite lies outside. Without bounds
        the check is a warning if more than 1 % of the draws are not finite, and else not
        applicable.

    Raises
    ------
    UserError
        If bounds name an unknown variable: the check would never apply.
    """
    for name in bounds:
        if name not in predictions and name not in known_names:
            raise UserError(
                f"checks: prior_predictive: there is no observed variable '{name}': "
                f"{hint(name, predictions)}"
            )
    shares = {
        name: _compute_share_within(predictions[name], low, high)
        for name, (low, high) in bounds.items()
        if name in predictions
    }
    if not shares:
        return _check_finite_draws(predictions)
    worst = min(shares, key=lambda name: shares[name])
    low, high = bounds[worst]
    message = (
        f"{shares[worst]:.1%} of the prior predictive draws of {worst} lie in [{low:g}, {high:g}]"
    )
    return judge_value("prior_predictive", shares[worst], threshold, message, lower_is_better=False)


def _check_finite_draws(predictions: Mapping[str, NDArray[Any]]) -> Check:
    """Check that prior predictive draws without bounds are finite; warn if too many are not."""
    shares = {name: float((~np.isfinite(values)).mean()) for name, values in predictions.items()}
    worst = max(shares, key=lambda name: shares[name], default="")
    if not worst or shares[worst] <= MAX_NONFINITE_SHARE:
        return skip_check(
            "prior_predictive",
            "the study declares no bounds for these variables (`checks: prior_predictive`)",
        )
    message = (
        f"{shares[worst]:.1%} of the prior predictive draws of {worst} are not finite; tighten the "
        "priors, or look for an overflow in the model"
    )
    return Check("prior_predictive", shares[worst], MAX_NONFINITE_SHARE, "warn", message)


def _compute_share_within(values: NDArray[Any], low: float, high: float) -> float:
    with np.errstate(invalid="ignore"):
        return float(((values >= low) & (values <= high)).mean())


class _ExtremeStatistic(NamedTuple):
    """The test statistic with the smallest p-value of all sites."""

    site: str
    position: int
    p_value: float
    total: int  # number of statistics of all sites


def check_test_statistics(
    replicated: Mapping[str, NDArray[Any]],
    observed: Mapping[str, NDArray[Any]],
    names: Sequence[str],
    threshold: Threshold,
) -> Check:
    """
    Check test statistics of the data against those of posterior predictions.

    Each statistic has a two-sided p-value, with ties counted half (Gelman, Meng & Stern 1996,
    Statistica Sinica 6, 733). The smallest one times the number of statistics (Bonferroni) is the
    value, so that the level holds for all of them together. A statistic that is equal in all
    predictions and in the data has p = 1. Posterior predictive p-values are conservative: a right
    model fails less often than the level.

    Parameters
    ----------
    replicated, observed : dict of arrays
        Statistics of predictions and of the data, shape (draw, statistic), by observed site.
    names : sequence of str
        Names of the statistics.
    threshold : float or dict
        The threshold of the corrected p-value.

    Returns
    -------
    Check
        The corrected p-value of the least likely statistic. A pass becomes a warning if the data
        lie beyond all predictions and there are too few for a smaller p-value.
    """
    p_values = {
        site: np.asarray(compute_two_sided_p(replicated[site], observed[site]))
        for site in replicated
    }
    if not p_values:
        return skip_check("ppc", "the model has no observed site")
    extreme = _find_extreme_statistic(p_values, replicated, observed)
    data_median = np.median(observed[extreme.site][:, extreme.position])
    predicted_median = np.median(replicated[extreme.site][:, extreme.position])
    side = "larger" if data_median > predicted_median else "smaller"
    value = min(1.0, extreme.total * extreme.p_value)
    message = (
        f"least likely of {extreme.total} statistics: the {names[extreme.position]} of "
        f"{extreme.site}, {side} than predicted; corrected p = {value:.2g}"
    )
    check = judge_value("ppc", value, threshold, message, lower_is_better=False)
    smallest_p = 2 / (len(replicated[extreme.site]) + 1)
    if extreme.p_value < smallest_p:
        note = "the data lie beyond all predictions, but there are too few for a smaller p"
        return downgrade_pass(check, note)
    return check


def _find_extreme_statistic(
    p_values: Mapping[str, NDArray[np.float64]],
    replicated: Mapping[str, NDArray[Any]],
    observed: Mapping[str, NDArray[Any]],
) -> _ExtremeStatistic:
    """Return the least likely statistic; of several, the one farthest from its predictions."""
    site = min(p_values, key=lambda name: float(p_values[name].min()))
    spread = np.maximum(replicated[site].std(0), np.finfo(float).tiny)
    distance = np.abs(np.median(observed[site], 0) - replicated[site].mean(0)) / spread
    position = int(np.lexsort((-distance, p_values[site]))[0])
    total = sum(len(values) for values in p_values.values())
    return _ExtremeStatistic(site, position, float(p_values[site][position]), total)


def compute_two_sided_p(replicated: NDArray[Any], observed: NDArray[Any]) -> NDArray[np.float64]:
    """
    Return two-sided predictive p-values over the leading axis, with ties counted half.

    A p-value is never 0: each side has one draw more than the predictions.
    """
    draws = len(replicated)
    is_tie = np.isclose(replicated, observed, rtol=TIE_TOLERANCE, atol=0)
    is_above = (replicated > observed) & ~is_tie
    above = is_above.sum(0) + 0.5 * is_tie.sum(0)
    upper = (above + 0.5) / (draws + 1)
    p_values: NDArray[np.float64] = 2 * np.minimum(upper, 1 - upper)
    return p_values


def check_prior_predictive(
    prior: xr.DataTree, data_variables: Collection[str], thresholds: Mapping[str, Any]
) -> Check:
    """
    Check the prior predictive draws of prior.nc against the bounds of the study.

    Parameters
    ----------
    prior : xarray.DataTree
        The artefact prior.nc.
    data_variables : set of str
        Variables of the data, which may have bounds although this model does not observe them.
    thresholds : dict
        `checks` of the study: bounds in `prior_predictive`, the threshold in `prior_coverage`.

    Returns
    -------
    Check
        See `check_prior_bounds`.
    """
    if prior.attrs["improper"]:
        return skip_check(
            "prior_predictive",
            f"the prior of {prior.attrs['improper']} is improper: it predicts nothing",
        )
    observed = get_group(prior, "observed_data")
    names = {site: values.attrs.get("variable", site) for site, values in observed.items()}
    predictions = {
        names[site]: values.values for site, values in get_group(prior, "prior_predictive").items()
    }
    bounds = {
        names.get(name, name): interval
        for name, interval in thresholds.get("prior_predictive", {}).items()
    }
    return check_prior_bounds(predictions, bounds, data_variables, thresholds["prior_coverage"])


def check_posterior_predictive(statistics: xr.Dataset, threshold: Threshold) -> Check:
    """Check the group `test_statistics` of predictive.nc: the data against the predictions."""
    variables = [str(name) for name in statistics.data_vars]
    sites = [name.removesuffix("_replicated") for name in variables if name.endswith("_replicated")]
    names = tuple(statistics["statistic"].values) if sites else ()
    replicated = {site: _flatten_draws(statistics[f"{site}_replicated"]) for site in sites}
    observed = {site: _flatten_draws(statistics[f"{site}_observed"]) for site in sites}
    return check_test_statistics(replicated, observed, names, threshold)


def _flatten_draws(values: xr.DataArray) -> NDArray[Any]:
    """Return statistics of all chains, shape (draw, statistic)."""
    return values.values.reshape(-1, values.sizes["statistic"])
