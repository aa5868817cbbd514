"""
How much of a log density float32 loses to rounding.

Samplers accept a step by the difference of two energies. Rounding that is not small compared with
one nat makes them reject steps, or walk where they should not.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from numpyro.handlers import condition

from posterity.inference.initial_values import INIT_STRATEGIES, unconstrain_model
from posterity.inference.optimise import minimise_loss
from posterity.model.model import BoundModel, compute_log_prob, trace_conditioned, trace_model
from posterity.runtime.compile_cache import load_or_compile
from posterity.runtime.rng import Stream

SEARCH_STEPS = (0, 10, 100)  # of L-BFGS, from the median of the prior to where data are plausible
NEIGHBOURS = 16  # points around each point at which the rounding error is computed
MIN_NEIGHBOURS = 4  # with a finite log density
RELATIVE_DISTANCE = 1e-6  # of neighbours: about ten times the rounding error of float32


def measure_precision(model: BoundModel) -> xr.Dataset:
    """
    Measure the rounding error of the log density in float32, at points where data are plausible.

    The points are the median of the prior and those that L-BFGS reaches after 10 and 100 steps in
    float64. Around each of them the log density of 16 neighbours is computed in float32 and in
    float64 at the same parameters. The rounding error is the standard deviation of the difference
    over these neighbours: a constant difference has no influence on a sampler. The smallest one of
    the points counts, since terms are larger where the data are less plausible.

    Parameters
    ----------
    model : BoundModel

    Returns
    -------
    xarray.Dataset
        Empty if the computation is in float64. `rounding` (nats; infinite if the log density is
        finite in float64 alone, NaN if nowhere), `magnitude` (largest absolute log density of a
        site, nats), `site` (the one with the largest rounding error), `column` (the argument that
        loses most to float32) and `lost` (its largest rounding error, in its standard deviations).
    """
    if jax.config.jax_enable_x64:
        return xr.Dataset()
    fingerprint = model.fingerprint  # in float32, as all other stages compute it
    arguments = (Stream(0).key(), model.traced_arguments)
    with jax.enable_x64(True):
        latents = _run_once([fingerprint, "search"], _make_search(model), arguments)
        inputs = (jax.tree.map(_round_to_float32, latents), model.traced_arguments)
        exact = _run_once([fingerprint, "float64"], _make_evaluation(model), inputs)
    rounded = _run_once([fingerprint, "float32"], _make_evaluation(model), inputs)
    column, lost = find_lost_digits(model)
    return xr.Dataset(_compare_densities(exact, rounded) | {"column": column, "lost": lost})


def _run_once(key: list[str], function: Callable, arguments: tuple) -> Any:
    """Compile a function, or read it from the cache, and return its values as NumPy arrays."""
    program = load_or_compile(
        arguments,
        ["precision", *key],
        lambda: ([jax.jit(function).trace(*arguments)], None),
        low_effort=(0,),
    ).run[0]
    return jax.tree.map(np.asarray, program(*arguments))


def _make_search(model: BoundModel) -> Callable:
    """Return a function that computes the latent values of all neighbours, by site."""

    def search(key: jax.Array, traced: dict) -> dict[str, jax.Array]:
        _, values = trace_model(model, traced, key)
        discrete = {name: values[name] for name in model.discrete_latents}
        function = condition(model.full_data, data=discrete)
        unconstrained = unconstrain_model(function, INIT_STRATEGIES["median"], key, traced)

        def move(position: dict, neighbour: jax.Array) -> dict:
            shifts = {
                name: jax.random.normal(jax.random.fold_in(neighbour, number), value.shape)
                for number, (name, value) in enumerate(position.items())
            }
            moved = {
                name: value * (1 + RELATIVE_DISTANCE * shifts[name])
                for name, value in position.items()
            }
            sites = unconstrained.constrain(moved)
            return {name: sites[name] for name in position} | discrete

        def continue_search(position: dict, steps: Any) -> tuple[dict, dict]:
            position = minimise_loss(unconstrained.potential, position, steps).position
            keys = jax.random.split(key, NEIGHBOURS)
            return position, jax.vmap(lambda neighbour: move(position, neighbour))(keys)

        _, points = jax.lax.scan(continue_search, unconstrained.start, jnp.array(SEARCH_STEPS))
        return {name: jnp.concatenate(list(values)) for name, values in points.items()}

    return search


def _round_to_float32(values: np.ndarray) -> np.ndarray:
    """Return floats in float32, and other values as they are."""
    return values.astype(np.float32) if values.dtype.kind == "f" else values


def _make_evaluation(model: BoundModel) -> Callable:
    """Return a function that computes the log density, and that of each site, at latent values."""

    def evaluate(latents: dict, traced: dict) -> tuple[jax.Array, dict]:
        def evaluate_one(latent: dict) -> tuple[jax.Array, dict]:
            latent = {name: _convert_type(value) for name, value in latent.items()}
            terms = {
                name: jnp.sum(compute_log_prob(site))
                for name, site in trace_conditioned(model, latent, traced).items()
                if site["type"] == "sample"
            }
            return sum(terms.values(), jnp.zeros(())), terms

        return jax.lax.map(evaluate_one, latents)

    return evaluate


def _convert_type(values: jax.Array) -> jax.Array:
    """Return floats in the type of the computation, and other values as they are."""
    is_float = jnp.issubdtype(values.dtype, jnp.floating)
    return values.astype(jnp.zeros(()).dtype) if is_float else values


def _compare_densities(exact: tuple, rounded: tuple) -> dict[str, Any]:
    """Return `rounding`, `magnitude` and `site` from the densities in float64 and in float32."""
    errors = _compute_rounding(exact[0], rounded[0])
    if np.isnan(errors).all():
        return {"rounding": np.nan, "magnitude": np.nan, "site": ""}
    point = int(np.nanargmin(errors))
    by_site = {
        name: np.nan_to_num(_compute_rounding(values, rounded[1][name])[point])
        for name, values in exact[1].items()
    }
    site = max(by_site, key=lambda name: by_site[name])
    magnitude = np.abs(exact[1][site].reshape(-1, NEIGHBOURS)[point]).max()
    return {"rounding": errors[point], "magnitude": magnitude, "site": site}


def _compute_rounding(exact: np.ndarray, rounded: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the rounding error around each point, shape (point,)."""
    exact = exact.reshape(-1, NEIGHBOURS)
    differences = rounded.astype(float).reshape(exact.shape) - exact
    errors = np.full(len(exact), np.nan)
    for point, usable in enumerate(np.isfinite(exact)):
        if usable.sum() >= MIN_NEIGHBOURS:
            chosen = differences[point][usable]
            errors[point] = chosen.std(ddof=1) if np.isfinite(chosen).all() else np.inf
    return errors


def find_lost_digits(model: BoundModel) -> tuple[str, float]:
    """
    Find the argument that loses most to float32.

    Returns its name and its largest rounding error, in units of its standard deviation; an empty
    name if none changes.
    """
    losses = {"": 0.0}
    for name, values in model.arguments.items():
        values = values.astype(float)
        if values.size > 1 and values.std() > 0:
            loss = np.abs(values.astype(np.float32) - values).max()
            losses[name] = float(loss / values.std())
    column = max(losses, key=lambda name: losses[name])
    return column, losses[column]
