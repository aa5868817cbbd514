"""Seek a maximum by L-BFGS from several starts, in one compiled batch (Nocedal & Wright 2006, Numerical Optimization, 7.2)."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from numpyro.infer.util import initialize_model

from posterity.inference.initial_values import INIT_STRATEGIES, nonfinite_start_error
from posterity.model.model import BoundModel
from posterity.runtime.compile_cache import compile_and_run
from posterity.runtime.rng import Stream

MAX_EXPECTED_RISE = (
    1e-10  # nats that the log density may still rise, by the quadratic model of the optimiser
)
MAX_GRADIENT = 1e-4  # largest component of the gradient in unconstrained space; the quadratic model may not know of a weak parameter yet
RELATIVE_ROUNDING = (
    100 * np.finfo(float).eps
)  # of the log density, below which a rise cannot be seen


class Optimum(NamedTuple):
    """The best point, in unconstrained space and by site, what each start reached, and what it took."""

    position: dict[str, np.ndarray]
    sites: dict[str, np.ndarray]
    reached: xr.Dataset
    effort: dict


def find_maximum(model: BoundModel, settings: dict, stream: Stream, objective: Callable) -> Optimum:
    """
    Find the largest value of a density.

    `objective(info, constrain, traced)` gives, as a function of the position in unconstrained space, what is to be minimised;
    `info` is what NumPyro's `initialize_model` says. `reached` has, by `start`, the log density that was reached, the `rise` that
    the optimiser still expects (half the Newton decrement, in nats), the largest component of the `gradient` (in unconstrained
    space), and the number of steps. Raises UserError if no start has a finite density.
    """
    quasi_newton = optax.scale_by_lbfgs()
    line_search = optax.scale_by_zoom_linesearch(
        max_linesearch_steps=20, initial_guess_strategy="one"
    )

    def program(keys, traced):
        def search(key):
            info = initialize_model(
                key,
                model.full_data,
                init_strategy=INIT_STRATEGIES[settings["init"]],
                dynamic_args=True,
                model_kwargs=traced,
            )
            constrain = info.postprocess_fn(**traced)
            loss = objective(info, constrain, traced)

            value_and_gradient = optax.value_and_grad_from_state(loss)

            def step(carry):
                position, (memory, searched), count, evaluations, *_ = carry
                value, gradient = value_and_gradient(position, state=searched)
                ahead, memory = quasi_newton.update(gradient, memory, position)
                direction = jax.tree.map(jnp.negative, ahead)
                rise = 0.5 * optax.tree.vdot(gradient, ahead)
                moves, searched = line_search.update(
                    direction, searched, position, value=value, grad=gradient, value_fn=loss
                )
                evaluations = evaluations + searched.info.num_linesearch_steps
                slope = optax.tree.norm(gradient, ord=jnp.inf)
                moved = optax.tree.norm(moves, ord=jnp.inf) > 0
                state = (memory, searched), count + 1, evaluations
                return optax.apply_updates(position, moves), *state, value, rise, slope, moved

            def unfinished(carry):
                *_, count, _, value, rise, slope, moved = carry
                rests = (
                    rise <= jnp.maximum(MAX_EXPECTED_RISE, RELATIVE_ROUNDING * jnp.abs(value))
                ) & (slope <= MAX_GRADIENT)
                return (count < settings["steps"]) & moved & ~rests

            start = info.param_info.z
            first = (
                start,
                (quasi_newton.init(start), line_search.init(start)),
                0,
                1,
                loss(start),
                jnp.inf,
                jnp.inf,
                True,
            )
            position, _, count, evaluations, _, rise, slope, _ = jax.lax.while_loop(
                unfinished, step, first
            )
            return (
                position,
                constrain(position),
                {"log_density": -loss(position), "rise": rise, "gradient": slope, "steps": count},
                evaluations,
            )

        return jax.lax.map(search, keys)

    keys = stream.keys("start", settings["restarts"])
    made_from = [
        "optimum",
        model.fingerprint,
        {name: value for name, value in settings.items() if name != "draws"},
    ]
    (positions, sites, reached, evaluations), compiled, ran = compile_and_run(
        program, (keys, model.traced_arguments), made_from
    )
    if not np.isfinite(reached["log_density"]).any():
        raise nonfinite_start_error(model)
    best = int(
        np.nanargmax(np.where(np.isfinite(reached["log_density"]), reached["log_density"], np.nan))
    )
    at = [{name: values[best] for name, values in each.items()} for each in (positions, sites)]
    starts = xr.Dataset(
        {name: ("start", values) for name, values in reached.items()},
        {"start": np.arange(len(keys))},
    )
    return Optimum(
        *at,
        starts,
        {
            "gradient_evaluations": int(evaluations.sum()),
            "compile_seconds": compiled,
            "run_seconds": ran,
        },
    )
