"""
Run all checks of a fit: prior, draws, predictions, and a known truth.

Reads data.nc, prior.nc, posterior.nc and, for a fit with draws, predictive.nc and sensitivity.nc.
Writes diagnosis.nc with the groups `summary` (over `parameter`: mean, sd, median, interval, mcse,
ess_bulk, ess_tail, r_hat; only `point` for a point estimate) and `checks` (data, precision,
prior_predictive, rhat, ess_bulk, ess_tail, mcse, divergences, e_bfmi, tree_depth, acceptance_rate,
khat, evidence_error, elbo_convergence, optimum_restarts, ppc, sensitivity, recovery). No other
stage uses the thresholds of a fit, so a new threshold recomputes only diagnosis and verdict.
"""

from posterity.artefact.groups import get_group
from posterity.artefact.netcdf import write_artefact
from posterity.artefact.provenance import collect_provenance
from posterity.config.stage import StageIds
from posterity.diagnostics.check import checks_to_dataset
from posterity.diagnostics.fit_checks import check_fit, read_fit_inputs
from posterity.workflow.job import run_job


def diagnose(
    inputs: dict[str, str], output: str, ids: StageIds, limits: dict, interval: dict
) -> None:
    """
    Write summary and checks of one fit.

    Parameters
    ----------
    inputs : dict
        Paths of `data`, `prior` and `posterior` and, unless the fit is a point estimate, of
        `predictive` and `sensitivity`.
    output : str
        Path of diagnosis.nc.
    ids : StageIds
        Study, model and fit.
    limits : dict
        `checks` of the study: the thresholds, by check.
    interval : dict
        `kind` (hdi or eti) and `probability` of the credible intervals.

    Raises
    ------
    UserError
        If an artefact cannot be read, or belongs to another fit or to other data.
    """
    fit = read_fit_inputs(inputs, ids, limits, interval)
    summary, checks = check_fit(fit)
    provenance = fit.posterior.attrs
    sizes = get_group(fit.posterior, "posterior").sizes
    chains = sizes.get("chain", 0)
    attributes = {
        **collect_provenance(
            "diagnose",
            ids.study,
            {"limits": limits, "interval": interval},
            provenance["seed"],
            ("arviz",),
        ),
        "model": ids.model,
        "data_hash": fit.data.attrs["data_hash"],
        "fit": ids.fit,
        "fit_seconds": provenance["wall_time"],
        "draws": chains * sizes.get("draw", 0),
        "chains": chains,
    }
    write_artefact(output, {"summary": summary, "checks": checks_to_dataset(checks)}, attributes)


if __name__ == "__main__":
    with run_job(snakemake):
        names = ("data", "prior", "posterior", "predictive", "sensitivity")
        diagnose(
            {name: snakemake.input[name] for name in names if snakemake.input.get(name)},
            snakemake.output[0],
            StageIds(snakemake.params.study, snakemake.params.model, snakemake.params.fit),
            snakemake.params.limits,
            snakemake.params.interval,
        )
