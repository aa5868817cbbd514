"""Compare models of one data set by leave-one-out cross-validation."""

import warnings

import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats import compare, loo
from arviz_stats.utils import ELPDDataLOO

from posterity.artefact.groups import get_group

MODEL_COLUMNS = ("elpd", "se", "p", "weight", "elpd_diff", "dse", "pareto_k", "bad_k", "good_k")
MAX_EM_STEPS = 2000  # of EM, at most
MIN_LOO_DRAWS = 25  # the fewest with which ArviZ can fit the tail of importance weights
CONSTANT_NATS = 1e-6  # nats; a log-likelihood that changes less over the draws is constant


def compare_models(predictives: dict[str, xr.DataTree], reference: str | None) -> xr.Dataset:
    """
    Compare models of one data set by PSIS-LOO (Vehtari, Gelman & Gabry 2017, Stat Comput 27, 1413) and stacking.

    Each tree has the groups posterior, log_likelihood and observed_data, as predictive.nc has. Only models that observe the same
    values are comparable; the largest group of them counts. Returns a Dataset over `model`, best first, those not comparable last
    and without numbers: elpd, its standard error se, p (effective number of parameters; all in nats), weight (stacking; Yao et al.
    2018, Bayesian Analysis 13, 917), elpd_diff and its standard error dse (to `reference`, else to the best; named in the attribute
    `reference`), pareto_k (largest k-hat; Vehtari et al. 2024, JMLR 25, 72; infinite where it cannot be estimated), bad_k (points
    above good_k = min(1 - 1/log10(S), 0.7) of S draws), points, and message (for a reader). Nothing is raised for a model that
    cannot be scored: its message says why.
    """
    scored, observed, messages = {}, {}, {}
    for name, tree in predictives.items():
        try:
            observed[name], likelihood = flatten_log_likelihood(tree)
            scored[name] = compute_loo(get_group(tree, "posterior"), likelihood)
        except ValueError as reason:
            messages[name] = f"cannot be compared: {reason}"
    groups = [
        [
            other
            for other in scored
            if np.array_equal(observed[name], observed[other], equal_nan=True)
        ]
        for name in scored
    ]
    group = sorted(max(groups, key=len, default=[]), key=lambda name: -scored[name].elpd)
    for name in scored.keys() - set(group):
        sizes = f"{observed[name].size} here, {observed[group[0]].size} there"
        messages[name] = f"not comparable: it observes other values than {group[0]} ({sizes})"
    order = group + [name for name in predictives if name not in group]
    base = reference if reference in group else next(iter(group), "")
    columns = {key: np.full(len(order), np.nan) for key in MODEL_COLUMNS}
    columns["points"] = np.array(
        [observed[name].size if name in observed else np.nan for name in order]
    )
    if group:
        table, remarks = _stack_models({name: scored[name] for name in group}, base)
        for place, name in enumerate(group):
            k, good = scored[name].pareto_k.values, scored[name].good_k
            row = {
                **table.loc[name],
                "pareto_k": k.max(),
                "bad_k": (k > good).sum(),
                "good_k": good,
            }
            for key in MODEL_COLUMNS:
                columns[key][place] = row[key]
            messages[name] = "; ".join(
                [
                    _describe_model(name, base, order[0], len(group), row, k.size),
                    *([] if place else remarks),
                ]
            )
    data = xr.Dataset(
        {key: ("model", values) for key, values in columns.items()},
        {"model": np.array(order, dtype=object)},
    )
    data["message"] = ("model", np.array([messages[name] for name in order], dtype=object))
    return data.assign_attrs(reference=base)


def flatten_log_likelihood(tree: xr.DataTree) -> tuple[np.ndarray, np.ndarray]:
    """
    Flatten and join the observed sites of a model, in their order: values (point,) and log-likelihood (chain, draw, point).

    Raises ValueError if there is no observed site, or a site has not one log-likelihood per observation.
    """
    observed, likelihood = get_group(tree, "observed_data"), get_group(tree, "log_likelihood")
    values, parts = [], []
    for site, y in observed.data_vars.items():
        if site not in likelihood:
            raise ValueError(f"the observed site {site} has no log-likelihood")
        part = likelihood[site].transpose("chain", "draw", ...).values
        part = part.reshape(*part.shape[:2], -1).astype(float)
        if part.shape[2] != y.size:
            raise ValueError(
                f"site {site} has {y.size} observations but {part.shape[2]} log-likelihood, that of all together"
            )
        values.append(y.values.ravel().astype(float))
        parts.append(part)
    if not parts:
        raise ValueError("it observes nothing")
    return np.concatenate(values), np.concatenate(parts, axis=2)


def compute_loo(posterior: xr.Dataset, likelihood: np.ndarray) -> ELPDDataLOO:
    """
    Compute PSIS-LOO from pointwise log-likelihoods (chain, draw, point) by ArviZ; r_eff is the mean over the sites of `posterior`.

    A point whose log-likelihood does not change needs no importance sampling (ArviZ refuses it): elpd is exact, k-hat is 0.
    Raises ValueError for fewer than 2 points, fewer than 25 draws, and log-likelihoods that are not finite.
    """
    chains, draws, points = likelihood.shape
    endless = int((~np.isfinite(likelihood)).any((0, 1)).sum())
    if points < 2:
        raise ValueError("leaving one out takes at least 2 observations, and it has 1")
    if endless:
        raise ValueError(
            f"the log-likelihood of {endless} of {points} observations is not finite at some draws"
        )
    if chains * draws < MIN_LOO_DRAWS:
        raise ValueError(
            f"{chains * draws} draws are too few for importance sampling ({MIN_LOO_DRAWS})"
        )
    changes = np.ptp(likelihood, axis=(0, 1)) > CONSTANT_NATS
    elpd, k, p = likelihood.mean((0, 1)), np.zeros(points), 0.0
    if changes.any():
        density = xr.Dataset({"y": (("chain", "draw", "point"), likelihood[:, :, changes])})
        tree = xr.DataTree.from_dict({"/posterior": posterior, "/log_likelihood": density})
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # large k-hat: it is in the result
            found = loo(tree, pointwise=True, reff=None if posterior.data_vars else 1.0)
        elpd[changes], p = found.elpd_i.values, float(found.p)
        k[changes] = np.nan_to_num(found.pareto_k.values, nan=np.inf)
    if not np.isfinite(elpd).all():
        raise ValueError(
            "importance sampling overflows: the log-likelihood changes too much over the draws"
        )
    good = min(1 - 1 / np.log10(chains * draws), 0.7)
    spread = np.sqrt(points * elpd.var(ddof=1))
    joint = {
        "elpd_i": xr.DataArray(elpd, dims="point"),
        "pareto_k": xr.DataArray(k, dims="point"),
        "good_k": good,
    }
    sizes = {
        "n_samples": chains * draws,
        "n_data_points": points,
        "scale": "log",
        "warning": bool((k > good).any()),
    }
    return ELPDDataLOO(elpd=float(elpd.sum()), se=float(spread), p=p, **sizes, **joint)


def _stack_models(scored: dict[str, ELPDDataLOO], base: str) -> tuple[pd.DataFrame, list[str]]:
    """
    Compare comparable models by ArviZ; returns its table, and what it warns of.

    ArviZ's optimiser of the stacking weights stops early where one point decides against a model that is else the best. From its
    weights on, each step of EM for the shares of a mixture comes closer; at the optimum the mean of p_k / sum(w p) is at most 1.
    """
    # Weights and differences depend on ratios of densities only: relative to the best model at each point nothing underflows.
    top = np.max([one.elpd_i.values for one in scored.values()], axis=0)
    relative = {
        name: ELPDDataLOO(**vars(one) | {"elpd_i": one.elpd_i - top})
        for name, one in scored.items()
    }
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        table = compare(relative, method="stacking", reference=base, round_to="none")
    remarks = {
        f"caution: {one.message}".rstrip(".")
        for one in caught
        if issubclass(one.category, UserWarning)
    }
    density = np.exp([relative[name].elpd_i.values for name in table.index])
    weights = np.maximum(table["weight"].to_numpy(float), 1e-6)
    for _ in range(MAX_EM_STEPS):
        slope = (density / (weights / weights.sum() @ density)).mean(1)
        weights = weights / weights.sum() * slope
        if slope.max() < 1 + 1e-5:
            break
    return table.assign(weight=weights), sorted(remarks)


def _describe_model(name: str, base: str, best: str, models: int, row: dict, points: int) -> str:
    """Say how a model predicts, for a reader; cautions as in ArviZ's documentation of `compare`."""
    difference, error = row["elpd_diff"], row["dse"]
    verb, parts = "predicts ", []
    if name == best:
        verb, parts = "", ["predicts best" if models > 1 else "the only model that can be scored"]
    if name == base != best:
        parts.append("the others are compared with it")
    elif name != base and abs(difference) <= 2 * error:
        parts.append(
            f"cannot be told from {base} (elpd {difference:+.1f} ± {error:.1f}, within 2 standard errors)"
        )
    elif name != base:
        times = f", {abs(difference) / error:.1f} standard errors" if error else ""
        parts.append(
            f"{verb}{'worse' if difference < 0 else 'better'} than {base} by {abs(difference):.1f} ± {error:.1f} (elpd){times}"
        )
    parts.append(f"stacking weight {row['weight']:.2f}")
    if 2 * error < abs(difference) < 4:
        parts.append("caution: for a difference below 4 the standard error is not well known")
    if row["bad_k"]:
        largest = (
            f"largest {row['pareto_k']:.2f}"
            if np.isfinite(row["pareto_k"])
            else "one cannot be estimated"
        )
        parts.append(
            f"caution: k-hat is above {row['good_k']:.2f} at {row['bad_k']} of {points} points ({largest}): elpd may be biased"
        )
    if points < 100 and models > 1:
        parts.append(f"caution: with fewer than 100 points ({points}) standard errors are rough")
    return "; ".join(parts)
