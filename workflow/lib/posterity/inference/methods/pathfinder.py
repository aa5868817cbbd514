"""Pathfinder: the best of the Gaussians along a quasi-Newton path (Zhang et al. 2022, JMLR 23, 306), by blackjax."""

import jax
import jax.numpy as jnp
import numpy as np
from blackjax.vi import pathfinder
from numpyro.infer.util import initialize_model

from posterity.inference.importance import resample_draws
from posterity.inference.initial_values import INIT_STRATEGIES, nonfinite_start_error
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions
from posterity.model.model import BoundModel
from posterity.runtime.compile_cache import compile_and_run
from posterity.runtime.rng import Stream


def fit(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions = RunOptions()
) -> FitResult:
    """
    Approximate the posterior by the Gaussians of several paths, and draw from them by importance.

    `settings` are those of `pathfinder` in the schema. Each path gives draws in unconstrained space; together they are resampled by
    their Pareto smoothed weights (multi-path Pathfinder, section 2.3 of the paper), unless `resample` is false: then they are drawn
    from the path with the largest bound alone. Raises UserError if no start has a finite density.
    """

    def program(keys, traced):
        def path(key):
            begin, on_the_way, drawing = jax.random.split(key, 3)
            info = _pose(model, settings, begin, traced)
            density, constrain = info.potential_fn(**traced), info.postprocess_fn(**traced)
            state, found = pathfinder.approximate(
                on_the_way,
                lambda z: -density(z),
                info.param_info.z,
                settings["elbo_samples"],
                maxiter=settings["steps"],
            )
            positions, log_q = pathfinder.sample(drawing, state, settings["draws"])
            sites, log_p = jax.lax.map(lambda z: (constrain(z), -density(z)), positions)
            return sites, log_p, log_q, state.elbo, jnp.sum(jnp.isfinite(found.path.elbo))

        return jax.lax.map(path, keys)

    keys = stream.keys("path", settings["paths"])
    made_from = ["pathfinder", model.fingerprint, settings]
    (sites, log_p, log_q, bounds, steps), compiled, ran = compile_and_run(
        program, (keys, model.traced_arguments), made_from
    )
    if not np.isfinite(bounds).any():
        raise nonfinite_start_error(model)
    effort = {
        "compile_seconds": compiled,
        "run_seconds": ran,
        "gradient_evaluations": int(steps.sum()),
    }
    sites = {name: values for name, values in sites.items() if name in model.sites}
    if not settings["resample"]:
        best = int(np.argmax(np.where(np.isfinite(bounds), bounds, -np.inf)))
        drawn = {name: values[[best]] for name, values in sites.items()}
        densities = {"log_p": log_p[[best]], "log_q": log_q[[best]]}
        return FitResult(sampling="independent", posterior=drawn, statistics=densities, **effort)
    good = np.isfinite(bounds)
    pooled = {
        name: values[good].reshape(1, -1, *values.shape[2:]) for name, values in sites.items()
    }
    weights = (log_p - log_q)[good].reshape(-1)
    again = resample_draws(pooled, weights, settings["draws"], stream.generator("resample"))
    return FitResult(sampling="independent", **again, **effort)


def find_start_positions(
    model: BoundModel, function, strategy, keys: np.ndarray
) -> dict[str, np.ndarray]:
    """
    Give a place in unconstrained space for each chain to start from: a draw of the Gaussian of its own path.

    `function` is the model, reparametrised maybe, `strategy` NumPyro's way to start a path.
    """

    def program(keys, traced):
        def path(key):
            begin, on_the_way, drawing = jax.random.split(key, 3)
            info = initialize_model(
                begin, function, init_strategy=strategy, dynamic_args=True, model_kwargs=traced
            )
            density = info.potential_fn(**traced)
            state, _ = pathfinder.approximate(on_the_way, lambda z: -density(z), info.param_info.z)
            position, _ = pathfinder.sample(drawing, state)
            finite = jnp.isfinite(density(position))
            return jax.tree.map(
                lambda drawn, start: jnp.where(finite, drawn, start), position, info.param_info.z
            )

        return jax.lax.map(path, keys)

    return jax.tree.map(np.asarray, jax.jit(program)(keys, model.traced_arguments))


def _pose(model: BoundModel, settings: dict, key, traced):
    return initialize_model(
        key,
        model.full_data,
        init_strategy=INIT_STRATEGIES[settings["init"]],
        dynamic_args=True,
        model_kwargs=traced,
    )
