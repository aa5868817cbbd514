"""
Pathfinder: the best of the Gaussians along a quasi-Newton path, by blackjax.

Zhang et al. 2022, JMLR 23, 306.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from blackjax.vi import pathfinder

from posterity.inference.importance import resample_draws
from posterity.inference.initial_values import (
    INIT_STRATEGIES,
    nonfinite_start_error,
    unconstrain_model,
)
from posterity.inference.modes import add_modes, find_best_draw
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions
from posterity.model.model import BoundModel
from posterity.runtime.compile_cache import compile_and_run
from posterity.runtime.rng import Stream


class PathDraws(NamedTuple):
    """
    Draws of the best Gaussian of each path.

    Attributes
    ----------
    sites : dict of str to array, shape (path, draw, ...)
        Value of each site.
    log_p, log_q : array, shape (path, draw)
        Log densities (nats) under the posterior and the Gaussian, in unconstrained space.
    elbo : array, shape (path,)
        Evidence lower bound (nats) of the Gaussian.
    steps : array of int, shape (path,)
        Steps of the path with a finite bound.
    """

    sites: dict
    log_p: np.ndarray | jax.Array
    log_q: np.ndarray | jax.Array
    elbo: np.ndarray | jax.Array
    steps: np.ndarray | jax.Array


def fit(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions = RunOptions()
) -> FitResult:
    """
    Approximate the posterior by the Gaussians of several paths, and draw from them.

    With `resample` the draws of all paths are resampled by Pareto smoothed importance weights
    (multi-path Pathfinder, section 2.3 of the paper). Without it all draws are from the path with
    the largest bound.

    Parameters
    ----------
    model : BoundModel
    settings : dict
        Settings of `pathfinder` in the schema.
    stream : Stream
        Random stream of the fit.
    options : RunOptions
        Unused: the method runs in one piece.

    Returns
    -------
    FitResult
        Independent draws. Without `resample` its statistics are `log_p` and `log_q`.

    Raises
    ------
    UserError
        If no start has a finite density.
    """
    draws, compiled, ran = _run_paths(model, settings, stream)
    is_finite = np.isfinite(draws.elbo)
    if not is_finite.any():
        raise nonfinite_start_error(model)
    sites = {name: values for name, values in draws.sites.items() if name in model.sites}
    if settings["resample"]:
        pool = {
            name: values[is_finite].reshape(1, -1, *values.shape[2:])
            for name, values in sites.items()
        }
        weights = np.asarray(draws.log_p - draws.log_q)[is_finite].reshape(-1)
        rng = stream.generator("resample")
        fields = resample_draws(pool, weights, settings["draws"], rng)
    else:
        best = int(np.argmax(np.where(is_finite, draws.elbo, -np.inf)))
        fields = {
            "posterior": {name: values[[best]] for name, values in sites.items()},
            "statistics": {"log_p": draws.log_p[[best]], "log_q": draws.log_q[[best]]},
        }
    result = FitResult(
        sampling="independent",
        gradient_evaluations=int(draws.steps.sum()),
        compile_seconds=compiled,
        run_seconds=ran,
        **fields,
    )
    densities = np.where(is_finite[:, None], draws.log_p, np.nan)
    solution = find_best_draw(model, sites, densities)
    return add_modes(result, model, settings, stream, solution)


def find_start_positions(
    model: BoundModel, function: Callable, init_strategy: Callable, keys: np.ndarray
) -> dict[str, np.ndarray]:
    """
    Return unconstrained initial values of chains, each a draw of the Gaussian of its own path.

    Parameters
    ----------
    model : BoundModel
    function : Callable
        The NumPyro model, with sites reparametrised or marginalised.
    init_strategy : Callable
        NumPyro's strategy for the start of a path.
    keys : array, shape (chain, 2)
        Raw JAX keys.

    Returns
    -------
    dict of str to array, shape (chain, ...)
        A chain whose draw has no finite density has the start of its path.
    """

    def find_start(key: jax.Array, traced: dict) -> dict[str, jax.Array]:
        init_key, path_key, draw_key = jax.random.split(key, 3)
        start, potential, _ = unconstrain_model(function, init_strategy, init_key, traced)
        state, _ = pathfinder.approximate(path_key, lambda z: -potential(z), start)
        position, _ = pathfinder.sample(draw_key, state)
        is_finite = jnp.isfinite(potential(position))
        return jax.tree.map(lambda new, old: jnp.where(is_finite, new, old), position, start)

    def find_all(keys: jax.Array, traced: dict) -> dict[str, jax.Array]:
        return jax.lax.map(lambda key: find_start(key, traced), keys)

    return jax.tree.map(np.asarray, jax.jit(find_all)(keys, model.traced_arguments))


def _run_paths(model: BoundModel, settings: dict, stream: Stream) -> tuple[PathDraws, float, float]:
    """Return the draws of all paths, and the seconds of compilation and of the run."""
    init_strategy = INIT_STRATEGIES[settings["init"]]
    elbo_samples = settings["elbo_samples"]
    max_steps = settings["steps"]
    draws = settings["draws"]

    def run_path(key: jax.Array, traced: dict) -> PathDraws:
        init_key, path_key, draw_key = jax.random.split(key, 3)
        start, potential, constrain = unconstrain_model(
            model.full_data, init_strategy, init_key, traced
        )
        state, info = pathfinder.approximate(
            path_key, lambda z: -potential(z), start, elbo_samples, maxiter=max_steps
        )
        positions, log_q = pathfinder.sample(draw_key, state, draws)
        sites, log_p = jax.lax.map(lambda z: (constrain(z), -potential(z)), positions)
        steps = jnp.sum(jnp.isfinite(info.path.elbo))
        return PathDraws(sites, log_p, log_q, state.elbo, steps)

    def run_all(keys: jax.Array, traced: dict) -> PathDraws:
        return jax.lax.map(lambda key: run_path(key, traced), keys)

    keys = stream.keys("path", settings["paths"])
    options = [settings["init"], elbo_samples, max_steps, draws]
    cache_key = ["pathfinder", model.fingerprint, *options]
    return compile_and_run(run_all, (keys, model.traced_arguments), cache_key)
