"""
Laplace's approximation: a Gaussian at the maximum in unconstrained space.

Tierney & Kadane 1986, JASA 81, 82.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from posterity.errors import UserError
from posterity.inference.initial_values import INIT_STRATEGIES, unconstrain_model
from posterity.inference.modes import Solution, add_modes, get_potential
from posterity.inference.optimise import Optimum, find_maximum
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions
from posterity.model.model import BoundModel
from posterity.runtime.compile_cache import compile_and_run
from posterity.runtime.rng import Stream


def fit(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions = RunOptions()
) -> FitResult:
    """
    Approximate the posterior by a Gaussian, and draw from it.

    The Gaussian has the maximum and the curvature of the density in unconstrained space, which
    includes the Jacobian of the transformation. The draws are transformed back.

    Parameters
    ----------
    model : BoundModel
    settings : dict
        Settings of `laplace` in the schema.
    stream : Stream
        Random stream of the fit.
    options : RunOptions
        Unused: the method runs in one piece.

    Returns
    -------
    FitResult
        Independent draws, with the statistics `log_p` and `log_q`: their log densities (nats)
        under the posterior and the Gaussian, in unconstrained space.

    Raises
    ------
    UserError
        If no start has a finite density, or if the curvature is not that of a maximum.
    """
    optimum = find_maximum(model, settings, stream, get_potential)
    (sites, statistics, curvature), compiled, ran = _draw_gaussian(
        model, settings, optimum, stream.key("draws")
    )
    if not (curvature > 0).all() or not np.isfinite(curvature).all():
        raise UserError(
            f"{model.name}: laplace: the density has no peak at its maximum (smallest curvature "
            f"{curvature.min():.3g}): prior and data do not determine some parameters, or the "
            "maximum is at infinity. Use nuts."
        )
    result = FitResult(
        sampling="independent",
        posterior={name: values[None] for name, values in sites.items() if name in model.sites},
        statistics={name: values[None] for name, values in statistics.items()},
        optimisation=optimum.starts,
        gradient_evaluations=optimum.gradient_evaluations,
        compile_seconds=optimum.compile_seconds + compiled,
        run_seconds=optimum.run_seconds + ran,
    )
    solution = Solution(optimum.candidates, is_constrained=False)
    return add_modes(result, model, settings, stream, solution)


def _draw_gaussian(
    model: BoundModel, settings: dict, optimum: Optimum, key: np.ndarray
) -> tuple[tuple[dict, dict, np.ndarray], float, float]:
    """
    Draw from the Gaussian at an optimum.

    Returns a tuple of the values of sites, shape (draw, ...), the log densities, shape (draw,), and
    the curvature along each principal axis; and the seconds of compilation and of the run.
    """
    init_strategy = INIT_STRATEGIES[settings["init"]]
    draws = settings["draws"]

    def draw(position: dict, key: jax.Array, traced: dict) -> tuple[dict, dict, jax.Array]:
        _, potential, constrain = unconstrain_model(model.full_data, init_strategy, key, traced)
        centre, unravel = ravel_pytree(position)
        hessian = jax.hessian(lambda vector: potential(unravel(vector)))(centre)
        curvature, axes = jnp.linalg.eigh(hessian)
        normal = jax.random.normal(key, (draws, centre.size))
        vectors = centre[None, :] + (normal / jnp.sqrt(curvature)[None, :]) @ axes.T
        log_q = (
            0.5 * jnp.sum(jnp.log(curvature))
            - 0.5 * jnp.sum(normal**2, axis=1)
            - 0.5 * centre.size * jnp.log(2 * jnp.pi)
        )
        sites, log_p = jax.lax.map(
            lambda vector: (constrain(unravel(vector)), -potential(unravel(vector))), vectors
        )
        return sites, {"log_p": log_p, "log_q": log_q}, curvature

    arguments = (optimum.position, key, model.traced_arguments)
    cache_key = ["laplace", model.fingerprint, draws, settings["init"]]
    return compile_and_run(draw, arguments, cache_key)
