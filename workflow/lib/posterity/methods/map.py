"""The maximum of the posterior density, by L-BFGS from several starts (Nocedal & Wright 2006, Numerical Optimization, 7.2)."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from numpyro.infer.util import initialize_model, log_density

from posterity.methods import STARTS, Result, no_start, timed
from posterity.model import Model
from posterity.randomness import key

TOLERANCE = 1e-6  # of the largest component of the gradient, relative to the log density


def fit(model: Model, settings: dict, seed: int, names: tuple[str, ...]) -> Result:
    """
    Find the point of largest posterior density.

    It is the density of the model's own parameters (no Jacobian of a transformation to unconstrained space), so that the point
    does not depend on how the optimiser walks; it does depend on how the model is parametrised, as every maximum of a density.

    `settings` are those of `map` in the schema. The `optimisation` has, by `start`, the log density that was reached, the largest
    component of its gradient (in unconstrained space), and the number of steps. Raises UserError if no start has a finite density.
    """
    solver = optax.lbfgs()

    def program(keys, traced):
        def search(key):
            info = initialize_model(
                key, model.closed, init_strategy=STARTS[settings["init"]], dynamic_args=True, model_kwargs=traced
            )
            constrain = info.postprocess_fn(**traced)

            def loss(position):
                sites = constrain(position)
                latent = {name: sites[name] for name in position}
                return -log_density(model.closed, (), traced, latent)[0]

            value_and_gradient = optax.value_and_grad_from_state(loss)

            def size(gradient):
                return jnp.max(jnp.stack([jnp.max(jnp.abs(part)) for part in jax.tree.leaves(gradient)]))

            def step(carry):
                position, state, count, evaluations, _, _ = carry
                value, gradient = value_and_gradient(position, state=state)
                moves, state = solver.update(gradient, state, position, value=value, grad=gradient, value_fn=loss)
                searched = state[-1].info.num_linesearch_steps
                value, gradient = value_and_gradient(moved := optax.apply_updates(position, moves), state=state)
                return moved, state, count + 1, evaluations + searched + 1, value, size(gradient)

            def unfinished(carry):
                *_, count, _, value, slope = carry
                return (count < settings["steps"]) & (slope > TOLERANCE * jnp.maximum(1.0, jnp.abs(value)))

            value, gradient = jax.value_and_grad(loss)(info.param_info.z)
            first = (info.param_info.z, solver.init(info.param_info.z), 0, 1, value, size(gradient))
            position, _, count, evaluations, value, slope = jax.lax.while_loop(unfinished, step, first)
            return constrain(position), {"log_density": -value, "gradient": slope, "steps": count}, evaluations

        return jax.lax.map(search, keys)

    keys = np.stack([key(seed, *names, "start", start) for start in range(settings["starts"])])
    (sites, reached, evaluations), compiled, ran = timed(program, keys, model.traced)
    if not np.isfinite(reached["log_density"]).any():
        raise no_start(model)
    best = int(np.nanargmax(np.where(np.isfinite(reached["log_density"]), reached["log_density"], np.nan)))
    return Result(
        sampling="point",
        gradient_evaluations=int(evaluations.sum()),
        compile_seconds=compiled,
        run_seconds=ran,
        point={name: values[best] for name, values in sites.items()},
        optimisation=xr.Dataset({name: ("start", values) for name, values in reached.items()}, {"start": np.arange(len(keys))}),
    )
