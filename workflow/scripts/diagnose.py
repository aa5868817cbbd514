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

from posterity import approximation, artefact, checks, convergence, predictive_checks, recovery, sensitivity, statistics
from posterity.job import job


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
    source = artefact.read(data, study=study)
    same = {"study": study, "model": id, "data_hash": source.attrs["data_hash"]}
    before, fit = artefact.read(prior, **same), artefact.read(posterior, **same, fit=name)
    after = artefact.read(predictive, **same, fit=name) if predictive else xr.DataTree()
    moved = artefact.read(sensitivities, **same, fit=name) if sensitivities else xr.DataTree()
    draws, settings, sampling = artefact.group(fit, "posterior"), json.loads(fit.attrs["settings"]), fit.attrs["sampling"]
    statistic, optimisation = artefact.group(fit, "sample_stats"), artefact.group(fit, "optimisation")

    found = [prior_predictive(before, set(artefact.group(source, "data").data_vars), limits)]
    if sampling == "point":
        summary = point_summary(artefact.group(fit, "point"), limits["scalars"])
        found += [
            checks.not_applicable(check, "a point estimate has no draws") for check in ("rhat", "ess_bulk", "ess_tail", "mcse")
        ]
    else:
        summary = statistics.of_fit(fit, **interval, limit=limits["scalars"])
        sites = [one for part in artefact.posteriors(fit) for one in part.data_vars.values() if one.dtype.kind == "f"]
        latent = {str(one.name) for one in sites if one.attrs.get("role") == "latent"}  # a discrete one may be certain
        chains = draws.sizes["chain"] if sampling == "chains" else 0
        found += convergence.of_summary(summary, chains, limits, latent)
    found += convergence.of_sampler(statistic, settings, limits)
    weighted, evidence = artefact.group(fit, "weighted_posterior"), artefact.group(fit, "evidence")
    by_importance = "log_weight" in weighted and not evidence.data_vars  # the weights of nested sampling are no ratios of densities
    found.append(approximation.of_guide(weighted if by_importance else statistic, limits["khat"]))
    found.append(approximation.of_evidence(evidence, limits["evidence"]))
    found.append(approximation.of_loss(optimisation, limits["loss"]))
    found.append(approximation.of_optimum(optimisation, limits["optimum"]))
    if sampling == "point":
        found += [checks.not_applicable(check, "a point estimate has no draws") for check in ("ppc", "sensitivity", "recovery")]
    else:
        found.append(posterior_predictive(artefact.group(after, "test_statistics"), limits["ppc"]))
        found.append(sensitivity.check(artefact.group(moved, "psense"), limits["sensitivity"]))
        truth = artefact.group(source, "truth")
        known = artefact.joint(fit, list(map(str, truth.data_vars)))
        found.append(truth_recovered(truth, known, interval, limits["recovery"], limits["scalars"]))

    attributes = artefact.provenance("diagnose", study, {"limits": limits, "interval": interval}, fit.attrs["seed"], ("arviz",))
    attributes |= {**same, "fit": name, "fit_seconds": fit.attrs["wall_time"]}
    attributes |= {"draws": draws.sizes.get("chain", 0) * draws.sizes.get("draw", 0), "chains": draws.sizes.get("chain", 0)}
    artefact.write(output, {"summary": summary, "checks": checks.to_dataset(found)}, attributes)


def prior_predictive(before: xr.DataTree, known: set[str], limits: dict) -> checks.Check:
    """Check the prior predictive draws against the bounds of the study; `known` are the variables of the data."""
    if before.attrs["improper"]:
        return checks.not_applicable(
            "prior_predictive", f"the prior of {before.attrs['improper']} is improper: it predicts nothing"
        )
    names = {site: values.attrs.get("variable", site) for site, values in artefact.group(before, "observed_data").items()}
    expected = {names[site]: values.values for site, values in artefact.group(before, "prior_predictive").items()}
    bounds = {names.get(name, name): limit for name, limit in limits.get("prior_predictive", {}).items()}
    return predictive_checks.prior(expected, bounds, known, limits["prior_inside"])


def point_summary(point: xr.Dataset, limit: int) -> xr.Dataset:
    """List the scalars of a point estimate."""
    labels, values = statistics.scalars(point.expand_dims(chain=1, draw=1), limit)
    return xr.Dataset({"point": ("parameter", values[:, 0, 0])}, {"parameter": labels})


def posterior_predictive(statistics: xr.Dataset, limit: float | dict) -> checks.Check:
    """Check the test statistics of the data against those of predictions."""
    sites = [str(name).removesuffix("_replicated") for name in statistics.data_vars if str(name).endswith("_replicated")]
    names = tuple(statistics["statistic"].values) if sites else ()
    replicated, observed = (
        {site: statistics[f"{site}_{kind}"].values.reshape(-1, len(names)) for site in sites} for kind in ("replicated", "observed")
    )
    return predictive_checks.posterior(replicated, observed, names, limit)


def truth_recovered(truth: xr.Dataset, draws: xr.Dataset, interval: dict, level: float | dict, limit: int) -> checks.Check:
    """Check the intervals of all sites whose true values are known."""
    known = [site for site in draws.data_vars if site in truth and truth[site].size == draws[site].isel(chain=0, draw=0).size]
    labels, values = statistics.scalars(draws[known], limit)
    shaped = {site: draws[site].isel(chain=[0], draw=[0]) for site in known}
    true = xr.Dataset({site: one.copy(data=truth[site].values.reshape(one.shape)) for site, one in shaped.items()})
    _, expected = statistics.scalars(true, limit)
    values = values.reshape(len(labels), values.shape[1] * values.shape[2])
    return recovery.check(labels, values, expected[:, 0, 0], **interval, level=level)


if __name__ == "__main__":
    with job(snakemake):
        files = {name: snakemake.input[name] for name in ("data", "prior", "posterior")}
        files |= {"predictive": snakemake.input.get("predictive"), "sensitivities": snakemake.input.get("sensitivity")}
        diagnose(**files, output=snakemake.output[0], **snakemake.params)
