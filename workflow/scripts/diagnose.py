"""
Judge a fit: prior, draws, predictions, and the truth where it is known.

Reads data.nc, prior.nc, posterior.nc and, for a fit with draws, predictive.nc and sensitivity.nc. Writes diagnosis.nc with the
groups `summary` (over `parameter`: mean, sd, median, interval, mcse, ess_bulk, ess_tail, r_hat; of a point estimate only `point`)
and `checks` (prior_predictive, rhat, ess_bulk, ess_tail, mcse, divergences, e_bfmi, tree_depth, acceptance, khat, evidence, loss,
optimum, ppc, sensitivity, recovery). All thresholds of a fit are used here and nowhere else: to move one makes
nothing else be computed again.
"""

import json

import xarray as xr

from posterity.artefact import groups, netcdf, provenance
from posterity.diagnostics import approximation, convergence, prior_sensitivity
from posterity.diagnostics import check as diagnostics_check
from posterity.diagnostics.predictive import posterior_predictive, prior_predictive
from posterity.diagnostics.recovery import truth_recovered
from posterity.stats import summary as stats_summary
from posterity.stats.summary import point_summary
from posterity.workflow.job import job


def diagnose(
    data: str,
    prior: str,
    posterior: str,
    output: str,
    study: str,
    id: str,
    name: str,
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
    source = netcdf.read(data, study=study)
    same = {"study": study, "model": id, "data_hash": source.attrs["data_hash"]}
    before, fit = netcdf.read(prior, **same), netcdf.read(posterior, **same, fit=name)
    after = netcdf.read(predictive, **same, fit=name) if predictive else xr.DataTree()
    moved = netcdf.read(sensitivities, **same, fit=name) if sensitivities else xr.DataTree()
    draws, settings, sampling = groups.group(fit, "posterior"), json.loads(fit.attrs["settings"]), fit.attrs["sampling"]
    statistic, optimisation = groups.group(fit, "sample_stats"), groups.group(fit, "optimisation")

    found = [prior_predictive(before, set(groups.group(source, "data").data_vars), limits)]
    if sampling == "point":
        summary = point_summary(groups.group(fit, "point"), limits["scalars"])
        found += [
            diagnostics_check.not_applicable(check, "a point estimate has no draws")
            for check in ("rhat", "ess_bulk", "ess_tail", "mcse")
        ]
    else:
        summary = stats_summary.of_fit(fit, **interval, limit=limits["scalars"])
        sites = [one for part in groups.posteriors(fit) for one in part.data_vars.values() if one.dtype.kind == "f"]
        latent = {str(one.name) for one in sites if one.attrs.get("role") == "latent"}  # a discrete one may be certain
        chains = draws.sizes["chain"] if sampling == "chains" else 0
        found += convergence.of_summary(summary, chains, limits, latent)
    found += convergence.of_sampler(statistic, settings, limits)
    weighted, evidence = groups.group(fit, "weighted_posterior"), groups.group(fit, "evidence")
    by_importance = "log_weight" in weighted and not evidence.data_vars  # the weights of nested sampling are no ratios of densities
    found.append(approximation.of_guide(weighted if by_importance else statistic, limits["khat"]))
    found.append(approximation.of_evidence(evidence, limits["evidence"]))
    found.append(approximation.of_loss(optimisation, limits["loss"]))
    found.append(approximation.of_optimum(optimisation, limits["optimum"]))
    if sampling == "point":
        found += [
            diagnostics_check.not_applicable(check, "a point estimate has no draws") for check in ("ppc", "sensitivity", "recovery")
        ]
    else:
        found.append(posterior_predictive(groups.group(after, "test_statistics"), limits["ppc"]))
        found.append(prior_sensitivity.check(groups.group(moved, "psense"), limits["sensitivity"]))
        truth = groups.group(source, "truth")
        known = groups.joint(fit, list(map(str, truth.data_vars)))
        found.append(truth_recovered(truth, known, interval, limits["recovery"], limits["scalars"]))

    attributes = provenance.provenance("diagnose", study, {"limits": limits, "interval": interval}, fit.attrs["seed"], ("arviz",))
    attributes |= {**same, "fit": name, "fit_seconds": fit.attrs["wall_time"]}
    attributes |= {"draws": draws.sizes.get("chain", 0) * draws.sizes.get("draw", 0), "chains": draws.sizes.get("chain", 0)}
    netcdf.write(output, {"summary": summary, "checks": diagnostics_check.to_dataset(found)}, attributes)


if __name__ == "__main__":
    with job(snakemake):
        files = {name: snakemake.input[name] for name in ("data", "prior", "posterior")}
        files |= {"predictive": snakemake.input.get("predictive"), "sensitivities": snakemake.input.get("sensitivity")}
        diagnose(**files, output=snakemake.output[0], **snakemake.params)
