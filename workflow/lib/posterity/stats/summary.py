"""Summaries and convergence diagnostics of draws, most of them by ArviZ."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from posterity.artefact.groups import get_group, list_draw_groups
from posterity.artefact.streamed import BLOCK_BYTES
from posterity.stats.arviz_bridge import import_array_stats
from posterity.stats.effective_size import compute_ess, compute_tail_ess
from posterity.stats.monte_carlo import compute_quantile_mcse
from posterity.stats.ranks import RankScores, score_ranks
from posterity.stats.rhat import MANY_CHAINS, MIN_NOISY_RHAT, compute_rhat, compute_within_chain_ess
from posterity.stats.tails import compute_tail_shapes
from posterity.stats.weights import compute_weighted_size, has_guide_draws

# A stored summary has the convergence diagnostics of at most so many scalars per site.
MAX_STORED_SCALARS = 1000
TAIL_QUANTILES = (0.05, 0.95)  # of the tail ESS
MIN_RHAT_DRAWS = 4  # per chain; fewer cannot be split
PRECISION_COLUMNS = ("mcse", "mcse_lower", "mcse_upper", "ess_bulk", "ess_tail")
COLUMNS_WITHOUT_DRAWS = ("mcse_lower", "mcse_upper", "ess_within", "pareto_k")


def select_scalars(count: int, limit: int | None) -> NDArray[np.int64]:
    """Return the positions of at most `limit` evenly spaced scalars out of `count`; all if None."""
    if limit is None or count <= limit:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, limit).round().astype(int))


def label_scalars(site: str, positions: NDArray[np.int64], shape: Sequence[int]) -> list[str]:
    """Return labels of scalars of a site, such as `m` and `distance[3]`, by flat positions."""
    if not shape:
        return [site for _ in positions]
    indices = [np.unravel_index(position, tuple(shape)) for position in positions]
    return [f"{site}[{','.join(map(str, index))}]" for index in indices]


def flatten_scalars(
    posterior: xr.Dataset, limit: int | None = None
) -> tuple[list[str], NDArray[np.float64]]:
    """
    Return all scalars of a posterior: labels, and draws of shape (scalar, chain, draw).

    Labels are such as `m` and `distance[3]`. A site with more than `limit` scalars contributes
    `limit` evenly spaced ones.
    """
    labels: list[str] = []
    draws = []
    for name, values in posterior.data_vars.items():
        # A transposed variable would be read from disk at once.
        is_in_order = values.dims[:2] == ("chain", "draw")
        ordered = values if is_in_order else values.transpose("chain", "draw", ...)
        shape = ordered.shape[2:]
        positions = select_scalars(int(np.prod(shape)), limit)
        labels += label_scalars(str(name), positions, shape)
        draws.append(_read_scalars(ordered, positions))
    if not draws:
        return labels, np.zeros((0, 1, 1))
    return labels, np.concatenate(draws).astype(float)


def _read_scalars(values: xr.DataArray, positions: NDArray[np.int64]) -> NDArray[Any]:
    """Read scalars of a site in blocks of draws, shape (scalar, chain, draw)."""
    chains, draws, *shape = values.shape
    size = int(np.prod(shape))
    draw_bytes = max(1, chains * size * values.dtype.itemsize)
    step = int(max(1, BLOCK_BYTES // draw_bytes))
    blocks = []
    for begin in range(0, draws, step):
        block = values[:, begin : begin + step].values
        flat = block.reshape(chains, block.shape[1], size)
        blocks.append(np.moveaxis(flat[:, :, positions], 2, 0))
    return np.concatenate(blocks, axis=2)


def split_single_chain(draws: NDArray[Any]) -> NDArray[Any]:
    """
    Return a single chain as two, its halves; several chains unchanged.

    Draws have shape (..., chain, draw). The last of an odd number of draws is left out. R-hat
    splits each chain again, and so compares four quarters.
    """
    if draws.shape[-2] != 1:
        return draws
    half = draws.shape[-1] // 2
    return np.concatenate([draws[..., :half], draws[..., half : 2 * half]], axis=-2)


def compute_interval(draws: NDArray[Any], kind: str, probability: float) -> NDArray[Any]:
    """
    Return credible intervals over the last axis, shape (..., 2).

    `kind` is `hdi` (highest density) or `eti` (equal tails). The interval of highest density is the
    shortest one with the probability (Chen & Shao 1999, JCGS 8, 69). It equals that of ArviZ, whose
    import takes 0.7 s: nearly as long as all the rest of a figure with a band. Draws that are not
    finite give bounds that are not finite.
    """
    with np.errstate(invalid="ignore"):
        return _compute_interval(draws, kind, probability)


def _compute_interval(draws: NDArray[Any], kind: str, probability: float) -> NDArray[Any]:
    if kind == "eti":
        tail = (1 - probability) / 2
        return np.moveaxis(np.quantile(draws, [tail, 1 - tail], axis=-1), 0, -1)
    ordered = np.sort(draws, axis=-1)
    count = draws.shape[-1]
    span = min(int(probability * count), count - 1)
    widths = np.subtract(ordered[..., span:], ordered[..., : count - span], dtype=float)
    lower = np.argmin(widths, axis=-1, keepdims=True)
    return np.take_along_axis(ordered, np.concatenate([lower, lower + span], axis=-1), axis=-1)


def summarise_draws(
    posterior: xr.Dataset,
    kind: str,
    probability: float,
    limit: int | None = None,
    max_ess: float = np.inf,
) -> xr.Dataset:
    """
    Summarise every scalar of a posterior.

    Parameters
    ----------
    posterior : xarray.Dataset
        Draws by site, dimensions (chain, draw, ...).
    kind : {"hdi", "eti"}
        Kind of the credible intervals.
    probability : float
        Probability of an interval.
    limit : int or None
        The largest number of scalars per site; of a larger site, evenly spaced ones.
    max_ess : float
        The largest effective sample size: that of the weighted points, if draws were resampled.

    Returns
    -------
    xarray.Dataset
        Over `parameter`: mean, sd, median, mcse (of the mean), mcse_lower and mcse_upper (of the
        ends of the interval), ess_bulk, ess_tail (the smaller one of the 5 % and 95 % quantiles),
        r_hat (see `compute_rhat`), ess_within (see `compute_within_chain_ess`; NaN if r_hat is
        below 1.005, or with many chains), pareto_k (see `compute_tail_shapes`), and interval, with
        the dimension `bound`. With one chain r_hat compares its halves, each split again. A scalar
        that never changes has no r_hat.
    """
    labels, draws = flatten_scalars(posterior, limit)
    pooled = draws.reshape(len(labels), -1)
    bounds = compute_interval(pooled, kind, probability)
    scores = score_ranks(draws)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # of scalars that do not change
        sd = pooled.std(1, ddof=1)
        ess_tail = np.minimum(compute_tail_ess(draws, TAIL_QUANTILES), max_ess)
        ess_mean = np.minimum(compute_ess(draws), max_ess)
        mcse_of_bounds = compute_quantile_mcse(draws, bounds, max_ess)
        columns = {
            "mean": pooled.mean(1),
            "sd": sd,
            "median": np.median(pooled, 1),
            "mcse": sd / np.sqrt(ess_mean),
            "mcse_lower": mcse_of_bounds[:, 0],
            "mcse_upper": mcse_of_bounds[:, 1],
            "ess_bulk": np.minimum(compute_ess(scores.values), max_ess),
            "ess_tail": ess_tail,
            **_compare_chains(draws, scores),
            "pareto_k": compute_tail_shapes(draws, ess_tail),
        }
    return _make_summary(labels, columns, bounds, {"kind": kind, "probability": probability})


def _compare_chains(
    draws: NDArray[np.float64], scores: RankScores
) -> dict[str, NDArray[np.float64]]:
    """Return R-hat, and the ESS within chains where the noise of R-hat may matter."""
    if draws.shape[1] == 1:
        draws = split_single_chain(draws)
        scores = score_ranks(draws)
    scalars, chains, length = draws.shape
    ess = np.full(scalars, np.nan)
    if length < MIN_RHAT_DRAWS:
        return {"r_hat": ess, "ess_within": ess}
    r_hat = compute_rhat(draws, scores)
    is_noisy = (r_hat > MIN_NOISY_RHAT) & np.isfinite(draws).all((1, 2))
    if chains <= MANY_CHAINS and length >= 2 * MIN_RHAT_DRAWS and is_noisy.any():
        noisy = RankScores(*(part[is_noisy] for part in scores))
        ess[is_noisy] = compute_within_chain_ess(noisy)
    return {"r_hat": r_hat, "ess_within": ess}


def _make_summary(
    labels: Sequence[str],
    columns: Mapping[str, Any],
    bounds: NDArray[Any],
    interval: Mapping[str, Any],
) -> xr.Dataset:
    """Return a summary over `parameter` from its columns and the bounds of the intervals."""
    variables: dict[str, Any] = {
        name: ("parameter", np.asarray(values)) for name, values in columns.items()
    }
    variables["interval"] = (("parameter", "bound"), bounds, dict(interval))
    return xr.Dataset(variables, {"parameter": list(labels), "bound": ["lower", "upper"]})


def summarise_fit(
    fit: xr.DataTree, kind: str, probability: float, limit: int | None = None
) -> xr.Dataset:
    """
    Summarise every scalar of a fit, whether the fit stores its draws or only a summary.

    Parameters
    ----------
    fit : xarray.DataTree
        The artefact posterior.nc.
    kind, probability, limit
        See `summarise_draws`.

    Returns
    -------
    xarray.Dataset
        As that of `summarise_draws`. A site that is stored as a summary has no interval, and none
        of the columns that need draws (NaN). Of a large one only the scalars with convergence
        diagnostics are listed. Effective sizes of resampled draws are at most that of their
        weights. Draws of a guide have no effective sizes and no Monte Carlo errors (NaN), and only
        chains have an r_hat.
    """
    stored = get_group(fit, "posterior_summary")
    max_ess = compute_weighted_size(fit)
    parts = []
    for group in list_draw_groups(fit):
        draws = group.drop_vars(list(stored.data_vars), errors="ignore")
        if draws:
            parts.append(summarise_draws(draws, kind, probability, limit, max_ess))
    interval = {"kind": kind, "probability": probability}
    for values in stored.data_vars.values():
        parts.append(_summarise_stored_site(values, interval, limit, max_ess))
    summary = xr.concat(parts, "parameter", data_vars="minimal")
    if fit.attrs.get("draw_kind") != "independent":
        return summary
    unknown = ["r_hat", "ess_within", *(PRECISION_COLUMNS if has_guide_draws(fit) else ())]
    return summary.assign({name: xr.full_like(summary[name], np.nan) for name in unknown})


def _summarise_stored_site(
    values: xr.DataArray, interval: Mapping[str, Any], limit: int | None, max_ess: float
) -> xr.Dataset:
    """Return the summary of a site from its stored statistics, shape (statistic, ...)."""
    statistics = values["statistic"].values.tolist()
    flat = values.values.reshape(len(values), -1)
    positions = select_scalars(flat.shape[1], limit)
    if not np.isfinite(flat[:, positions]).all():
        positions = select_scalars(flat.shape[1], MAX_STORED_SCALARS)
    columns = {
        name: row[positions]
        for name, row in zip(statistics, flat, strict=True)
        if name not in ("q5", "q95")
    }
    labels = label_scalars(str(values.name), positions, values.shape[1:])
    columns |= {name: np.full(len(labels), np.nan) for name in COLUMNS_WITHOUT_DRAWS}
    for name in ("ess_bulk", "ess_tail"):
        columns[name] = np.minimum(columns[name], max_ess)
    columns["mcse"] = np.maximum(columns["mcse"], columns["sd"] / np.sqrt(max_ess))
    return _make_summary(labels, columns, np.full((len(labels), 2), np.nan), interval)


def compute_bfmi(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return the energy fraction of missing information of each chain, shape (chain,).

    `energy` has shape (chain, draw). A chain whose energy never changes, or is not finite, has NaN.
    Source: Betancourt 2016, arXiv:1604.00695.
    """
    with np.errstate(all="ignore"):
        bfmi = np.asarray(import_array_stats().bfmi(energy))
    return np.where(np.isfinite(bfmi), bfmi, np.nan)


def thin_to_ess(draws: NDArray[Any]) -> NDArray[Any]:
    """Return draws of one scalar, shape (chain, draw), thinned by its bulk ESS."""
    ess = float(compute_ess(score_ranks(draws[None]).values)[0])
    step = max(1, round(draws.size / ess)) if np.isfinite(ess) and ess > 0 else 1
    return draws[:, ::step]


def summarise_point(point: xr.Dataset, limit: int) -> xr.Dataset:
    """Return the value `point` of each scalar of a point estimate, over `parameter`."""
    labels, values = flatten_scalars(point.expand_dims(chain=1, draw=1), limit)
    return xr.Dataset({"point": ("parameter", values[:, 0, 0])}, {"parameter": labels})
