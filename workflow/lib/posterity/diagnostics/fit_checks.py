"""
All checks of one fit.

To add a check, write a function that takes `FitInputs` and returns checks, and add a line to
`FIT_CHECKS`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from posterity.artefact.groups import align_draws, get_group, list_draw_groups
from posterity.artefact.netcdf import read_artefact
from posterity.config.stage import StageIds
from posterity.diagnostics.approximation import (
    check_elbo_convergence,
    check_evidence,
    check_optimum,
    check_pareto_k,
)
from posterity.diagnostics.check import Check, skip_check
from posterity.diagnostics.convergence import (
    CRITERIA,
    ESS_REMEDY,
    LOG_DENSITY,
    check_convergence,
    check_sampler,
)
from posterity.diagnostics.data import check_data, check_precision
from posterity.diagnostics.leave_one_out import check_leave_one_out, check_loo_pit
from posterity.diagnostics.modes import check_modes
from posterity.diagnostics.predictive import check_posterior_predictive, check_prior_predictive
from posterity.diagnostics.prior_conflict import check_conflict
from posterity.diagnostics.prior_sensitivity import check_prior_sensitivity
from posterity.diagnostics.recovery import check_recovery
from posterity.diagnostics.starts import limit_rhat_by_starts
from posterity.diagnostics.tails import check_tails
from posterity.stats.summary import summarise_draws, summarise_fit, summarise_point
from posterity.stats.weights import (
    compute_weighted_size,
    has_guide_draws,
    has_importance_weights,
)


@dataclass(frozen=True)
class FitInputs:
    """
    What the checks of one fit read.

    Attributes
    ----------
    data, prior, posterior, predictive, sensitivity : xarray.DataTree
        The artefacts of these names. A point estimate has no `predictive` and no `sensitivity`.
    thresholds : dict
        `checks` of the study: the thresholds, by check, and `max_scalars_per_site`.
    interval : dict
        `kind` (hdi or eti) and `probability` of the credible intervals.
    """

    data: xr.DataTree
    prior: xr.DataTree
    posterior: xr.DataTree
    thresholds: Mapping[str, Any]
    interval: Mapping[str, Any]
    predictive: xr.DataTree = field(default_factory=xr.DataTree)
    sensitivity: xr.DataTree = field(default_factory=xr.DataTree)

    @property
    def draw_kind(self) -> str:
        """What the draws are: `chains`, `independent`, or `point` if there are none."""
        return str(self.posterior.attrs["draw_kind"])

    @property
    def max_scalars(self) -> int:
        """The largest number of scalars per site that the checks use."""
        return int(self.thresholds["max_scalars_per_site"])

    @cached_property
    def summary(self) -> xr.Dataset:
        """The summary of all scalars, over `parameter`."""
        if self.draw_kind == "point":
            return summarise_point(get_group(self.posterior, "point"), self.max_scalars)
        return summarise_fit(self.posterior, **self.interval, limit=self.max_scalars)

    @property
    def draw_count(self) -> int:
        """The number of draws of all chains."""
        sizes = get_group(self.posterior, "posterior").sizes
        return int(sizes.get("chain", 0) * sizes.get("draw", 0))

    @cached_property
    def convergence(self) -> list[Check]:
        """The checks rhat, ess_bulk, ess_tail and mcse."""
        return _compute_convergence(self)


class FitCheck(NamedTuple):
    """
    A function that makes checks of a fit.

    Attributes
    ----------
    names : tuple of str
        The checks that it makes.
    run : callable
        The function.
    needs_draws : bool
        Whether the checks do not apply to a point estimate.
    """

    names: tuple[str, ...]
    run: Callable[[FitInputs], list[Check]]
    needs_draws: bool = False


def _check_table(fit: FitInputs) -> list[Check]:
    return [check_data(get_group(fit.prior, "data_checks"), fit.thresholds["data"])]


def _check_rounding(fit: FitInputs) -> list[Check]:
    return [check_precision(get_group(fit.prior, "precision"), fit.thresholds["precision"])]


def _check_prior(fit: FitInputs) -> list[Check]:
    variables = {str(name) for name in get_group(fit.data, "data").data_vars}
    return [check_prior_predictive(fit.prior, variables, fit.thresholds)]


def _check_draws(fit: FitInputs) -> list[Check]:
    return fit.convergence


def _compute_convergence(fit: FitInputs) -> list[Check]:
    """Return the checks of convergence, as far as the kind of the draws allows."""
    if has_guide_draws(fit.posterior):
        reason = (
            "the draws are those of the guide: their number says nothing about its accuracy; "
            "see khat"
        )
        return [skip_check(criterion.name, reason) for criterion in CRITERIA]
    chains = get_group(fit.posterior, "posterior").sizes["chain"]
    rhat, *others = check_convergence(
        fit.summary,
        chains if fit.draw_kind == "chains" else 0,
        fit.thresholds,
        _list_continuous_latent_sites(fit.posterior),
        _summarise_log_density(fit),
        fit.draw_count,
        _advise_on_weights(fit.posterior),
    )
    starts = get_group(fit.posterior, "initial_values")
    init = json.loads(fit.posterior.attrs["settings"]).get("init")
    return [limit_rhat_by_starts(rhat, starts, list_draw_groups(fit.posterior), init), *others]


def _summarise_log_density(fit: FitInputs) -> xr.Dataset | None:
    """Return the summary of the log density, if the method records it."""
    statistics = get_group(fit.posterior, "sample_stats")
    if fit.draw_kind != "chains" or "lp" not in statistics:
        return None
    return summarise_draws(statistics[["lp"]].rename(lp=LOG_DENSITY), **fit.interval)


def _advise_on_weights(posterior: xr.DataTree) -> str:
    """Return the remedy for an effective size that is too small."""
    size = compute_weighted_size(posterior)
    if not np.isfinite(size):
        return ESS_REMEDY
    more = "take more draws and a richer guide, or nuts"
    more = more if has_importance_weights(posterior) else "take more live_points"
    return f"the weights are worth {size:.0f} draws: {more}"


def _check_tails(fit: FitInputs) -> list[Check]:
    return [check_tails(fit.summary, fit.draw_count, fit.thresholds["tails"])]


def _list_continuous_latent_sites(posterior: xr.DataTree) -> set[str]:
    """Return the latent sites that must change; a discrete one may be certain."""
    variables = [
        values for group in list_draw_groups(posterior) for values in group.data_vars.values()
    ]
    return {
        str(values.name)
        for values in variables
        if values.dtype.kind == "f" and values.attrs.get("role") == "latent"
    }


def _check_sampler(fit: FitInputs) -> list[Check]:
    settings = json.loads(fit.posterior.attrs["settings"])
    if "target_accept" in fit.posterior.attrs:  # that of a repetition, if there was one
        settings["target_accept"] = float(fit.posterior.attrs["target_accept"])
    statistics = get_group(fit.posterior, "sample_stats")
    draws = get_group(fit.posterior, "posterior")
    mixing = fit.convergence if draws.data_vars else []
    return check_sampler(statistics, settings, fit.thresholds, mixing, draws)


def _check_approximation(fit: FitInputs) -> list[Check]:
    group = "weighted_posterior" if has_importance_weights(fit.posterior) else "sample_stats"
    statistics = get_group(fit.posterior, group)
    return [check_pareto_k(statistics, fit.thresholds["khat"])]


def _check_evidence(fit: FitInputs) -> list[Check]:
    evidence = get_group(fit.posterior, "evidence")
    return [check_evidence(evidence, fit.thresholds["evidence_error"])]


def _check_loss(fit: FitInputs) -> list[Check]:
    optimisation = get_group(fit.posterior, "optimisation")
    return [check_elbo_convergence(optimisation, fit.thresholds["elbo_convergence"])]


def _check_optimum(fit: FitInputs) -> list[Check]:
    optimisation = get_group(fit.posterior, "optimisation")
    return [check_optimum(optimisation, fit.thresholds["optimum_restarts"])]


def _check_modes(fit: FitInputs) -> list[Check]:
    summary = fit.summary
    labels = map(str, summary["parameter"].values)
    scales = dict(zip(labels, summary["sd"].values, strict=True)) if "sd" in summary else {}
    skipped = str(fit.posterior.attrs.get("modes_skipped", ""))
    modes = get_group(fit.posterior, "modes")
    return [check_modes(modes, skipped, fit.thresholds["modes"], scales)]


def _check_predictions(fit: FitInputs) -> list[Check]:
    statistics = get_group(fit.predictive, "test_statistics")
    return [check_posterior_predictive(statistics, fit.thresholds["ppc"])]


def _check_sensitivity(fit: FitInputs) -> list[Check]:
    sensitivities = get_group(fit.sensitivity, "psense")
    factors = str(fit.predictive.attrs.get("factors", ""))
    threshold = fit.thresholds["prior_sensitivity"]
    conflict = get_group(fit.predictive, "prior_conflict")
    spreads = conflict["spread"].to_series().to_dict() if "spread" in conflict else {}
    return [check_prior_sensitivity(sensitivities, threshold, factors, spreads)]


def _check_conflict(fit: FitInputs) -> list[Check]:
    conflict = get_group(fit.predictive, "prior_conflict")
    return [check_conflict(conflict, fit.thresholds["conflict"])]


def _check_loo(fit: FitInputs) -> list[Check]:
    loo = get_group(fit.predictive, "loo")
    return [
        check_leave_one_out(loo, fit.thresholds["loo"]),
        check_loo_pit(loo, fit.thresholds["loo_pit"]),
    ]


def _check_recovery(fit: FitInputs) -> list[Check]:
    truth = get_group(fit.data, "truth")
    draws = align_draws(fit.posterior, [str(site) for site in truth.data_vars])
    level = fit.thresholds["recovery"]
    return [check_recovery(truth, draws, fit.interval, level, fit.max_scalars)]


FIT_CHECKS = (
    FitCheck(("data",), _check_table),
    FitCheck(("precision",), _check_rounding),
    FitCheck(("prior_predictive",), _check_prior),
    # First causes first: a sampler that diverges does not converge, and then has few draws.
    FitCheck(("divergences", "e_bfmi", "tree_depth", "acceptance_rate"), _check_sampler),
    FitCheck(("rhat", "ess_bulk", "ess_tail", "mcse"), _check_draws, needs_draws=True),
    FitCheck(("tails",), _check_tails, needs_draws=True),
    FitCheck(("khat",), _check_approximation),
    FitCheck(("evidence_error",), _check_evidence),
    FitCheck(("elbo_convergence",), _check_loss),
    FitCheck(("optimum_restarts",), _check_optimum),
    FitCheck(("modes",), _check_modes),
    FitCheck(("ppc",), _check_predictions, needs_draws=True),
    FitCheck(("prior_sensitivity",), _check_sensitivity, needs_draws=True),
    FitCheck(("conflict",), _check_conflict, needs_draws=True),
    FitCheck(("recovery",), _check_recovery, needs_draws=True),
    FitCheck(("loo", "loo_pit"), _check_loo, needs_draws=True),
)


def read_fit_inputs(
    inputs: Mapping[str, str],
    ids: StageIds,
    thresholds: Mapping[str, Any],
    interval: Mapping[str, Any],
) -> FitInputs:
    """
    Read the artefacts of one fit.

    Parameters
    ----------
    inputs : dict
        Paths of `data`, `prior` and `posterior` and, for a fit with draws, of `predictive` and
        `sensitivity`.
    ids : StageIds
        Study, model and fit.
    thresholds, interval : dict
        See `FitInputs`.

    Returns
    -------
    FitInputs
        The artefacts, with thresholds and interval.

    Raises
    ------
    UserError
        If an artefact cannot be read, or belongs to another fit or to other data.
    """
    data = read_artefact(inputs["data"], study=ids.study)
    expected = {
        "study": ids.study,
        "model": ids.model,
        "data_hash": data.attrs["data_hash"],
    }
    prior = read_artefact(inputs["prior"], **expected)
    of_fit = {
        name: read_artefact(inputs[name], **expected, fit=ids.fit)
        for name in ("posterior", "predictive", "sensitivity")
        if name in inputs
    }
    return FitInputs(data=data, prior=prior, thresholds=thresholds, interval=interval, **of_fit)


def check_fit(fit: FitInputs) -> tuple[xr.Dataset, list[Check]]:
    """Run all checks of one fit; return the summary of its scalars and the checks."""
    checks: list[Check] = []
    for entry in FIT_CHECKS:
        if entry.needs_draws and fit.draw_kind == "point":
            reason = "a point estimate has no draws"
            checks += [skip_check(name, reason) for name in entry.names]
        else:
            checks += entry.run(fit)
    return fit.summary, checks
