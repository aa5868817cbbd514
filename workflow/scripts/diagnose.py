"""
Summarise a posterior and judge whether its draws can be trusted.

Reads posterior.nc and, for the truth of a simulation, data.nc. Writes diagnosis.nc with the groups `summary` (over `parameter`:
mean, sd, median, interval, mcse, ess_bulk, ess_tail, r_hat) and `checks` (rhat, ess_bulk, ess_tail, mcse, divergences, e_bfmi,
tree_depth, recovery).
"""

import json

import numpy as np

from posterity import artefact, checks, convergence, recovery, statistics
from posterity.job import job


def diagnose(data: str, posterior: str, output: str, study: str, id: str, name: str, limits: dict, interval: dict) -> None:
    """
    Write summary and checks of one fit to `output`.

    `limits` are the thresholds of the checks, `interval` has kind and probability. Raises UserError for artefacts that do not
    belong together.
    """
    source = artefact.read(data, study=study)
    fit = artefact.read(posterior, study=study, model=id, fit=name, data_hash=source.attrs["data_hash"])
    draws, settings = artefact.group(fit, "posterior"), json.loads(fit.attrs["settings"])
    summary = statistics.summarise(draws, **interval, limit=limits["scalars"])
    found = convergence.of_summary(summary, draws.sizes["chain"], limits)
    found += convergence.of_sampler(artefact.group(fit, "sample_stats"), settings, limits)

    truth = artefact.group(source, "truth")
    known = [site for site in draws.data_vars if site in truth and truth[site].size == draws[site].isel(chain=0, draw=0).size]
    labels, values = statistics.scalars(draws[known])
    expected = np.concatenate([np.ravel(truth[site].values) for site in known] or [[]]).astype(float)
    values = values.reshape(len(labels), values.shape[1] * values.shape[2])
    found.append(recovery.check(labels, values, expected, **interval, level=limits["recovery"]))

    attributes = artefact.provenance("diagnose", study, {"limits": limits, "interval": interval}, fit.attrs["seed"], ("arviz",))
    attributes |= {"model": id, "fit": name, "data_hash": fit.attrs["data_hash"], "fit_seconds": fit.attrs["wall_time"]}
    attributes |= {"draws": draws.sizes["chain"] * draws.sizes["draw"], "chains": draws.sizes["chain"]}
    artefact.write(output, {"summary": summary, "checks": checks.to_dataset(found)}, attributes)


if __name__ == "__main__":
    with job(snakemake):
        diagnose(snakemake.input.data, snakemake.input.posterior, snakemake.output[0], **snakemake.params)
