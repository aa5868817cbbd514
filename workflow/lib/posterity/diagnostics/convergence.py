"""Checks of a sampler's draws: did the chains converge, are there enough draws, was the geometry too hard?"""

import numpy as np
import xarray as xr

from posterity.diagnostics.check import Check, judge_value, skip_check
from posterity.stats.summary import compute_bfmi


def check_convergence(
    summary: xr.Dataset, chains: int, limits: dict, latent: set[str] = frozenset()
) -> list[Check]:
    """
    Check R-hat, effective sample sizes and Monte Carlo errors of a summary (see `statistics.summarise`).

    A scalar that never changes is left out (a Cholesky factor has some), unless a whole site in `latent` never changes: then the
    chains are stuck, and it fails, as does one with draws that are not finite. Independent draws (`chains` is 0) have no R-hat.
    """
    sites = np.array([str(label).partition("[")[0] for label in summary["parameter"].values])
    still = summary["sd"].values == 0
    stuck = np.isin(sites, [site for site in latent if still[sites == site].all()])
    moving = summary.isel(parameter=np.flatnonzero(~still | stuck))
    names = ("rhat", "ess_bulk", "ess_tail", "mcse")
    if not moving.sizes["parameter"]:
        return [skip_check(name, "no parameter has draws that differ") for name in names]
    count = f" of {moving.sizes['parameter']} scalars" if moving.sizes["parameter"] > 1 else ""
    columns = {"rhat": moving["r_hat"], "mcse": moving["mcse"] / moving["sd"]}
    columns |= {name: moving[name] for name in ("ess_bulk", "ess_tail")}
    columns = {
        name: values.where((moving["sd"] > 0) & np.isfinite(moving["sd"]))
        for name, values in columns.items()
    }
    found = []
    for name, text, largest in (
        ("rhat", "largest R-hat", True),
        ("ess_bulk", "smallest bulk ESS", False),
        ("ess_tail", "smallest tail ESS", False),
        ("mcse", "largest Monte Carlo error of a mean (in units of its sd)", True),
    ):
        values = np.where(
            np.isnan(columns[name].values), np.inf if largest else -np.inf, columns[name].values
        )
        at = int(values.argmax() if largest else values.argmin())
        number = f"{values[at]:.4f}" if largest else f"{values[at]:.0f}"
        message = f"{text}{count}: {number} ({moving['parameter'].values[at]})"
        if name == "rhat" and chains == 0:
            found.append(
                skip_check(name, "the draws are independent: there are no chains to compare")
            )
        elif name == "rhat" and chains == 1:
            check = judge_value(
                name,
                values[at],
                limits[name],
                f"{message}, between parts of one chain; run several chains to be sure",
            )
            found.append(
                Check(**vars(check) | {"status": "warn"}) if check.status == "pass" else check
            )
        else:
            found.append(judge_value(name, values[at], limits[name], message, above=largest))
    return found


def check_sampler(statistics: xr.Dataset, settings: dict, limits: dict) -> list[Check]:
    """Check divergences, energy and tree depth, as far as the sampler has them."""
    found = []
    if "diverging" in statistics:
        count = int(statistics["diverging"].sum())
        total = statistics["diverging"].size
        remedy = "; raise target_accept, or reparametrise" if count else ""
        found.append(
            judge_value(
                "divergences",
                count,
                limits["divergences"],
                f"{count} of {total} draws diverged{remedy}",
            )
        )
    else:
        found.append(skip_check("divergences", "the method has no divergences"))
    if "energy" in statistics:
        values = compute_bfmi(statistics["energy"].transpose("chain", "draw").values)
        message = (
            f"smallest E-BFMI of {len(values)} chains: {values.min():.2f} (chain {values.argmin()})"
        )
        found.append(judge_value("e_bfmi", values.min(), limits["e_bfmi"], message, above=False))
    else:
        found.append(skip_check("e_bfmi", "the method has no energy"))
    if "tree_depth" in statistics and "max_tree_depth" in settings:
        depth = settings["max_tree_depth"]
        share = float((statistics["n_steps"] >= 2**depth - 1).mean())
        message = f"{share:.1%} of the draws reached the largest tree depth, {depth}"
        found.append(judge_value("tree_depth", share, limits["tree_depth"], message))
    else:
        found.append(skip_check("tree_depth", "the method has no trees"))
    if "acceptance_rate" in statistics and "energy" not in statistics:
        each = statistics["acceptance_rate"].transpose("chain", "draw").values.mean(1)
        message = f"smallest mean acceptance of {len(each)} chains: {each.min():.2f} (chain {each.argmin()})"
        found.append(
            judge_value(
                "acceptance_rate", each.min(), limits["acceptance_rate"], message, above=False
            )
        )
    else:
        found.append(skip_check("acceptance_rate", "the method accepts no single proposals"))
    return found
