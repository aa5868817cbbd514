"""
Judge a fit: prior, draws, predictions, and the truth where it is known.

Reads data.nc, prior.nc, posterior.nc and predictive.nc. Writes diagnosis.nc with the groups `summary` (over `parameter`: mean, sd,
median, interval, mcse, ess_bulk, ess_tail, r_hat) and `checks` (prior_predictive, rhat, ess_bulk, ess_tail, mcse, divergences,
e_bfmi, tree_depth, ppc, recovery). All thresholds are used here and nowhere else: to move one computes nothing else again.
"""

import json

import xarray as xr

from posterity import artefact, checks, convergence, predictive_checks, recovery, statistics
from posterity.job import job


def diagnose(
    data: str,
    prior: str,
    posterior: str,
    predictive: str,
    output: str,
    study: str,
    id: str,
    name: str,
    limits: dict,
    interval: dict,
) -> None:
    """
    Write summary and checks of one fit to `output`.

    `limits` is `checks` of the study, `interval` has kind and probability. Raises UserError for artefacts that do not belong
    together.
    """
    source = artefact.read(data, study=study)
    same = {"study": study, "model": id, "data_hash": source.attrs["data_hash"]}
    before, fit = artefact.read(prior, **same), artefact.read(posterior, **same, fit=name)
    after = artefact.read(predictive, **same, fit=name)
    draws, settings = artefact.group(fit, "posterior"), json.loads(fit.attrs["settings"])

    summary = statistics.summarise(draws, **interval, limit=limits["scalars"])
    names = {site: values.attrs.get("variable", site) for site, values in artefact.group(before, "observed_data").items()}
    expected = {names[site]: values.values for site, values in artefact.group(before, "prior_predictive").items()}
    bounds = {names.get(name, name): limit for name, limit in limits.get("prior_predictive", {}).items()}
    known = set(artefact.group(source, "data").data_vars)
    found = [predictive_checks.prior(expected, bounds, known, limits["prior_inside"])]
    latent = {str(site) for site, values in draws.items() if values.attrs.get("role") == "latent"}
    found += convergence.of_summary(summary, draws.sizes["chain"], limits, latent)
    found += convergence.of_sampler(artefact.group(fit, "sample_stats"), settings, limits)
    found.append(posterior_predictive(artefact.group(after, "test_statistics"), limits["ppc"]))
    found.append(truth_recovered(artefact.group(source, "truth"), draws, interval, limits["recovery"], limits["scalars"]))

    attributes = artefact.provenance("diagnose", study, {"limits": limits, "interval": interval}, fit.attrs["seed"], ("arviz",))
    attributes |= {**same, "fit": name, "fit_seconds": fit.attrs["wall_time"]}
    attributes |= {"draws": draws.sizes["chain"] * draws.sizes["draw"], "chains": draws.sizes["chain"]}
    artefact.write(output, {"summary": summary, "checks": checks.to_dataset(found)}, attributes)


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
        files = {name: snakemake.input[name] for name in ("data", "prior", "posterior", "predictive")}
        diagnose(**files, output=snakemake.output[0], **snakemake.params)
