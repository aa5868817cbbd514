"""Checks of what a model predicts: prior draws within bounds, and data like the predictions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

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


@dataclass(frozen=True)
class StatisticFamily:
    """
    Test statistics that are judged together.

    Attributes
    ----------
    labels : list of str
        What each statistic is, with its site.
    replicated, realised : array, shape (draw, statistic)
        Statistics of predictions and of the data.
    """

    labels: list[str]
    replicated: NDArray[np.float64]
    realised: NDArray[np.float64]

    @cached_property
    def p_values(self) -> NDArray[np.float64]:
        """The two-sided p-value of each statistic."""
        return compute_two_sided_p(self.replicated, self.realised)

    @property
    def p_value(self) -> float:
        """
        The p-value of all statistics together: the harmonic mean of their p-values.

        It is at most the smallest one times their number (Bonferroni), and smaller if several are
        small (Wilson 2019, PNAS 116, 1195).
        """
        return float(len(self.labels) / (1 / self.p_values).sum())

    @property
    def worst(self) -> int:
        """The position of the least likely statistic; of several, that farthest from chance."""
        spread = np.maximum(self.replicated.std(0), np.finfo(float).tiny)
        distance = np.abs(np.median(self.realised, 0) - self.replicated.mean(0)) / spread
        return int(np.lexsort((-distance, self.p_values))[0])

    @property
    def is_beyond_predictions(self) -> bool:
        """Whether the data lie beyond all predictions, so that no smaller p-value is possible."""
        return bool(self.p_values[self.worst] < 2 / (len(self.replicated) + 1))

    def describe(self) -> str:
        """Return the least likely statistic, its direction, and the p-value of all."""
        worst = self.worst
        data_median = np.median(self.realised[:, worst])
        side = "larger" if data_median > np.median(self.replicated[:, worst]) else "smaller"
        among = f" of {len(self.labels)} statistics" if len(self.labels) > 1 else ""
        together = "; p of all together" if len(self.labels) > 1 else "; p"
        label = f"{self.labels[worst]}, {side} than predicted"
        return f"least likely{among}: {label}{together} = {self.p_value:.2g}"


def check_families(
    decisive: StatisticFamily, other: StatisticFamily | None, threshold: Threshold
) -> Check:
    """
    Check test statistics of the data against those of posterior predictions.

    Each statistic has a two-sided p-value, with ties counted half (Gelman, Meng & Stern 1996,
    Statistica Sinica 6, 733). The harmonic mean of those of a family is compared with the
    threshold, so that the level holds for all of them together. A statistic that is equal in all
    predictions and in the data has p = 1. Posterior predictive p-values are conservative: a right
    model fails less often than the level.

    Parameters
    ----------
    decisive : StatisticFamily
        The statistics that may fail.
    other : StatisticFamily or None
        Statistics that can only warn, where others fail: of the order of the rows, and of columns
        that the model does not use.
    threshold : float or dict
        The threshold of the p-value.

    Returns
    -------
    Check
        The p-value of all statistics together. A pass becomes a warning if the data
        lie beyond all predictions and there are too few for a smaller p-value.
    """
    check = _judge_family(decisive, threshold)
    if other is None or check.status in ("warn", "fail"):
        return check
    hint = _judge_family(other, threshold)
    if hint.status != "fail":
        return check
    reason = "only a warning, as the row order and columns that the model ignores may mean nothing"
    return replace(hint, status="warn", message=f"{hint.message}; {reason}")


def _judge_family(family: StatisticFamily, threshold: Threshold) -> Check:
    check = judge_value("ppc", family.p_value, threshold, family.describe(), lower_is_better=False)
    if family.is_beyond_predictions:
        note = "the data lie beyond all predictions, but there are too few for a smaller p"
        return downgrade_pass(check, note)
    return check


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
    decisive = collect_family(statistics, is_decisive=True)
    if decisive is None:
        return skip_check("ppc", "the model has no observed site")
    return check_families(decisive, collect_family(statistics, is_decisive=False), threshold)


def collect_family(statistics: xr.Dataset, is_decisive: bool) -> StatisticFamily | None:
    """Return the decisive or the other test statistics of all sites; None if there are none."""
    labels = []
    replicated = []
    realised = []
    for name, chosen in statistics.data_vars.items():
        site = str(name).removesuffix("_is_decisive")
        if site == name:
            continue
        positions = np.flatnonzero(chosen.values == is_decisive)
        names = statistics[f"{site}_statistic"].values[positions]
        labels += [f"{label} (site {site})" for label in names]
        replicated.append(_flatten_draws(statistics[f"{site}_replicated"])[:, positions])
        realised.append(_flatten_draws(statistics[f"{site}_realised"])[:, positions])
    if not labels:
        return None
    return StatisticFamily(
        labels, np.concatenate(replicated, axis=1), np.concatenate(realised, axis=1)
    )


def _flatten_draws(values: xr.DataArray) -> NDArray[Any]:
    """Return statistics of all chains, shape (draw, statistic)."""
    return values.values.reshape(-1, values.shape[-1])
