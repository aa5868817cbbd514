"""The maximum of the likelihood."""

import jax.numpy as jnp

from posterity.errors import UserError
from posterity.inference.optimise import find_maximum
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions
from posterity.model.dependencies import list_top_level_sites
from posterity.model.model import BoundModel, trace_conditioned
from posterity.runtime.rng import Stream


def fit(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions = RunOptions()
) -> FitResult:
    """
    Find the point of largest likelihood; priors say only where parameters may be.

    `settings` are those of `mle` in the schema. Raises UserError if no start has a finite density, and for a model with latent
    sites below other latent sites, whose distribution is no prior but a part of the model.
    """
    below = [name for name in model.site_names("latent") if name not in list_top_level_sites(model)]
    if below:
        raise UserError(
            f"{model.file}: mle: the latent site '{below[0]}' depends on other latent sites, so that the likelihood of these is an "
            "integral over it; take map, or a model without such a level"
        )

    def objective(info, constrain, traced):
        def loss(position):
            sites = constrain(position)
            messages = trace_conditioned(model, {name: sites[name] for name in position}, traced)
            terms = []
            for site in messages.values():
                if site["type"] == "sample" and site["is_observed"]:
                    scale = 1.0 if site["scale"] is None else site["scale"]
                    terms.append(jnp.sum(scale * site["fn"].log_prob(site["value"])))
            return -sum(terms, jnp.zeros(()))

        return loss

    found = find_maximum(model, settings, stream, objective)
    return FitResult(
        sampling="point", point=found.sites, optimisation=found.reached, **found.effort
    )
