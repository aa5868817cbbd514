"""The maximum of the likelihood."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from posterity.errors import UserError
from posterity.inference.initial_values import UnconstrainedModel
from posterity.inference.modes import Solution, add_modes
from posterity.inference.optimise import find_maximum
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions
from posterity.model.dependencies import list_top_level_sites
from posterity.model.model import BoundModel, compute_log_prob, trace_conditioned
from posterity.runtime.rng import Stream


def fit(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions = RunOptions()
) -> FitResult:
    """
    Find the point of largest likelihood; priors only limit where parameters may be.

    Parameters
    ----------
    model : BoundModel
    settings : dict
        Settings of `mle` in the schema.
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
        If no start has a finite density, or if a latent site depends on other latent sites: its
        distribution is a part of the model, not a prior.
    """
    top_level = list_top_level_sites(model)
    below = [name for name in model.site_names("latent") if name not in top_level]
    if below:
        raise UserError(
            f"{model.file}: mle: the latent site '{below[0]}' depends on other latent sites, so "
            "that their likelihood is an integral over it. Use map, or a model without such a "
            "level."
        )

    def make_loss(unconstrained: UnconstrainedModel, traced: dict) -> Callable:
        def loss(position: dict) -> jax.Array:
            sites = unconstrained.constrain(position)
            latent = {name: sites[name] for name in position}
            messages = trace_conditioned(model, latent, traced).values()
            terms = [
                jnp.sum(compute_log_prob(site))
                for site in messages
                if site["type"] == "sample" and site["is_observed"]
            ]
            return -sum(terms, jnp.zeros(()))

        return loss

    optimum = find_maximum(model, settings, stream, make_loss)
    solution = Solution(optimum.candidates, is_constrained=False)
    return add_modes(optimum.to_point_result(), model, settings, stream, solution, make_loss)
