"""Summaries and convergence diagnostics of draws. This is the module that talks to ArviZ, whose statistics most of these are."""

import warnings
from collections.abc import Sequence

import numpy as np
import xarray as xr

from posterity.artefact.groups import get_group, list_draw_groups
from posterity.artefact.streamed import BLOCK_BYTES
from posterity.stats.arviz_bridge import import_array_stats

MAX_STORED_SCALARS = (
    1000  # scalars of a site whose convergence a stored summary tells, evenly spaced
)


def select_scalars(count: int, limit: int | None) -> np.ndarray:
    """Choose among `count` scalars of a site: all, or `limit` of them, evenly spaced."""
    if limit is None or count <= limit:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, limit).round().astype(int))


def label_scalars(site: str, chosen: np.ndarray, shape: Sequence[int]) -> list[str]:
    """Name scalars of a site by their places in it: `m`, `distance[3]`."""
    return [
        f"{site}[{','.join(map(str, np.unravel_index(index, shape)))}]" if shape else site
        for index in chosen
    ]


def flatten_scalars(
    posterior: xr.Dataset, limit: int | None = None
) -> tuple[list[str], np.ndarray]:
    """
    List the scalars of a posterior.

    Returns labels such as `m` and `distance[3]`, and draws of shape (scalar, chain, draw). Of a site with more than `limit`
    scalars that many are taken, evenly spaced.
    """
    labels, draws = [], []
    for name, values in posterior.data_vars.items():
        values = (
            values
            if values.dims[:2] == ("chain", "draw")
            else values.transpose("chain", "draw", ...)
        )
        chains, length, *shape = values.shape
        count = int(np.prod(shape))
        chosen = select_scalars(count, limit)
        labels += label_scalars(str(name), chosen, shape)
        step = int(
            max(1, BLOCK_BYTES // max(1, chains * count * values.dtype.itemsize))
        )  # what is on disk is read in parts
        parts = (values[:, begin : begin + step].values for begin in range(0, length, step))
        draws.append(
            np.concatenate(
                [
                    np.moveaxis(part.reshape(chains, part.shape[1], count)[:, :, chosen], 2, 0)
                    for part in parts
                ],
                axis=2,
            )
        )
    return labels, np.concatenate(draws).astype(float) if draws else np.zeros((0, 1, 1))


def split_single_chain(draws: np.ndarray) -> np.ndarray:
    """Return draws of shape (scalar, chain, draw), those of a single chain as two chains: its halves."""
    if draws.shape[1] > 1:
        return draws
    half = draws.shape[2] // 2
    return np.concatenate([draws[:, :, :half], draws[:, :, half : 2 * half]], axis=1)


def compute_interval(draws: np.ndarray, kind: str, probability: float) -> np.ndarray:
    """
    Compute credible intervals over the last axis: highest density (`hdi`) or equal-tailed (`eti`); shape (..., 2).

    The interval of highest density is the shortest one that holds the probability (Chen & Shao 1999, JCGS 8, 69). ArviZ's is the
    same, but its import takes 0.7 s, beside the 0.9 s of all else in a figure with a band.
    """
    if kind == "eti":
        tail = (1 - probability) / 2
        return np.moveaxis(np.quantile(draws, [tail, 1 - tail], axis=-1), 0, -1)
    ordered, count = np.sort(draws, axis=-1), draws.shape[-1]
    held = min(int(probability * count), count - 1)
    widths = np.subtract(ordered[..., held:], ordered[..., : count - held], dtype=float)
    lower = np.argmin(widths, axis=-1, keepdims=True)
    return np.take_along_axis(ordered, np.concatenate([lower, lower + held], axis=-1), axis=-1)


def summarise_draws(
    posterior: xr.Dataset, kind: str, probability: float, limit: int | None = None
) -> xr.Dataset:
    """
    Summarise every scalar of a posterior (see `scalars` for labels and `limit`).

    Returns a Dataset over `parameter`: mean, sd, median, interval (with dimension `bound`), mcse (of the mean), ess_bulk,
    ess_tail (the smaller one of the 5 % and 95 % quantiles) and r_hat (rank-normalised, split; Vehtari et al. 2021, Bayesian
    Analysis 16, 667). With one chain r_hat compares its halves, each split again. A scalar that never changes has no r_hat.
    """
    labels, draws = flatten_scalars(posterior, limit)
    pooled = draws.reshape(len(labels), -1)
    chains = split_single_chain(draws)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # scalars that do not change
        columns = {
            "mean": pooled.mean(1),
            "sd": pooled.std(1, ddof=1),
            "median": np.median(pooled, 1),
            "mcse": import_array_stats().mcse(draws, method="mean"),
            "ess_bulk": import_array_stats().ess(draws, method="bulk"),
            "ess_tail": import_array_stats().ess(draws, method="tail", prob=(0.05, 0.95)),
            "r_hat": import_array_stats().rhat(chains)
            if chains.shape[2] >= 4
            else np.full(len(labels), np.nan),
        }
    bounds = compute_interval(pooled, kind, probability)
    summary = xr.Dataset(
        {name: ("parameter", np.asarray(values)) for name, values in columns.items()},
        {"parameter": labels},
    )
    summary["interval"] = (
        ("parameter", "bound"),
        bounds,
        {"kind": kind, "probability": probability},
    )
    return summary.assign_coords(bound=["lower", "upper"])


def summarise_fit(
    fit: xr.DataTree, kind: str, probability: float, limit: int | None = None
) -> xr.Dataset:
    """
    Summarise every scalar of a fit as `summarise` does, whatever the fit keeps of it (see `posterity.storing`).

    Of a site that left a summary alone there is no interval (NaN), and it stands for those scalars whose convergence it tells.
    """
    left = get_group(fit, "posterior_summary")
    parts = [
        summarise_draws(own, kind, probability, limit)
        for one in list_draw_groups(fit)
        if (own := one.drop_vars(left, errors="ignore"))
    ]
    for name, values in left.data_vars.items():
        flat = values.values.reshape(len(values), -1)
        chosen = select_scalars(flat.shape[1], limit)
        chosen = (
            chosen
            if np.isfinite(flat[:, chosen]).all()
            else select_scalars(flat.shape[1], MAX_STORED_SCALARS)
        )
        columns = {
            row: ("parameter", flat[i, chosen]) for i, row in enumerate(left["statistic"].values)
        }
        nothing = np.full((len(chosen), 2), np.nan)
        columns["interval"] = (
            ("parameter", "bound"),
            nothing,
            {"kind": kind, "probability": probability},
        )
        one = xr.Dataset(
            columns,
            {
                "parameter": label_scalars(str(name), chosen, values.shape[1:]),
                "bound": ["lower", "upper"],
            },
        )
        parts.append(one.drop_vars(["q5", "q95"]))
    return xr.concat(parts, "parameter", data_vars="minimal")


def compute_bfmi(energy: np.ndarray) -> np.ndarray:
    """Compute the energy fraction of missing information of each chain (Betancourt 2016, arXiv:1604.00695), shape (chain,)."""
    return np.asarray(import_array_stats().bfmi(energy))


def thin_to_ess(draws: np.ndarray) -> np.ndarray:
    """Thin draws of one scalar, shape (chain, draw), so far that those left are nearly independent, by their bulk ESS."""
    ess = float(import_array_stats().ess(draws[None], method="bulk")[0])
    step = max(1, round(draws.size / ess)) if np.isfinite(ess) and ess > 0 else 1
    return draws[:, ::step]


def summarise_point(point: xr.Dataset, limit: int) -> xr.Dataset:
    """List the scalars of a point estimate."""
    labels, values = flatten_scalars(point.expand_dims(chain=1, draw=1), limit)
    return xr.Dataset({"point": ("parameter", values[:, 0, 0])}, {"parameter": labels})
