"""
Search for other modes of a density than the one that a fit has found.

Searches from dispersed starts climb to the nearest maximum by L-BFGS. How far a maximum is from
that of the fit follows from the curvature at both, and from how far the density falls between them.
The search has its own random keys and does not change the fit.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from numpyro.infer import init_to_sample, init_to_uniform
from numpyro.infer.util import unconstrain_fn

from posterity.inference.initial_values import UnconstrainedModel, unconstrain_model
from posterity.inference.optimise import minimise_loss
from posterity.inference.result import FitResult
from posterity.model.model import BoundModel
from posterity.runtime.compile_cache import compile_and_run
from posterity.runtime.rng import Stream

UNIFORM_STARTS = 8  # in (-2, 2) of unconstrained space
PRIOR_STARTS = 8  # draws of the prior; uniform, too, where the prior is improper
MAX_STEPS = 300  # of L-BFGS from each start
PATH_POINTS = 15  # between two maxima, at which the log density is evaluated
MAX_LATENT_SCALARS = 2000
MAX_STORED_SCALARS = 100


class Solution(NamedTuple):
    """
    Where a fit has ended, as starts of a search.

    Attributes
    ----------
    points : dict of str to array, shape (point, ...)
        Value of each latent site. The first point is that of the fit; others are places that the
        fit has tried.
    is_constrained : bool
        Whether the values are those of the sites, or unconstrained.
    """

    points: dict[str, np.ndarray]
    is_constrained: bool


class End(NamedTuple):
    """
    Where a search has ended; each attribute has a leading axis of starts.

    Attributes
    ----------
    log_density : array
        Log density, nats.
    distance : array
        From the end of the first search, in standard deviations.
    barrier : array
        How far the log density falls (nats) between the two ends, below the lower of them.
    rise, gradient : array
        The rise of the log density that the optimiser still expects (nats), and the largest
        component of the gradient.
    steps, evaluations : array
        Numbers of steps and of gradient evaluations.
    sites : dict of str to array
        Value of each latent site.
    """

    log_density: Any
    distance: Any
    barrier: Any
    rise: Any
    gradient: Any
    steps: Any
    evaluations: Any
    sites: dict


def get_potential(unconstrained: UnconstrainedModel, traced: dict) -> Callable:
    """Return minus the log density of the posterior in unconstrained space."""
    return unconstrained.potential


def find_best_draw(
    model: BoundModel, sites: dict[str, np.ndarray], log_density: np.ndarray
) -> Solution:
    """
    Return the draw with the largest log density as the solution of a fit.

    `sites` has draws of shape (chain, draw, ...), and `log_density` is of shape (chain, draw).
    """
    usable = np.where(np.isfinite(log_density), log_density, -np.inf)
    best = np.unravel_index(int(np.argmax(usable)), usable.shape)
    points = {name: np.asarray(sites[name])[best][None] for name in model.continuous_latents}
    return Solution(points, is_constrained=True)


def add_modes(
    result: FitResult,
    model: BoundModel,
    settings: dict,
    stream: Stream,
    solution: Solution,
    make_loss: Callable = get_potential,
) -> FitResult:
    """
    Return the result of a fit with the group `modes`.

    Parameters
    ----------
    result : FitResult
        Result of the fit. Its draws and estimates stay as they are.
    model : BoundModel
    settings : dict
        Settings of the fit.
    stream : Stream
        Random stream of the fit.
    solution : Solution
        Where the fit has ended.
    make_loss : Callable
        `make_loss(unconstrained, traced)` returns minus the log density as a function of the
        unconstrained position. By default it is that of the posterior in unconstrained space.

    Returns
    -------
    FitResult
        With `modes`, over `start` and `parameter`; or, in `attributes`, the reason why there was no
        search.
    """
    reason = explain_skipped_search(model, settings)
    if reason:
        return replace(result, attributes=result.attributes | {"modes_skipped": reason})
    end = _search_modes(model, settings, stream, solution, make_loss)
    return replace(result, modes=_make_dataset(model, solution, end))


def explain_skipped_search(model: BoundModel, settings: dict) -> str:
    """Return why there is no search for modes of a model; an empty text if there is one."""
    if model.latent_size > MAX_LATENT_SCALARS:
        return f"a search with {model.latent_size} latent scalars is slow (the limit is 2,000)"
    if model.discrete_latents:
        return f"the latent site '{model.discrete_latents[0]}' is discrete"
    if settings.get("minibatch"):
        return "the fit uses minibatches, since the density of all data is slow"
    return ""


def _search_modes(
    model: BoundModel, settings: dict, stream: Stream, solution: Solution, make_loss: Callable
) -> End:
    """Climb from the solution and from dispersed starts, in one compiled batch."""

    def search_all(keys, from_prior, points, traced):
        def begin(start):
            key, is_prior = start
            strategy = _make_strategy(is_prior)
            return unconstrain_model(model.full_data, strategy, key, traced).start

        def unconstrain(point):
            return unconstrain_fn(model.full_data, (), traced, point)

        dispersed = jax.lax.map(begin, (keys, from_prior))
        given = jax.lax.map(unconstrain, points) if solution.is_constrained else points
        starts = jax.tree.map(lambda *parts: jnp.concatenate(parts), given, dispersed)
        unconstrained = unconstrain_model(model.full_data, init_to_uniform, keys[0], traced)
        loss = make_loss(unconstrained, traced)
        states = jax.lax.map(lambda start: minimise_loss(loss, start, MAX_STEPS), starts)
        first = jax.tree.map(lambda values: values[0], states.position)

        def describe(position):
            sites = unconstrained.constrain(position)
            latent = {name: sites[name] for name in model.continuous_latents}
            paths = (
                lambda part: _interpolate(first, position, part),
                lambda part: unconstrain(_interpolate(own, latent, part)),
            )
            barriers = [_measure_barrier(loss, first, position, path) for path in paths]
            barrier = jnp.nanmin(jnp.stack(barriers))
            distance = _measure_distance(loss, first, position)
            return -loss(position), distance, barrier, latent

        own = {name: unconstrained.constrain(first)[name] for name in model.continuous_latents}
        log_density, distance, barrier, sites = jax.lax.map(describe, states.position)
        effort = (states.rise, states.gradient, states.steps, states.evaluations)
        return End(log_density, distance, barrier, *effort, sites)

    count = UNIFORM_STARTS + PRIOR_STARTS
    arguments = (
        stream.keys("modes", count),
        np.arange(count) >= UNIFORM_STARTS,
        solution.points,
        model.traced_arguments,
    )
    cache_key = ["modes", model.fingerprint, settings["method"], solution.is_constrained]
    end, _, _ = compile_and_run(search_all, arguments, cache_key, runs_once=True)
    return end


def _make_strategy(from_prior: jax.Array) -> Callable:
    """Return a strategy for initial values: draws of the prior or, if false, uniform ones."""

    def choose_value(site: dict | None = None) -> Any:
        if site is None:  # NumPyro's way to ask for the strategy
            return partial(choose_value)
        uniform = init_to_uniform(site)
        drawn = init_to_sample(site)
        if uniform is None or drawn is None:
            return uniform
        return jnp.where(from_prior, drawn, uniform)

    return choose_value


def _measure_distance(loss: Callable, a: dict, b: dict) -> jax.Array:
    """
    Return the distance of two maxima in standard deviations, the smaller of those by the curvature
    at each of them. Along a flat ridge it is small.
    """
    move = jax.tree.map(jnp.subtract, b, a)

    def compute_square(place: dict) -> jax.Array:
        _, product = jax.jvp(jax.grad(loss), (place,), (move,))
        terms = jax.tree.map(lambda left, right: jnp.sum(left * right), move, product)
        return sum(jax.tree.leaves(terms), jnp.zeros(()))

    return jnp.sqrt(jnp.maximum(jnp.minimum(compute_square(a), compute_square(b)), 0))


def _interpolate(a: dict, b: dict, part: jax.Array) -> dict:
    """Return the point at a fraction of the straight line from one point to another."""
    return jax.tree.map(lambda left, right: (1 - part) * left + part * right, a, b)


def _measure_barrier(loss: Callable, a: dict, b: dict, path: Callable) -> jax.Array:
    """
    Return how far the log density falls on a path between two maxima, below the lower of them.

    NaN if it is not finite, as on a straight line that leaves the support.
    """
    parts = jnp.arange(1, PATH_POINTS + 1) / (PATH_POINTS + 1)
    return jnp.max(jax.lax.map(lambda part: loss(path(part)), parts)) - jnp.maximum(
        loss(a), loss(b)
    )


def _make_dataset(model: BoundModel, solution: Solution, end: End) -> xr.Dataset:
    """Return the ends of all searches over `start`, with the values of some scalars."""
    labels, values = _select_values(model, end.sites)
    given = len(next(iter(solution.points.values())))
    origins = ["fit", *["restart"] * (given - 1)]
    origins += ["uniform"] * UNIFORM_STARTS + ["prior"] * PRIOR_STARTS
    variables = {
        "log_density": ("start", end.log_density - end.log_density[0], {"units": "nats"}),
        "distance": ("start", end.distance, {"units": "sd"}),
        "barrier": ("start", end.barrier, {"units": "nats"}),
        "rise": ("start", end.rise, {"units": "nats"}),
        "gradient": ("start", end.gradient),
        "steps": ("start", end.steps),
        "value": (("start", "parameter"), values),
    }
    coords = {
        "start": np.arange(len(origins)),
        "origin": ("start", np.array(origins, dtype=object)),
        "parameter": np.array(labels, dtype=object),
    }
    return xr.Dataset(variables, coords, {"gradient_evaluations": int(end.evaluations.sum())})


def _select_values(model: BoundModel, sites: dict[str, np.ndarray]) -> tuple[list[str], np.ndarray]:
    """Return the labels of at most 100 latent scalars, and their values (start, parameter)."""
    # Imported here: an edit of the summaries should not repeat the fits.
    from posterity.stats.summary import label_scalars, select_scalars

    limit = max(1, MAX_STORED_SCALARS // len(sites))
    labels: list[str] = []
    columns = []
    for name in model.continuous_latents:
        flat = sites[name].reshape(len(sites[name]), -1)
        chosen = select_scalars(flat.shape[1], limit)
        labels += label_scalars(name, chosen, sites[name].shape[1:])
        columns.append(flat[:, chosen])
    return labels[:MAX_STORED_SCALARS], np.concatenate(columns, axis=1)[:, :MAX_STORED_SCALARS]
