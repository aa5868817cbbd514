"""Compare models of one data set by leave-one-out cross-validation, which their fits have."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats import compare
from arviz_stats.utils import ELPDDataLOO
from numpy.typing import NDArray

from posterity.artefact.groups import get_group
from posterity.comparison.stacking import (
    MAX_WEIGHT_WIDTH,
    bootstrap_weights,
    compute_stacking_weights,
)
from posterity.stats.arviz_bridge import remove_stub_modules

remove_stub_modules()

MODEL_COLUMNS = (
    "elpd",
    "se",
    "p",
    "weight",
    "weight_low",
    "weight_high",
    "elpd_diff",
    "dse",
    "pareto_k",
    "bad_k",
    "good_k",
)
TABLE_COLUMNS = ("elpd", "se", "p", "elpd_diff", "dse")  # those that are sums over the points
# ArviZ's documentation of `compare` names these two.
MIN_KNOWN_DIFFERENCE_NATS = 4  # the standard error of a smaller difference is unreliable
MIN_KNOWN_POINTS = 100  # with fewer points standard errors are rough


class ScoredModel(NamedTuple):
    """
    A model that can be scored.

    Attributes
    ----------
    observed : array
        All observed values.
    elpd : ELPDDataLOO
        Its PSIS-LOO, of all points or of evenly spaced ones.
    scale : float
        Number of observed values for each point.
    mcse : float
        Monte Carlo error of its elpd, in nats.
    """

    observed: NDArray[np.float64]
    elpd: ELPDDataLOO
    scale: float
    mcse: float


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
    weight_low, weight_high : float
        Its interval of 90 %, by a Bayesian bootstrap over the points.
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
    weight_low: float = np.nan
    weight_high: float = np.nan
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
        The artefact predictive.nc of each model, with the groups observed_data and loo.
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
        loo = get_group(tree, "loo")
        if loo.data_vars:
            scored[name] = ScoredModel(
                observed=_flatten_observed(tree),
                elpd=_read_loo(loo),
                scale=loo.attrs["points"] / loo.sizes["point"],
                mcse=loo.attrs["mcse"],
            )
        else:
            reason = loo.attrs.get("reason", "the model observes nothing")
            points = loo.attrs.get("points", 0) or np.nan
            rows[name] = ModelRow(f"cannot be compared: {reason}", points)
    return scored, rows


def _flatten_observed(tree: xr.DataTree) -> NDArray[np.float64]:
    """Return the values of all observed sites, in their order."""
    observed = get_group(tree, "observed_data").data_vars.values()
    return np.concatenate([values.values.ravel().astype(float) for values in observed])


def _read_loo(loo: xr.Dataset) -> ELPDDataLOO:
    """Return the group `loo` as ArviZ's result of its points."""
    elpd = loo["elpd"].values
    pareto_k = loo["pareto_k"].values
    return ELPDDataLOO(
        elpd=float(elpd.sum()),
        se=float(np.sqrt(elpd.size * elpd.var(ddof=1))),
        p=float(loo["p_loo"].values.sum()),
        n_samples=loo.attrs["draws"],
        n_data_points=elpd.size,
        scale="log",
        warning=bool((pareto_k > loo.attrs["good_k"]).any()),
        elpd_i=xr.DataArray(elpd, dims="point"),
        pareto_k=xr.DataArray(pareto_k, dims="point"),
        good_k=loo.attrs["good_k"],
    )


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
    table, remarks = _tabulate_models({name: model.elpd for name, model in scored.items()}, base)
    weights = _weigh_models(scored)
    scale = next(iter(scored.values())).scale
    best = next(iter(scored))
    rows = {}
    for name, model in scored.items():
        k_hat = model.elpd.pareto_k.values
        sums = {key: scale * float(table.loc[name, key]) for key in TABLE_COLUMNS}
        row = ModelRow(
            "",
            model.observed.size,
            **sums,
            **weights[name],
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


def _tabulate_models(
    scored: Mapping[str, ELPDDataLOO], base: str
) -> tuple[pd.DataFrame, list[str]]:
    """Compare comparable models with ArviZ; return its table, and what it warns of."""
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        # Not by stacking: ArviZ's optimiser does not always reach the optimum.
        table = compare(dict(scored), method="pseudo-BMA", reference=base, round_to="none")
    remarks = {
        f"caution: {warning.message}".rstrip(".")
        for warning in caught
        if issubclass(warning.category, UserWarning)
    }
    return table, sorted(remarks)


def _weigh_models(scored: Mapping[str, ScoredModel]) -> dict[str, dict[str, float]]:
    """Return the stacking weight of each model, and its interval."""
    elpd = np.array([model.elpd.elpd_i.values for model in scored.values()])
    # Weights depend on ratios of densities only. Relative to the best model at each point, no
    # density underflows.
    density = np.exp(elpd - elpd.max(axis=0))
    weights = compute_stacking_weights(density)
    intervals = bootstrap_weights(density, np.array([model.mcse for model in scored.values()]))
    return {
        name: {"weight": weights[i], "weight_low": low, "weight_high": high}
        for i, (name, (low, high)) in enumerate(zip(scored, intervals.tolist(), strict=True))
    }


def _describe_prediction(row: ModelRow, name: str, base: str, best: str, models: int) -> list[str]:
    """Return how a model predicts, compared with the reference."""
    parts = []
    if name == best:
        parts.append("predicts best" if models > 1 else "the only model that can be scored")
    if name == base != best:
        parts.append("the others are compared with it")
    if name != base:
        parts.append(_describe_difference(row, base, is_best=name == best))
    parts.append(_describe_weight(row))
    return parts


def _describe_weight(row: ModelRow) -> str:
    if row.weight_high - row.weight_low > MAX_WEIGHT_WIDTH:
        interval = f"{row.weight_low:.2f} to {row.weight_high:.2f}"
        return f"the stacking weight is not determined by these data ({interval})"
    return f"stacking weight {row.weight:.2f}"


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
