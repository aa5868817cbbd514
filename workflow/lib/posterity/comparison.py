"""Comparisons: models of one data set by leave-one-out cross-validation, and fits of one model by their posteriors."""

import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats import compare, loo
from arviz_stats.base import array_stats
from arviz_stats.utils import ELPDDataLOO
from scipy.stats import norm

from posterity import artefact
from posterity.standins import drop
from posterity.statistics import scalars

drop()

NUMBERS = ("elpd", "se", "p", "weight", "elpd_diff", "dse", "pareto_k", "bad_k", "good_k")
COLUMNS = ("fit_a", "fit_b", "parameter", "difference", "difference_error", "ratio", "ratio_error")
COLUMNS += ("wasserstein", "wasserstein_error")
QUANTILES = (0.1, 0.5, 0.9)
STEPS = 2000  # of EM, at most
DRAWS = 25  # the fewest with which ArviZ can fit the tail of importance weights
FLAT = 1e-6  # nats; a log-likelihood that changes less over the draws is constant
LEVEL = 0.01  # probability that any scalar of a pair of equal fits is said to differ
SIZES = {0.1: "negligible", 0.5: "visible"}  # below so many sds; else large
BLOCK = 50  # scalars whose distances are computed together: bounds the memory


def models(predictives: dict[str, xr.DataTree], reference: str | None) -> xr.Dataset:
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
            observed[name], likelihood = pointwise(tree)
            scored[name] = leave_one_out(artefact.group(tree, "posterior"), likelihood)
        except ValueError as reason:
            messages[name] = f"cannot be compared: {reason}"
    groups = [[other for other in scored if np.array_equal(observed[name], observed[other], equal_nan=True)] for name in scored]
    group = sorted(max(groups, key=len, default=[]), key=lambda name: -scored[name].elpd)
    for name in scored.keys() - set(group):
        sizes = f"{observed[name].size} here, {observed[group[0]].size} there"
        messages[name] = f"not comparable: it observes other values than {group[0]} ({sizes})"
    order = group + [name for name in predictives if name not in group]
    base = reference if reference in group else next(iter(group), "")
    columns = {key: np.full(len(order), np.nan) for key in NUMBERS}
    columns["points"] = np.array([observed[name].size if name in observed else np.nan for name in order])
    if group:
        table, remarks = _stacked({name: scored[name] for name in group}, base)
        for place, name in enumerate(group):
            k, good = scored[name].pareto_k.values, scored[name].good_k
            row = {**table.loc[name], "pareto_k": k.max(), "bad_k": (k > good).sum(), "good_k": good}
            for key in NUMBERS:
                columns[key][place] = row[key]
            messages[name] = "; ".join([_sentence(name, base, order[0], len(group), row, k.size), *([] if place else remarks)])
    data = xr.Dataset({key: ("model", values) for key, values in columns.items()}, {"model": np.array(order, dtype=object)})
    data["message"] = ("model", np.array([messages[name] for name in order], dtype=object))
    return data.assign_attrs(reference=base)


def pointwise(tree: xr.DataTree) -> tuple[np.ndarray, np.ndarray]:
    """
    Flatten and join the observed sites of a model, in their order: values (point,) and log-likelihood (chain, draw, point).

    Raises ValueError if there is no observed site, or a site has not one log-likelihood per observation.
    """
    observed, likelihood = artefact.group(tree, "observed_data"), artefact.group(tree, "log_likelihood")
    values, parts = [], []
    for site, y in observed.data_vars.items():
        if site not in likelihood:
            raise ValueError(f"the observed site {site} has no log-likelihood")
        part = likelihood[site].transpose("chain", "draw", ...).values
        part = part.reshape(*part.shape[:2], -1).astype(float)
        if part.shape[2] != y.size:
            raise ValueError(f"site {site} has {y.size} observations but {part.shape[2]} log-likelihood, that of all together")
        values.append(y.values.ravel().astype(float))
        parts.append(part)
    if not parts:
        raise ValueError("it observes nothing")
    return np.concatenate(values), np.concatenate(parts, axis=2)


def leave_one_out(posterior: xr.Dataset, likelihood: np.ndarray) -> ELPDDataLOO:
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
        raise ValueError(f"the log-likelihood of {endless} of {points} observations is not finite at some draws")
    if chains * draws < DRAWS:
        raise ValueError(f"{chains * draws} draws are too few for importance sampling ({DRAWS})")
    changes = np.ptp(likelihood, axis=(0, 1)) > FLAT
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
        raise ValueError("importance sampling overflows: the log-likelihood changes too much over the draws")
    good = min(1 - 1 / np.log10(chains * draws), 0.7)
    spread = np.sqrt(points * elpd.var(ddof=1))
    joint = {"elpd_i": xr.DataArray(elpd, dims="point"), "pareto_k": xr.DataArray(k, dims="point"), "good_k": good}
    sizes = {"n_samples": chains * draws, "n_data_points": points, "scale": "log", "warning": bool((k > good).any())}
    return ELPDDataLOO(elpd=float(elpd.sum()), se=float(spread), p=p, **sizes, **joint)


def _stacked(scored: dict[str, ELPDDataLOO], base: str) -> tuple[pd.DataFrame, list[str]]:
    """
    Compare comparable models by ArviZ; returns its table, and what it warns of.

    ArviZ's optimiser of the stacking weights stops early where one point decides against a model that is else the best. From its
    weights on, each step of EM for the shares of a mixture comes closer; at the optimum the mean of p_k / sum(w p) is at most 1.
    """
    # Weights and differences depend on ratios of densities only: relative to the best model at each point nothing underflows.
    top = np.max([one.elpd_i.values for one in scored.values()], axis=0)
    relative = {name: ELPDDataLOO(**vars(one) | {"elpd_i": one.elpd_i - top}) for name, one in scored.items()}
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        table = compare(relative, method="stacking", reference=base, round_to="none")
    remarks = {f"caution: {one.message}".rstrip(".") for one in caught if issubclass(one.category, UserWarning)}
    density = np.exp([relative[name].elpd_i.values for name in table.index])
    weights = np.maximum(table["weight"].to_numpy(float), 1e-6)
    for _ in range(STEPS):
        slope = (density / (weights / weights.sum() @ density)).mean(1)
        weights = weights / weights.sum() * slope
        if slope.max() < 1 + 1e-5:
            break
    return table.assign(weight=weights), sorted(remarks)


def _sentence(name: str, base: str, best: str, models: int, row: dict, points: int) -> str:
    """Say how a model predicts, for a reader; cautions as in ArviZ's documentation of `compare`."""
    difference, error = row["elpd_diff"], row["dse"]
    verb, parts = "predicts ", []
    if name == best:
        verb, parts = "", ["predicts best" if models > 1 else "the only model that can be scored"]
    if name == base != best:
        parts.append("the others are compared with it")
    elif name != base and abs(difference) <= 2 * error:
        parts.append(f"cannot be told from {base} (elpd {difference:+.1f} ± {error:.1f}, within 2 standard errors)")
    elif name != base:
        times = f", {abs(difference) / error:.1f} standard errors" if error else ""
        parts.append(
            f"{verb}{'worse' if difference < 0 else 'better'} than {base} by {abs(difference):.1f} ± {error:.1f} (elpd){times}"
        )
    parts.append(f"stacking weight {row['weight']:.2f}")
    if 2 * error < abs(difference) < 4:
        parts.append("caution: for a difference below 4 the standard error is not well known")
    if row["bad_k"]:
        largest = f"largest {row['pareto_k']:.2f}" if np.isfinite(row["pareto_k"]) else "one cannot be estimated"
        parts.append(
            f"caution: k-hat is above {row['good_k']:.2f} at {row['bad_k']} of {points} points ({largest}): elpd may be biased"
        )
    if points < 100 and models > 1:
        parts.append(f"caution: with fewer than 100 points ({points}) standard errors are rough")
    return "; ".join(parts)


def fits(posteriors: dict[str, xr.Dataset], points: dict[str, xr.Dataset], limit: int) -> xr.Dataset:
    """
    Compare fits of one model with each other: each pair (a, b) in the given order, except pairs of two point estimates.

    `posteriors` have dimensions (chain, draw, ...), `points` those of the sites. Scalars are those of `statistics.scalars` (`limit`
    of a site) that both fits have and that change in a. Returns a Dataset over `row`, units of sd_a:
    fit_a, fit_b, parameter;
    difference = (mean_b - mean_a) / sd_a, and difference_error, from the Monte Carlo standard errors of both means;
    ratio = sd_b / sd_a, and ratio_error, from those of both sds (delta method);
    wasserstein = integral |F_a - F_b| dx / sd_a, and wasserstein_error, what samples of equal distributions would have on average:
    integral sqrt(2/pi F (1 - F) (1/n_a + 1/n_b)) dx / sd_a with F of the pooled draws (del Barrio, Gine & Matran 1999, Annals of
    Probability 27, 1009) and n the ESS of F itself: that of the 10, 50 and 90 % quantiles, 1/n interpolated in F. (The bulk ESS is
    that of odd functions: where chains alternate, as those of NUTS do, it is too large for the tails.)
    For a point estimate b its value takes the place of mean_b, and there is no ratio and no distance (NaN). The noise of sd_a as a
    unit is left out.
    """
    samples = {name: _moments(*scalars(posterior, limit)) for name, posterior in posteriors.items()}
    single = {name: scalars(point.expand_dims(chain=1, draw=1), limit) for name, point in points.items()}
    parts = []
    for a, b in combinations([*samples, *single], 2):
        if a not in samples:
            continue
        one, other = samples[a], samples.get(b) or {"labels": single[b][0], "mean": single[b][1][:, 0, 0]}
        place = {label: j for j, label in enumerate(other["labels"])}
        i = np.array([i for i, label in enumerate(one["labels"]) if label in place and one["changes"][i]], dtype=int)
        j = np.array([place[one["labels"][k]] for k in i], dtype=int)
        names = [np.array(texts, dtype=object) for texts in ([a] * len(i), [b] * len(i), [one["labels"][k] for k in i])]
        with np.errstate(all="ignore"):
            parts.append((*names, *_pair(one, other, i, j)))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] or [np.zeros(0)] * len(COLUMNS)
    return xr.Dataset({key: ("row", column) for key, column in zip(COLUMNS, columns, strict=True)})


def _moments(labels: list[str], draws: np.ndarray) -> dict:
    """Compute what pairs need of one fit, for each scalar: moments, their errors, 1/ESS of quantiles, and its draws in order."""
    pooled = np.sort(draws.reshape(len(labels), draws.shape[1] * draws.shape[2]), axis=1)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # scalars that do not change
        numbers = {
            "mean": pooled.mean(1),
            "sd": pooled.std(1, ddof=1),
            "mcse": np.asarray(array_stats.mcse(draws, method="mean")),
            "mcse_sd": np.asarray(array_stats.mcse(draws, method="sd")),
            "noise": np.stack([1 / np.asarray(array_stats.ess(draws, method="quantile", prob=p)) for p in QUANTILES], axis=1),
        }
    return {"labels": labels, "draws": pooled, "changes": np.ptp(pooled, axis=1) != 0, **numbers}


def _pair(one: dict, other: dict, i: np.ndarray, j: np.ndarray) -> tuple[np.ndarray, ...]:
    """Compute the numbers of `fits` for one pair; `i` and `j` are the places of the common scalars in each."""
    a, b = ({key: values[at] for key, values in fit.items() if key != "labels"} for fit, at in ((one, i), (other, j)))
    difference = (b["mean"] - a["mean"]) / a["sd"]
    if "sd" not in b:
        return difference, a["mcse"] / a["sd"], *[np.full(len(i), np.nan)] * 4
    ratio = b["sd"] / a["sd"]
    blocks = [slice(k, k + BLOCK) for k in range(0, len(i), BLOCK)]
    parts = [wasserstein(a["draws"][at], b["draws"][at], a["noise"][at] + b["noise"][at]) for at in blocks]
    distance, expected = np.concatenate([np.zeros((2, 0)), *parts], axis=1) / a["sd"]
    errors = np.hypot(a["mcse"], b["mcse"]) / a["sd"], np.hypot(ratio * a["mcse_sd"], b["mcse_sd"]) / a["sd"]
    return difference, errors[0], ratio, errors[1], distance, expected


def wasserstein(a: np.ndarray, b: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Compute the 1-Wasserstein distance of sorted samples, shapes (scalar, draw), and what it would be for equal distributions.

    The distance is integral |Q_a - Q_b| du, exact for samples of unequal sizes (Vallender 1974, Theory Probab Appl 18, 784). The
    `noise` is 1/n_a + 1/n_b at the `QUANTILES`, shape (scalar, 3); see `fits` for the expectation.
    """
    sizes = a.shape[1], b.shape[1]
    levels = np.union1d(*(np.arange(1, n + 1) / n for n in sizes))
    widths = np.diff(levels, prepend=0)
    at = [np.minimum(((levels - widths / 2) * n).astype(int), n - 1) for n in sizes]
    share = np.arange(1, sum(sizes)) / sum(sizes)
    between = np.stack([np.interp(share, QUANTILES, one) for one in np.eye(len(QUANTILES))])
    pooled = np.sort(np.concatenate([a, b], axis=1), axis=1, kind="stable")
    expected = np.diff(pooled) * np.sqrt(2 / np.pi * share * (1 - share) * (noise @ between))
    return np.abs(a[:, at[0]] - b[:, at[1]]) @ widths, expected.sum(1)


def in_words(rows: xr.Dataset) -> list[dict]:
    """
    Say of each pair of fits (rows of one model, see `fits`) whether they agree, and else what differs, and how much.

    Equal fits are said to differ with a probability of at most 1 % for all scalars of a pair (Bonferroni over its t tests):
    a mean or the log of an sd beyond the two-sided normal quantile of its error at 1 % / t, and a distance beyond its expectation
    by more than sqrt(2 log(t / 1 %)) errors of the mean or sd (Gaussian concentration: of independent draws no mean of a Lipschitz
    function has a larger error than the mean). The last is said only where means and sds agree. Sizes, of |difference|, |log ratio|
    or distance: negligible < 0.1 <= visible < 0.5 <= large.

    Returns, for each pair: fit_a, fit_b, agree (None where nothing can be judged), size (of the largest that differs), message.
    """
    names = [*zip(rows["fit_a"].values, rows["fit_b"].values, strict=True)] if "fit_a" in rows else []
    said = []
    for a, b in dict.fromkeys(names):
        here = {key: values.values[[pair == (a, b) for pair in names]] for key, values in rows.data_vars.items()}
        point, error = np.isnan(here["ratio"]).all(), here["difference_error"]
        with np.errstate(all="ignore"):
            shift, scale, distance = np.abs(here["difference"]), np.abs(np.log(here["ratio"])), here["wasserstein"]
            tests = max(1, sum(int(np.isfinite(here[key]).sum()) for key in ("difference", "ratio", "wasserstein")))
            z, reach = norm.isf(LEVEL / tests / 2), np.sqrt(2 * np.log(tests / LEVEL))
            moved = shift > z * error
            scaled = (scale * here["ratio"] > z * here["ratio_error"]) | (here["ratio"] == 0)
            bent = (distance > here["wasserstein_error"] + reach * np.fmax(error, here["ratio_error"])) & ~(
                moved.any() | scaled.any()
            )
        judged = np.isfinite(shift) & np.isfinite(error)
        parts, largest = [], 0.0
        for differs, size, shown, text in (
            (moved, shift, shift, f"{b} is up to {{:.2g}} sd from the mean of {a}" if point else "means differ by up to {:.2g} sd"),
            (scaled, scale, here["ratio"], "sds differ by a factor {:.2g}"),
            (bent, distance, distance, "shapes differ, {:.2g} sd apart"),
        ):
            if differs.any():
                worst = np.argmax(np.where(differs, size, -1))
                parts.append(f"{text.format(shown[worst])} ({here['parameter'][worst]}), {in_size(size[worst])}")
                largest = max(largest, size[worst])
        if parts:
            message = "; ".join(parts) + ": more than Monte Carlo error"
        elif judged.any():
            worst = np.argmax(np.where(judged, shift, -1))
            message = "agree within Monte Carlo error "
            message += f"(largest difference of means {shift[worst]:.2g} sd, {here['parameter'][worst]})"
        else:
            message = "cannot be compared: too few draws to know the Monte Carlo error"
        if judged.any() and not judged.all():
            message += f"; {(~judged).sum()} of {len(judged)} scalars cannot be compared"
        agree = not parts if parts or judged.any() else None
        said.append({"fit_a": a, "fit_b": b, "agree": agree, "size": in_size(largest) if parts else "", "message": message})
    return said


def in_size(size: float) -> str:
    """Name a difference in units of the sd."""
    return next((word for limit, word in SIZES.items() if size < limit), "large")
