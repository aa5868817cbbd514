"""
Maximise a density by L-BFGS from several starts, in one compiled batch.

Nocedal & Wright 2006, Numerical Optimization, 7.2.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr

from posterity.inference.initial_values import (
    INIT_STRATEGIES,
    nonfinite_start_error,
    unconstrain_model,
)
from posterity.inference.result import FitResult
from posterity.model.model import BoundModel
from posterity.runtime.compile_cache import compile_and_run
from posterity.runtime.rng import Stream

MAX_EXPECTED_RISE = 1e-10  # nats that the quadratic model of a converged optimiser still expects
# Largest component of the gradient of a converged optimiser, in unconstrained space. The quadratic
# model may not know of a weak parameter yet.
MAX_GRADIENT = 1e-4
# Of the log density: a smaller rise is lost in rounding.
RELATIVE_ROUNDING = 100 * np.finfo(float).eps
MAX_LINE_SEARCH_STEPS = 20
MAX_CANDIDATES = 9  # best ends of starts that a search for modes begins with


class Optimum(NamedTuple):
    """
    The best point of all starts.

    Attributes
    ----------
    position : dict of str to array
        Unconstrained value of each latent site.
    candidates : dict of str to array, shape (point, ...)
        This position, and then those with the next largest densities that other starts reached.
    sites : dict of str to array
        Value of each site.
    starts : xarray.Dataset
        By `start`: the `log_density` (nats) that it reached, the `rise` that the optimiser still
        expects (half the Newton decrement, nats), the largest component of the `gradient` in
        unconstrained space, and the number of `steps`.
    gradient_evaluations : int
        Of all starts.
    compile_seconds, run_seconds : float
    """

    position: dict[str, np.ndarray]
    candidates: dict[str, np.ndarray]
    sites: dict[str, np.ndarray]
    starts: xr.Dataset
    gradient_evaluations: int
    compile_seconds: float
    run_seconds: float

    def to_point_result(self) -> FitResult:
        """Return the result of a method that estimates one point."""
        return FitResult(
            sampling="point",
            point=self.sites,
            optimisation=self.starts,
            gradient_evaluations=self.gradient_evaluations,
            compile_seconds=self.compile_seconds,
            run_seconds=self.run_seconds,
        )


class SearchState(NamedTuple):
    """
    State of a search; loss, rise and gradient are those before the last step.

    Attributes
    ----------
    position : dict of str to array
    memory, line_search
        States of optax.
    steps, evaluations : int
        Numbers of steps and of gradient evaluations.
    loss, rise, gradient : float
        The loss, the decrease that the quadratic model expects, and the largest component of the
        gradient.
    moved : bool
        Whether the last step changed the position.
    """

    position: dict
    memory: Any
    line_search: Any
    steps: Any
    evaluations: Any
    loss: Any
    rise: Any
    gradient: Any
    moved: Any


def find_maximum(model: BoundModel, settings: dict, stream: Stream, make_loss: Callable) -> Optimum:
    """
    Find the largest value of a density.

    Parameters
    ----------
    model : BoundModel
    settings : dict
        `method`, `init`, `steps` and `restarts` of the fit.
    stream : Stream
        Random stream of the fit.
    make_loss : Callable
        `make_loss(unconstrained, traced)` returns minus the log density as a function of the
        position, from an `UnconstrainedModel`.

    Returns
    -------
    Optimum

    Raises
    ------
    UserError
        If no start has a finite density.
    """
    init_strategy = INIT_STRATEGIES[settings["init"]]
    max_steps = settings["steps"]

    def search(key: jax.Array, traced: dict) -> tuple[dict, dict, dict, jax.Array]:
        unconstrained = unconstrain_model(model.full_data, init_strategy, key, traced)
        loss = make_loss(unconstrained, traced)
        state = minimise_loss(loss, unconstrained.start, max_steps)
        reached = {
            "log_density": -loss(state.position),
            "rise": state.rise,
            "gradient": state.gradient,
            "steps": state.steps,
        }
        sites = unconstrained.constrain(state.position)
        return state.position, sites, reached, state.evaluations

    def search_all(keys: jax.Array, traced: dict) -> tuple[dict, dict, dict, jax.Array]:
        return jax.lax.map(lambda key: search(key, traced), keys)

    keys = stream.keys("start", settings["restarts"])
    cache_key = ["optimum", model.fingerprint, settings["method"], settings["init"], max_steps]
    (positions, sites, reached, evaluations), compiled, ran = compile_and_run(
        search_all, (keys, model.traced_arguments), cache_key
    )
    log_density = reached["log_density"]
    if not np.isfinite(log_density).any():
        raise nonfinite_start_error(model)
    # A stable order: the first of several starts with the best density.
    order = np.argsort(np.where(np.isfinite(log_density), -log_density, np.inf), kind="stable")
    best = int(order[0])
    return Optimum(
        position={name: values[best] for name, values in positions.items()},
        candidates={name: values[order[:MAX_CANDIDATES]] for name, values in positions.items()},
        sites={name: values[best] for name, values in sites.items()},
        starts=_make_starts(reached),
        gradient_evaluations=int(evaluations.sum()),
        compile_seconds=compiled,
        run_seconds=ran,
    )


def minimise_loss(loss: Callable, start: dict, max_steps: int) -> SearchState:
    """Return the state of L-BFGS after convergence, or after `max_steps` steps; can be traced."""
    quasi_newton = optax.scale_by_lbfgs()
    line_search = optax.scale_by_zoom_linesearch(
        max_linesearch_steps=MAX_LINE_SEARCH_STEPS, initial_guess_strategy="one"
    )
    value_and_gradient = optax.value_and_grad_from_state(loss)

    def step(state: SearchState) -> SearchState:
        value, gradient = value_and_gradient(state.position, state=state.line_search)
        newton, memory = quasi_newton.update(gradient, state.memory, state.position)
        direction = jax.tree.map(jnp.negative, newton)
        moves, searched = line_search.update(
            direction,
            state.line_search,
            state.position,
            value=value,
            grad=gradient,
            value_fn=loss,
        )
        return SearchState(
            position=optax.apply_updates(state.position, moves),
            memory=memory,
            line_search=searched,
            steps=state.steps + 1,
            evaluations=state.evaluations + searched.info.num_linesearch_steps,
            loss=value,
            rise=0.5 * optax.tree.vdot(gradient, newton),
            gradient=optax.tree.norm(gradient, ord=jnp.inf),
            moved=optax.tree.norm(moves, ord=jnp.inf) > 0,
        )

    first = SearchState(
        position=start,
        memory=quasi_newton.init(start),
        line_search=line_search.init(start),
        steps=0,
        evaluations=1,
        loss=loss(start),
        rise=jnp.inf,
        gradient=jnp.inf,
        moved=True,
    )
    return jax.lax.while_loop(lambda state: _is_unfinished(state, max_steps), step, first)


def _make_starts(reached: dict[str, np.ndarray]) -> xr.Dataset:
    """Return what each start reached, arrays of shape (start,), as a Dataset."""
    variables = {name: ("start", values) for name, values in reached.items()}
    return xr.Dataset(variables, {"start": np.arange(len(reached["steps"]))})


def _is_unfinished(state: SearchState, max_steps: int) -> jax.Array:
    """Return whether a search has steps left and has not converged."""
    max_rise = jnp.maximum(MAX_EXPECTED_RISE, RELATIVE_ROUNDING * jnp.abs(state.loss))
    has_converged = (state.rise <= max_rise) & (state.gradient <= MAX_GRADIENT)
    return (state.steps < max_steps) & state.moved & ~has_converged
