"""
Judge a fit: prior, draws, predictions, and the truth where it is known.

Reads data.nc, prior.nc, posterior.nc and, for a fit with draws, predictive.nc and sensitivity.nc. Writes diagnosis.nc with the
groups `summary` (over `parameter`: mean, sd, median, interval, mcse, ess_bulk, ess_tail, r_hat; of a point estimate only `point`)
and `checks` (prior_predictive, rhat, ess_bulk, ess_tail, mcse, divergences, e_bfmi, tree_depth, acceptance_rate, khat, evidence_error,
elbo_convergence, optimum_restarts, ppc, sensitivity, recovery). All thresholds of a fit are used here and nowhere else: to move one makes
nothing else be computed again.
"""

import json

import xarray as xr

from posterity.artefact.groups import align_draws, get_group, list_draw_groups
from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.artefact.provenance import collect_provenance
from posterity.diagnostics.approximation import (
    check_elbo_convergence,
    check_evidence,
    check_optimum,
    check_pareto_k,
)
from posterity.diagnostics.check import checks_to_dataset, skip_check
from posterity.diagnostics.convergence import check_convergence, check_sampler
from posterity.diagnostics.predictive import check_posterior_predictive, check_prior_predictive
from posterity.diagnostics.prior_sensitivity import check_sensitivity
from posterity.diagnostics.recovery import check_recovery
from posterity.stats.summary import summarise_fit, summarise_point
from posterity.workflow.job import run_job


def diagnose(
    data: str,
    prior: str,
    posterior: str,
    output: str,
    study: str,
    model: str,
    fit: str,
    limits: dict,
    interval: dict,
    predictive: str | None = None,
    sensitivities: str | None = None,
) -> None:
    """
    Write summary and checks of one fit to `output`.

    `limits` is `checks` of the study, `interval` has kind and probability. A point estimate has no predictions and no
    sensitivities. Raises UserError for artefacts that do not belong together.
    """
    source = read_artefact(data, study=study)
    same = {"study": study, "model": model, "data_hash": source.attrs["data_hash"]}
    before, tree = read_artefact(prior, **same), read_artefact(posterior, **same, fit=fit)
    after = read_artefact(predictive, **same, fit=fit) if predictive else xr.DataTree()
    moved = read_artefact(sensitivities, **same, fit=fit) if sensitivities else xr.DataTree()
    draws, settings, sampling = (
        get_group(tree, "posterior"),
        json.loads(tree.attrs["settings"]),
        tree.attrs["draw_kind"],
    )
    statistic, optimisation = get_group(tree, "sample_stats"), get_group(tree, "optimisation")

    found = [check_prior_predictive(before, set(get_group(source, "data").data_vars), limits)]
    if sampling == "point":
        summary = summarise_point(get_group(tree, "point"), limits["max_scalars_per_site"])
        found += [
            skip_check(check, "a point estimate has no draws")
            for check in ("rhat", "ess_bulk", "ess_tail", "mcse")
        ]
    else:
        summary = summarise_fit(tree, **interval, limit=limits["max_scalars_per_site"])
        sites = [
            one
            for part in list_draw_groups(tree)
            for one in part.data_vars.values()
            if one.dtype.kind == "f"
        ]
        latent = {
            str(one.name) for one in sites if one.attrs.get("role") == "latent"
        }  # a discrete one may be certain
        chains = draws.sizes["chain"] if sampling == "chains" else 0
        found += check_convergence(summary, chains, limits, latent)
    found += check_sampler(statistic, settings, limits)
    weighted, evidence = get_group(tree, "weighted_posterior"), get_group(tree, "evidence")
    by_importance = (
        "log_weight" in weighted and not evidence.data_vars
    )  # the weights of nested sampling are no ratios of densities
    found.append(check_pareto_k(weighted if by_importance else statistic, limits["khat"]))
    found.append(check_evidence(evidence, limits["evidence_error"]))
    found.append(check_elbo_convergence(optimisation, limits["elbo_convergence"]))
    found.append(check_optimum(optimisation, limits["optimum_restarts"]))
    if sampling == "point":
        found += [
            skip_check(check, "a point estimate has no draws")
            for check in ("ppc", "sensitivity", "recovery")
        ]
    else:
        found.append(check_posterior_predictive(get_group(after, "test_statistics"), limits["ppc"]))
        found.append(check_sensitivity(get_group(moved, "psense"), limits["sensitivity"]))
        truth = get_group(source, "truth")
        known = align_draws(tree, list(map(str, truth.data_vars)))
        found.append(
            check_recovery(
                truth, known, interval, limits["recovery"], limits["max_scalars_per_site"]
            )
        )

    attributes = collect_provenance(
        "diagnose", study, {"limits": limits, "interval": interval}, tree.attrs["seed"], ("arviz",)
    )
    attributes |= {**same, "fit": fit, "fit_seconds": tree.attrs["wall_time"]}
    attributes |= {
        "draws": draws.sizes.get("chain", 0) * draws.sizes.get("draw", 0),
        "chains": draws.sizes.get("chain", 0),
    }
    write_artefact(output, {"summary": summary, "checks": checks_to_dataset(found)}, attributes)


if __name__ == "__main__":
    with run_job(snakemake):
        files = {name: snakemake.input[name] for name in ("data", "prior", "posterior")}
        files |= {
            "predictive": snakemake.input.get("predictive"),
            "sensitivities": snakemake.input.get("sensitivity"),
        }
        diagnose(**files, output=snakemake.output[0], **snakemake.params)
