"""Compare models of one data set by leave-one-out cross-validation."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats import compare, loo
from arviz_stats.utils import ELPDDataLOO
from numpy.typing import NDArray

from posterity.artefact.groups import get_group
from posterity.stats.arviz_bridge import remove_stub_modules

remove_stub_modules()

MODEL_COLUMNS = ("elpd", "se", "p", "weight", "elpd_diff", "dse", "pareto_k", "bad_k", "good_k")
MAX_EM_STEPS = 2000
EM_TOLERANCE = 1e-5  # of the largest slope, which is 1 at the optimum
MIN_WEIGHT = 1e-6  # where EM begins: it never leaves a weight of 0
MIN_LOO_DRAWS = 25  # the fewest with which ArviZ can fit the tail of importance weights
CONSTANT_NATS = 1e-6  # a log-likelihood that changes less over the draws is constant
# ArviZ's documentation of `compare` names these two.
MIN_KNOWN_DIFFERENCE_NATS = 4  # the standard error of a smaller difference is unreliable
MIN_KNOWN_POINTS = 100  # with fewer points standard errors are rough


class ScoredModel(NamedTuple):
    """A model that can be scored: its observed values, shape (point,), and its PSIS-LOO."""

    observed: NDArray[np.float64]
    elpd: ELPDDataLOO


@dataclass(frozen=True)
class ModelRow:
    """
    A model in the comparison; NaN for what is not known.

    Attributes
    ----------
    message : str
        How the model predicts, or why it cannot be compared.
    points : float
        Number of observed values.
    elpd, se : float
        Expected log predictive density and its standard error, in nats.
    p : float
        Effective number of parameters.
    weight : float
        Stacking weight.
    elpd_diff, dse : float
        Difference to the reference and its standard error, in nats.
    pareto_k : float
        The largest Pareto k-hat.
    bad_k, good_k : float
        Number of points with a larger k-hat than `good_k`.
    """

    message: str
    points: float = np.nan
    elpd: float = np.nan
    se: float = np.nan
    p: float = np.nan
    weight: float = np.nan
    elpd_diff: float = np.nan
    dse: float = np.nan
    pareto_k: float = np.nan
    bad_k: float = np.nan
    good_k: float = np.nan


def compare_models(predictives: Mapping[str, xr.DataTree], reference: str | None) -> xr.Dataset:
    """
    Compare models of one data set by PSIS-LOO and stacking.

    Only models that observe the same values are comparable. The largest such group is compared.
    Sources: Vehtari, Gelman & Gabry 2017, Stat Comput 27, 1413 (PSIS-LOO); Yao et al. 2018,
    Bayesian Analysis 13, 917 (stacking); Vehtari et al. 2024, JMLR 25, 72 (k-hat).

    Parameters
    ----------
    predictives : dict
        The artefact predictive.nc of each model, with the groups posterior, log_likelihood and
        observed_data.
    reference : str or None
        The model that others are compared with; None, or a model that cannot be compared, for the
        best one.

    Returns
    -------
    xarray.Dataset
        The fields of `ModelRow` over `model`, the best first, models that are not comparable last.
        k-hat is infinite if it cannot be estimated; good_k = min(1 - 1/log10(S), 0.7) of S draws.
        The attribute `reference` names the reference. If a model cannot be scored, its message says
        why, and nothing is raised.
    """
    scored, rows = _score_models(predictives)
    group = _choose_comparable_group(scored)
    base = reference if reference in group else next(iter(group), "")
    rows |= _describe_incomparable_models(scored, group)
    if group:
        rows |= _compare_group({name: scored[name] for name in group}, base)
    order = [*group, *(name for name in predictives if name not in group)]
    table = _rows_to_dataset({name: rows[name] for name in order})
    return table.assign_attrs(reference=base)


def _score_models(
    predictives: Mapping[str, xr.DataTree],
) -> tuple[dict[str, ScoredModel], dict[str, ModelRow]]:
    """Return the models that can be scored, and the rows of those that cannot."""
    scored = {}
    rows = {}
    for name, tree in predictives.items():
        points = np.nan
        try:
            observed, likelihood = flatten_log_likelihood(tree)
            points = observed.size
            scored[name] = ScoredModel(
                observed, compute_loo(get_group(tree, "posterior"), likelihood)
            )
        except ValueError as reason:
            rows[name] = ModelRow(f"cannot be compared: {reason}", points)
    return scored, rows


def _choose_comparable_group(scored: Mapping[str, ScoredModel]) -> list[str]:
    """Return the largest group of models that observe the same values, the best first."""
    groups = [
        [other for other in scored if _observe_the_same(scored[name], scored[other])]
        for name in scored
    ]
    largest: list[str] = max(groups, key=lambda group: len(group), default=[])
    return sorted(largest, key=lambda name: -scored[name].elpd.elpd)


def _observe_the_same(first: ScoredModel, second: ScoredModel) -> bool:
    return np.array_equal(first.observed, second.observed, equal_nan=True)


def _describe_incomparable_models(
    scored: Mapping[str, ScoredModel], group: Sequence[str]
) -> dict[str, ModelRow]:
    """Return the rows of models that observe other values than the group."""
    rows = {}
    for name in scored:
        if name not in group:
            points = scored[name].observed.size
            sizes = f"{points} values, {group[0]} has {scored[group[0]].observed.size}"
            message = f"not comparable: it observes other values than {group[0]} ({sizes})"
            rows[name] = ModelRow(message, points)
    return rows


def _compare_group(scored: Mapping[str, ScoredModel], base: str) -> dict[str, ModelRow]:
    """Return the rows of comparable models, given with the best first."""
    table, remarks = _stack_models({name: model.elpd for name, model in scored.items()}, base)
    best = next(iter(scored))
    rows = {}
    for name, model in scored.items():
        k_hat = model.elpd.pareto_k.values
        statistics = {key: float(table.loc[name, key]) for key in MODEL_COLUMNS[:6]}
        row = ModelRow(
            "",
            k_hat.size,
            **statistics,
            pareto_k=float(k_hat.max()),
            bad_k=int((k_hat > model.elpd.good_k).sum()),
            good_k=float(model.elpd.good_k),
        )
        parts = _describe_prediction(row, name, base, best, len(scored))
        parts += _list_cautions(row, len(scored))
        if name == best:
            parts += remarks
        rows[name] = replace(row, message="; ".join(parts))
    return rows


def _rows_to_dataset(rows: Mapping[str, ModelRow]) -> xr.Dataset:
    columns = {
        name: np.array([getattr(row, name) for row in rows.values()], dtype=float)
        for name in MODEL_COLUMNS
    }
    columns["points"] = np.array([row.points for row in rows.values()])
    columns["message"] = np.array([row.message for row in rows.values()], dtype=object)
    return xr.Dataset(
        {name: ("model", values) for name, values in columns.items()},
        {"model": np.array(list(rows), dtype=object)},
    )


def flatten_log_likelihood(
    tree: xr.DataTree,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Return the values, shape (point,), and log-likelihoods, shape (chain, draw, point), of a model.

    Joins the observed sites in their order. Raises ValueError if there is no observed site, or if a
    site has not one log-likelihood per observation.
    """
    observed = get_group(tree, "observed_data")
    likelihood = get_group(tree, "log_likelihood")
    values = []
    parts = []
    for site, observations in observed.data_vars.items():
        if site not in likelihood:
            raise ValueError(f"the observed site {site} has no log-likelihood")
        part = likelihood[site].transpose("chain", "draw", ...).values
        part = part.reshape(*part.shape[:2], -1).astype(float)
        if part.shape[2] != observations.size:
            raise ValueError(
                f"site {site} has {observations.size} observations but {part.shape[2]} "
                "log-likelihood, that of their joint distribution"
            )
        values.append(observations.values.ravel().astype(float))
        parts.append(part)
    if not parts:
        raise ValueError("the model observes nothing")
    return np.concatenate(values), np.concatenate(parts, axis=2)


def compute_loo(posterior: xr.Dataset, likelihood: NDArray[np.float64]) -> ELPDDataLOO:
    """
    Compute PSIS-LOO with ArviZ from log-likelihoods of shape (chain, draw, point).

    The relative efficiency is the mean over the sites of `posterior`. A point whose log-likelihood
    is constant needs no importance sampling, and ArviZ refuses it: its elpd is exact and its k-hat
    is 0. Raises ValueError for fewer than 2 points, fewer than 25 draws, or log-likelihoods that
    are not finite.
    """
    _require_loo_inputs(likelihood)
    points = likelihood.shape[2]
    elpd = likelihood.mean((0, 1))
    pareto_k = np.zeros(points)
    parameters = 0.0
    is_changing = np.ptp(likelihood, axis=(0, 1)) > CONSTANT_NATS
    if is_changing.any():
        result = _run_loo(posterior, likelihood[:, :, is_changing])
        elpd[is_changing] = result.elpd_i.values
        pareto_k[is_changing] = np.nan_to_num(result.pareto_k.values, nan=np.inf)
        parameters = float(result.p)
    if not np.isfinite(elpd).all():
        raise ValueError(
            "importance sampling overflows: the log-likelihood changes too much over the draws"
        )
    samples = likelihood.shape[0] * likelihood.shape[1]
    good_k = min(1 - 1 / np.log10(samples), 0.7)
    return ELPDDataLOO(
        elpd=float(elpd.sum()),
        se=float(np.sqrt(points * elpd.var(ddof=1))),
        p=parameters,
        n_samples=samples,
        n_data_points=points,
        scale="log",
        warning=bool((pareto_k > good_k).any()),
        elpd_i=xr.DataArray(elpd, dims="point"),
        pareto_k=xr.DataArray(pareto_k, dims="point"),
        good_k=good_k,
    )


def _require_loo_inputs(likelihood: NDArray[np.float64]) -> None:
    """Raise ValueError if PSIS-LOO does not apply."""
    chains, draws, points = likelihood.shape
    if points < 2:
        raise ValueError("leave-one-out needs at least 2 observations, and the model has 1")
    infinite_points = int((~np.isfinite(likelihood)).any((0, 1)).sum())
    if infinite_points:
        raise ValueError(
            f"the log-likelihood of {infinite_points} of {points} observations is not finite at "
            "some draws"
        )
    if chains * draws < MIN_LOO_DRAWS:
        raise ValueError(
            f"{chains * draws} draws are too few for importance sampling (at least {MIN_LOO_DRAWS})"
        )


def _run_loo(posterior: xr.Dataset, likelihood: NDArray[np.float64]) -> ELPDDataLOO:
    density = xr.Dataset({"y": (("chain", "draw", "point"), likelihood)})
    tree = xr.DataTree.from_dict({"/posterior": posterior, "/log_likelihood": density})
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of a large k-hat, which the result has
        return loo(tree, pointwise=True, reff=None if posterior.data_vars else 1.0)


def _stack_models(scored: Mapping[str, ELPDDataLOO], base: str) -> tuple[pd.DataFrame, list[str]]:
    """Compare comparable models with ArviZ; return its table, and what it warns of."""
    # Weights and differences depend on ratios of densities only. Relative to the best model at each
    # point, no density underflows.
    best_elpd = np.max([model.elpd_i.values for model in scored.values()], axis=0)
    relative = {
        name: ELPDDataLOO(**vars(model) | {"elpd_i": model.elpd_i - best_elpd})
        for name, model in scored.items()
    }
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        table = compare(relative, method="stacking", reference=base, round_to="none")
    remarks = {
        f"caution: {warning.message}".rstrip(".")
        for warning in caught
        if issubclass(warning.category, UserWarning)
    }
    density = np.exp([relative[name].elpd_i.values for name in table.index])
    weights = _refine_weights(table["weight"].to_numpy(float), density)
    return table.assign(weight=weights), sorted(remarks)


def _refine_weights(
    weights: NDArray[np.float64], density: NDArray[np.float64]
) -> NDArray[np.float64]:
    """
    Return stacking weights at their optimum, by EM for the shares of a mixture.

    `density` has shape (model, point). At the optimum the mean of p_k / sum(w p) over the points is
    at most 1 for each model k.
    """
    # ArviZ's optimiser stops early if one point decides against a model that is otherwise the best.
    # Remove this function once ArviZ's `compare` reaches the optimum.
    weights = np.maximum(weights, MIN_WEIGHT)
    for _ in range(MAX_EM_STEPS):
        shares = weights / weights.sum()
        slope = (density / (shares @ density)).mean(1)
        weights = shares * slope
        if slope.max() < 1 + EM_TOLERANCE:
            break
    return weights


def _describe_prediction(row: ModelRow, name: str, base: str, best: str, models: int) -> list[str]:
    """Return how a model predicts, compared with the reference."""
    parts = []
    if name == best:
        parts.append("predicts best" if models > 1 else "the only model that can be scored")
    if name == base != best:
        parts.append("the others are compared with it")
    if name != base:
        parts.append(_describe_difference(row, base, is_best=name == best))
    parts.append(f"stacking weight {row.weight:.2f}")
    return parts


def _describe_difference(row: ModelRow, base: str, is_best: bool) -> str:
    """Return how the elpd of a model differs from that of the reference."""
    difference = row.elpd_diff
    error = row.dse
    if abs(difference) <= 2 * error:
        size = f"elpd {difference:+.1f} ± {error:.1f}, within 2 standard errors"
        return f"cannot be distinguished from {base} ({size})"
    verb = "" if is_best else "predicts "
    direction = "worse" if difference < 0 else "better"
    ratio = f", {abs(difference) / error:.1f} standard errors" if error else ""
    size = f"{abs(difference):.1f} ± {error:.1f} (elpd){ratio}"
    return f"{verb}{direction} than {base} by {size}"


def _list_cautions(row: ModelRow, models: int) -> list[str]:
    """Return what makes the numbers of a model unreliable, as in ArviZ's documentation."""
    cautions = []
    if 2 * row.dse < abs(row.elpd_diff) < MIN_KNOWN_DIFFERENCE_NATS:
        cautions.append(
            f"caution: for a difference below {MIN_KNOWN_DIFFERENCE_NATS} the standard error is "
            "not well known"
        )
    if row.bad_k:
        is_known = np.isfinite(row.pareto_k)
        largest = f"largest {row.pareto_k:.2f}" if is_known else "one cannot be estimated"
        cautions.append(
            f"caution: k-hat is above {row.good_k:.2f} at {row.bad_k} of {row.points} points "
            f"({largest}): elpd may be biased"
        )
    if row.points < MIN_KNOWN_POINTS and models > 1:
        cautions.append(
            f"caution: with fewer than {MIN_KNOWN_POINTS} points ({row.points}) standard errors "
            "are rough"
        )
    return cautions
