"""The group `loo` of predictive.nc: leave-one-out cross-validation of a fit."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree
from numpyro.distributions import biject_to

from posterity.inference.initial_values import INIT_STRATEGIES, unconstrain_model
from posterity.model.model import PLACEHOLDER_KEY, BoundModel, trace_conditioned
from posterity.prediction.predict import Values, compile_map
from posterity.stats.leave_one_out import (
    PointwiseLoo,
    compute_good_k,
    compute_pointwise_loo,
    compute_relative_efficiency,
    compute_total,
    require_loo_inputs,
    smooth_log_ratios,
)
from posterity.stats.moment_matching import match_moments
from posterity.stats.summary import select_scalars

MAX_LOO_POINTS = 20_000  # of more points, evenly spaced ones
MAX_EFFICIENCY_SCALARS = 100  # per site, whose mean ESS is the relative efficiency
# Draws of an approximation with a larger ESS by weights need no correction.
UNWEIGHTED_ESS_FRACTION = 0.99
# Moment matching: the most points and scalars, the most log-likelihoods (about 20 evaluations of
# 1e-8 s each: 10 s), and the most seconds.
MAX_MATCHED_POINTS = 50
MAX_MATCHED_SCALARS = 200
MAX_MATCHED_DENSITIES = 5e7
MAX_MATCHED_SECONDS = 30.0

# Largest k-hat of an approximation's draws: the k-hat of a point holds theirs, and would exceed the
# limit in many right fits.
MAX_RATIO_K = 0.5
# Returns the elpd and k-hat of a point, or None; arguments are its index and the good k-hat.
Matcher = Callable[[int, float], tuple[float, float] | None]


@dataclass(frozen=True)
class LooInputs:
    """
    What leave-one-out needs of a fit.

    Attributes
    ----------
    observed : xarray.Dataset
        Observed sites.
    likelihood, replicated : xarray.Dataset
        Log-likelihoods and predictions, by site, dimensions (chain, draw, ...).
    latent : dict of str to array
        Draws of the latent sites, each of shape (chain, draw, ...).
    log_ratio : array, shape (chain, draw), or None
        Log density of the posterior minus that of the approximation that the draws come from.
    match : callable or None
        Moment matching of a point.
    """

    observed: xr.Dataset
    likelihood: xr.Dataset
    replicated: xr.Dataset
    latent: Values
    log_ratio: np.ndarray | None = None
    match: Matcher | None = None


def make_loo_group(inputs: LooInputs, rng: np.random.Generator) -> xr.Dataset:
    """
    Make the group `loo`.

    Parameters
    ----------
    inputs : LooInputs
        Observations, log-likelihoods, predictions and latent draws.
    rng : numpy.random.Generator
        For randomised PIT values.

    Returns
    -------
    xarray.Dataset
        Over `point` (all observed sites in their order; evenly spaced points if there are more than
        20,000): `elpd` (nats), `pareto_k`, `pit`, `p_loo` (nats) and the coordinate `site`.
        Attributes: `elpd`, `se`, `mcse` (Monte Carlo error of elpd), `p_loo`, `p_loo_se`, `good_k`,
        `parameters` (scalars of the latent sites), `points` (all of them), `draws`, `matched`
        (points with a k-hat lowered by moment matching), `unmatched_bad` (points with a large k-hat
        before it) and `discrete_sites`. If leave-one-out cannot be computed, the group has the
        attributes `reason` and `points` alone.
    """
    points = int(sum(values.size for values in inputs.observed.data_vars.values()))
    try:
        return _compute_loo_group(inputs, points, rng)
    except ValueError as reason:
        return xr.Dataset(attrs={"reason": str(reason), "points": points})


def _compute_loo_group(inputs: LooInputs, points: int, rng: np.random.Generator) -> xr.Dataset:
    observed, likelihood, replicated, sites = flatten_points(inputs)
    require_loo_inputs(likelihood)
    log_ratio = _choose_log_ratio(inputs.log_ratio)
    efficiency = _compute_efficiency(inputs.latent) if log_ratio is None else 1.0
    loo = compute_pointwise_loo(likelihood, observed, replicated, efficiency, log_ratio, rng)
    good_k = compute_good_k(len(likelihood))
    bad = int((loo.pareto_k > good_k).sum())
    loo, matched = _match_bad_points(loo, inputs, points, good_k, len(likelihood))
    elpd, se = compute_total(loo.elpd, points)
    p_loo, p_loo_se = compute_total(loo.lpd - loo.elpd, points)
    columns = {
        "elpd": (loo.elpd, "log predictive density, given all other points", "nats"),
        "pareto_k": (loo.pareto_k, "Pareto k-hat", ""),
        "pit": (loo.pit, "LOO-PIT", ""),
        "p_loo": (loo.lpd - loo.elpd, "effective number of parameters", "nats"),
    }
    parameters = sum(values[0, 0].size for values in inputs.latent.values())
    return xr.Dataset(
        {
            name: ("point", values, {"long_name": label, "units": unit})
            for name, (values, label, unit) in columns.items()
        },
        {"site": ("point", sites)},
        {
            "elpd": elpd,
            "se": se,
            "p_loo": p_loo,
            "p_loo_se": p_loo_se,
            "mcse": float(np.sqrt((loo.mcse**2).sum())),
            "good_k": good_k,
            "is_corrected": int(log_ratio is not None),
            "parameters": int(parameters),
            "points": points,
            "draws": len(likelihood),
            "unmatched_bad": bad,
            "matched": matched,
            "discrete_sites": ", ".join(
                str(site)
                for site, values in inputs.replicated.items()
                if values.dtype.kind in "iub"
            ),
        },
    )


def flatten_points(
    inputs: LooInputs,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """
    Return the points of all observed sites, at most 20,000 evenly spaced ones.

    Returns observed values, shape (point,), log-likelihoods and predictions, shape (draw, point),
    and the site of each point. Predictions are NaN if a site has none for each observation.
    Raises ValueError if there is no observed site, or if a site has not one log-likelihood per
    observation.
    """
    sizes = {site: values.size for site, values in inputs.observed.items()}
    if not sizes:
        raise ValueError("the model observes nothing")
    chosen = select_scalars(sum(sizes.values()), MAX_LOO_POINTS)
    parts = []
    first = 0
    for site, size in sizes.items():
        positions = chosen[(chosen >= first) & (chosen < first + size)] - first
        first += size
        likelihood = _flatten_draws(inputs.likelihood, site)
        if likelihood is None:
            raise ValueError(f"the observed site {site} has no log-likelihood")
        if likelihood.shape[1] != size:
            raise ValueError(
                f"site {site} has {size} observations but {likelihood.shape[1]} "
                "log-likelihood, that of their joint distribution"
            )
        replicated = _flatten_draws(inputs.replicated, site)
        if replicated is None or replicated.shape[1] != size:
            replicated = np.full(likelihood.shape, np.nan)
        values = inputs.observed[site].values.ravel().astype(float)[positions]
        if len(positions) < size:
            likelihood, replicated = likelihood[:, positions], replicated[:, positions]
        parts.append((values, likelihood, replicated, np.full(len(values), site, dtype=object)))
    if len(parts) == 1:
        return parts[0]
    observed, likelihoods, predictions, names = zip(*parts, strict=True)
    return (
        np.concatenate(observed),
        np.concatenate(likelihoods, axis=1),
        np.concatenate(predictions, axis=1),
        np.concatenate(names),
    )


def _flatten_draws(group: xr.Dataset, site: Any) -> np.ndarray | None:
    """Return the values of a site, shape (draw, point), or None if the group lacks it."""
    if site not in group:
        return None
    values = group[site].transpose("chain", "draw", ...).values
    return values.reshape(values.shape[0] * values.shape[1], -1)


def _choose_log_ratio(log_ratio: np.ndarray | None) -> np.ndarray | None:
    """
    Return the log ratios of an approximation, shape (draw,); None if draws need no correction.

    Raises ValueError if the approximation is too far from the posterior for a correction.
    """
    if log_ratio is None:
        return None
    flat = np.where(np.isfinite(log_ratio), log_ratio, -np.inf).ravel().astype(float)
    if not np.isfinite(flat).any():
        raise ValueError("no draw of the approximation has a finite density under the model")
    log_weights, pareto_k = smooth_log_ratios(flat[None], 1.0)
    weights = np.exp(log_weights[0])
    if 1 / (weights**2).sum() > UNWEIGHTED_ESS_FRACTION * len(weights):
        return None
    if pareto_k[0] > MAX_RATIO_K:
        raise ValueError(
            "the approximation is too far from the posterior for leave-one-out (Pareto k-hat of "
            f"its draws: {pareto_k[0]:.2f})"
        )
    return flat


def _compute_efficiency(latent: Values) -> float:
    """Return the relative efficiency of draws of shape (chain, draw, ...)."""
    parts = []
    for values in latent.values():
        flat = values.reshape(*values.shape[:2], -1)
        positions = select_scalars(flat.shape[2], MAX_EFFICIENCY_SCALARS)
        parts.append(np.moveaxis(flat[:, :, positions], 2, 0).astype(float))
    return compute_relative_efficiency(np.concatenate(parts)) if parts else 1.0


def _match_bad_points(
    loo: PointwiseLoo, inputs: LooInputs, points: int, good_k: float, draws: int
) -> tuple[PointwiseLoo, int]:
    """
    Match moments at points with a large k-hat, if they are few and the model is small.

    Returns the values of all points, and the number of points with a lower k-hat.
    """
    bad = np.flatnonzero(loo.pareto_k > good_k)
    limit = min(MAX_MATCHED_POINTS, MAX_MATCHED_DENSITIES / (draws * points))
    scalars = sum(values[0, 0].size for values in inputs.latent.values())
    is_small = scalars <= MAX_MATCHED_SCALARS and points == len(loo.elpd)
    if inputs.match is None or not is_small or not 0 < len(bad) <= limit:
        return loo, 0
    elpd, pareto_k = loo.elpd.copy(), loo.pareto_k.copy()
    started = time.monotonic()
    matched = 0
    for point in bad:
        if time.monotonic() - started > MAX_MATCHED_SECONDS:
            break
        found = inputs.match(int(point), good_k)
        if found is not None:
            elpd[point], pareto_k[point] = found
            matched += 1
    return loo._replace(elpd=elpd, pareto_k=pareto_k), matched


def make_matcher(model: BoundModel, latent: Values, chains: int) -> Matcher | None:
    """
    Return a function that matches the moments of draws to the posterior without a point.

    Parameters
    ----------
    model : BoundModel
        The model, bound to the data.
    latent : dict of str to array
        Draws of a Markov chain by site, each of shape (chains * draws, ...).
    chains : int
        Number of chains.

    Returns
    -------
    callable or None
        None for a model with discrete latent sites, which have no unconstrained space.
    """
    if model.discrete_latents or not latent:
        return None
    prepared: list[Any] = []  # compiled at the first point

    def match(point: int, good_k: float) -> tuple[float, float] | None:
        if not prepared:
            prepared.extend(_prepare_matching(model, latent))
        positions, evaluate = prepared
        if not np.isfinite(positions).all():
            return None
        split = {name: v.reshape(chains, -1, *v.shape[1:]) for name, v in latent.items()}
        efficiency = _compute_efficiency(split)
        return match_moments(positions, lambda z: evaluate(z, point), efficiency, good_k)

    return match


def _prepare_matching(model: BoundModel, latent: Values) -> tuple[np.ndarray, Callable]:
    """
    Return the draws in unconstrained space, shape (draw, dimension), and their evaluation.

    The evaluation takes positions and the index of a point, and returns log densities and
    log-likelihoods of the point.
    """
    example = {name: values[0] for name, values in latent.items()}
    positions = np.asarray(
        compile_map(
            "unconstrain", lambda values, traced: _unconstrain(model, values, traced), model
        )(latent)
    )

    def evaluate_one(inputs: tuple, traced: dict) -> tuple[jax.Array, jax.Array]:
        position, point = inputs
        _, potential, constrain = unconstrain_model(
            model.full_data, INIT_STRATEGIES["median"], jnp.asarray(PLACEHOLDER_KEY), traced
        )
        shapes = jax.eval_shape(lambda site: _unconstrain_sites(model, site, traced), example)
        zeros = jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)
        unconstrained = ravel_pytree(zeros)[1](position)
        values = constrain(unconstrained)
        sites = trace_conditioned(model, {name: values[name] for name in latent}, traced)
        densities = [
            jnp.ravel(sites[name]["fn"].log_prob(sites[name]["value"]))
            for name in model.site_names("observed")
        ]
        return -potential(unconstrained), jnp.concatenate(densities)[point]

    run = compile_map("moment_matching", evaluate_one, model)

    def evaluate(z: np.ndarray, point: int) -> tuple[np.ndarray, np.ndarray]:
        inputs = (z.astype(positions.dtype), np.full(len(z), point, np.int32))
        density, likelihood = run(inputs)
        return density.astype(float), likelihood.astype(float)

    return positions.astype(float), evaluate


def _unconstrain_sites(model: BoundModel, values: dict, traced: dict) -> dict:
    """Return the positions of sites in unconstrained space."""
    sites = trace_conditioned(model, values, traced)
    return {
        name: biject_to(sites[name]["fn"].support).inv(sites[name]["value"])
        for name in model.continuous_latents
    }


def _unconstrain(model: BoundModel, values: dict, traced: dict) -> jax.Array:
    return ravel_pytree(_unconstrain_sites(model, values, traced))[0]
