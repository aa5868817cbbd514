"""Laplace's approximation: a Gaussian at the maximum in unconstrained space (Tierney & Kadane 1986, JASA 81, 82)."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from numpyro.infer.util import initialize_model

from posterity.errors import UserError
from posterity.inference.initial_values import INIT_STRATEGIES
from posterity.inference.optimise import find_maximum
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions
from posterity.model.model import BoundModel
from posterity.runtime.compile_cache import compile_and_run
from posterity.runtime.rng import Stream


def fit(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions = RunOptions()
) -> FitResult:
    """
    Approximate the posterior by the Gaussian that has its maximum and curvature in unconstrained space, and draw from it.

    The density there has the Jacobian of the transformation, as samplers see it; draws are pushed through the transformation.
    `settings` are those of `laplace` in the schema. `log_p` and `log_q` are the log densities of the draws under posterior and
    Gaussian, in unconstrained space. Raises UserError if no start has a finite density, and where the curvature is not that of a
    maximum.
    """
    found = find_maximum(
        model, settings, stream, lambda info, constrain, traced: info.potential_fn(**traced)
    )

    def program(position, key, traced):
        start = INIT_STRATEGIES[settings["init"]]
        info = initialize_model(
            key, model.full_data, init_strategy=start, dynamic_args=True, model_kwargs=traced
        )
        constrain, potential = info.postprocess_fn(**traced), info.potential_fn(**traced)
        centre, unflat = ravel_pytree(position)
        values, vectors = jnp.linalg.eigh(jax.hessian(lambda flat: potential(unflat(flat)))(centre))
        normal = jax.random.normal(key, (settings["draws"], centre.size))
        flat = centre + (normal / jnp.sqrt(values)) @ vectors.T
        log_q = (
            0.5 * jnp.sum(jnp.log(values))
            - 0.5 * jnp.sum(normal**2, axis=1)
            - 0.5 * centre.size * jnp.log(2 * jnp.pi)
        )
        sites, log_p = jax.lax.map(
            lambda one: (constrain(unflat(one)), -potential(unflat(one))), flat
        )
        return sites, {"log_p": log_p, "log_q": log_q}, values

    arguments = (found.position, stream.key("draws"), model.traced_arguments)
    made_from = ["laplace", model.fingerprint, settings["draws"], settings["init"]]
    (sites, statistics, curvature), compiled, ran = compile_and_run(program, arguments, made_from)
    if not (curvature > 0).all() or not np.isfinite(curvature).all():
        raise UserError(
            f"{model.name}: laplace: the density has no peak at its maximum (smallest curvature {curvature.min():.3g}): some "
            "parameters are not determined by prior and data, or the maximum lies at infinity; take nuts"
        )
    effort = found.effort | {"compile_seconds": found.effort["compile_seconds"] + compiled}
    effort["run_seconds"] += ran
    return FitResult(
        sampling="independent",
        posterior={name: values[None] for name, values in sites.items() if name in model.sites},
        statistics={name: values[None] for name, values in statistics.items()},
        optimisation=found.reached,
        **effort,
    )
