"""The maximum of the posterior density of the model's own parameters."""

from collections.abc import Callable

import jax
from numpyro.infer.util import log_density

from posterity.inference.initial_values import UnconstrainedModel
from posterity.inference.modes import Solution, add_modes
from posterity.inference.optimise import find_maximum
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions
from posterity.model.model import BoundModel
from posterity.runtime.rng import Stream


def fit(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions = RunOptions()
) -> FitResult:
    """
    Find the point of largest posterior density.

    The density is that of the model's own parameters, without the Jacobian of the transformation
    to unconstrained space. The point depends on the parametrisation of the model, but not on the
    optimiser's coordinates.

    Parameters
    ----------
    model : BoundModel
    settings : dict
        Settings of `map` in the schema.
    stream : Stream
        Random stream of the fit.
    options : RunOptions
        Unused: the method runs in one piece.

    Returns
    -------
    FitResult
        A point.

    Raises
    ------
    UserError
        If no start has a finite density.
    """

    def make_loss(unconstrained: UnconstrainedModel, traced: dict) -> Callable:
        def loss(position: dict) -> jax.Array:
            sites = unconstrained.constrain(position)
            latent = {name: sites[name] for name in position}
            return -log_density(model.full_data, (), traced, latent)[0]

        return loss

    optimum = find_maximum(model, settings, stream, make_loss)
    solution = Solution(optimum.candidates, is_constrained=False)
    return add_modes(optimum.to_point_result(), model, settings, stream, solution, make_loss)
