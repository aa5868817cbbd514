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
from posterity.diagnostics.convergence import check_convergence, check_sampler
from posterity.diagnostics.data import check_data, check_precision
from posterity.diagnostics.predictive import check_posterior_predictive, check_prior_predictive
from posterity.diagnostics.prior_sensitivity import check_sensitivity
from posterity.diagnostics.recovery import check_recovery
from posterity.stats.summary import summarise_fit, summarise_point


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
    draws = get_group(fit.posterior, "posterior")
    chains = draws.sizes["chain"] if fit.draw_kind == "chains" else 0
    latent = _list_continuous_latent_sites(fit.posterior)
    return check_convergence(fit.summary, chains, fit.thresholds, latent)


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
    return check_sampler(get_group(fit.posterior, "sample_stats"), settings, fit.thresholds)


def _check_approximation(fit: FitInputs) -> list[Check]:
    weighted = get_group(fit.posterior, "weighted_posterior")
    # The weights of nested sampling are not ratios of densities.
    is_nested = bool(get_group(fit.posterior, "evidence").data_vars)
    has_importance_weights = "log_weight" in weighted and not is_nested
    statistics = weighted if has_importance_weights else get_group(fit.posterior, "sample_stats")
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


def _check_predictions(fit: FitInputs) -> list[Check]:
    statistics = get_group(fit.predictive, "test_statistics")
    return [check_posterior_predictive(statistics, fit.thresholds["ppc"])]


def _check_sensitivity(fit: FitInputs) -> list[Check]:
    sensitivities = get_group(fit.sensitivity, "psense")
    return [check_sensitivity(sensitivities, fit.thresholds["sensitivity"])]


def _check_recovery(fit: FitInputs) -> list[Check]:
    truth = get_group(fit.data, "truth")
    draws = align_draws(fit.posterior, [str(site) for site in truth.data_vars])
    level = fit.thresholds["recovery"]
    return [check_recovery(truth, draws, fit.interval, level, fit.max_scalars)]


FIT_CHECKS = (
    FitCheck(("data",), _check_table),
    FitCheck(("precision",), _check_rounding),
    FitCheck(("prior_predictive",), _check_prior),
    FitCheck(("rhat", "ess_bulk", "ess_tail", "mcse"), _check_draws, needs_draws=True),
    FitCheck(("divergences", "e_bfmi", "tree_depth", "acceptance_rate"), _check_sampler),
    FitCheck(("khat",), _check_approximation),
    FitCheck(("evidence_error",), _check_evidence),
    FitCheck(("elbo_convergence",), _check_loss),
    FitCheck(("optimum_restarts",), _check_optimum),
    FitCheck(("ppc",), _check_predictions, needs_draws=True),
    FitCheck(("sensitivity",), _check_sensitivity, needs_draws=True),
    FitCheck(("recovery",), _check_recovery, needs_draws=True),
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
