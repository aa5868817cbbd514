"""Initial values of chains and optimisers."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer import init_to_median, init_to_sample, init_to_uniform, init_to_value

from posterity.config.registry import METHODS
from posterity.errors import UserError, hint
from posterity.model.model import BoundModel, trace_conditioned, trace_predictive
from posterity.runtime.rng import derive_key

PRIOR_TRIES = 100  # draws of the prior, to find which site has no finite density
INIT_STRATEGIES = {"uniform": init_to_uniform, "median": init_to_median, "sample": init_to_sample}


def nonfinite_start_error(model: BoundModel, otherwise: str = "") -> UserError:
    """
    Say that the log density, or its gradient, is not finite wherever the method may start, and which site is to blame.

    `otherwise` is the sentence where there is a finite density to start from and a finite gradient.
    """

    def run(key, traced):
        latent = {
            name: site["value"]
            for name, site in trace_predictive(model, key, {}, traced).items()
            if name in model.site_names("latent")
        }

        def density(latent):
            sites = trace_conditioned(model, latent, traced)
            each = {
                name: jnp.sum(site["fn"].log_prob(site["value"]))
                for name, site in sites.items()
                if site["type"] == "sample"
            }
            return sum(each.values()), {name: each[name] for name in model.site_names("observed")}

        (_, each), gradient = jax.value_and_grad(
            lambda moving: density(latent | moving), has_aux=True
        )({name: latent[name] for name in latent if name not in model.discrete_latents})
        return each, {name: jnp.isfinite(value).all() for name, value in gradient.items()}

    keys = np.stack([derive_key(0, "start", draw) for draw in range(PRIOR_TRIES)])
    draws, smooth = jax.jit(jax.vmap(run, in_axes=(0, None)))(keys, model.traced_arguments)
    steep = [name for name, values in smooth.items() if not values.any()]
    if steep and all(np.isfinite(values).any() for values in draws.values()):
        return UserError(
            f"{model.file}: the log density has no finite gradient in '{steep[0]}', at none of {PRIOR_TRIES} draws of the prior; look "
            "for a square root or a power at 0, or a jnp.where with a side that is not finite (both have to be, for gradients)"
        )
    if otherwise:
        return UserError(otherwise)
    finite = {name: int(np.isfinite(values).sum()) for name, values in draws.items()}
    worst = min(finite, key=finite.get, default=None)
    blame = (
        f" (the log likelihood of site '{worst}' is finite in {finite[worst]} of {PRIOR_TRIES} draws of the prior)"
        if worst
        else ""
    )
    if worst and finite[worst] == PRIOR_TRIES:
        blame = " (though the likelihood is finite at draws of the prior: look at numpyro.factor, and at what depends on bounds)"
    return UserError(
        f"{model.file}: the log density is not finite at any start that was tried{blame}; "
        "look at priors and data: can these data come from this model? Another `init` of the fit may help"
    )


def choose_init_strategy(model: BoundModel, settings: dict) -> Callable:
    """Choose where chains start: a strategy by its name, or values by site."""
    init = settings["init"]
    if init == "pathfinder" and not METHODS[settings["method"]].pathfinder_start:
        raise UserError(
            f"init: {settings['method']} cannot start from pathfinder; take median, or values by site"
        )
    if isinstance(init, str):
        return INIT_STRATEGIES["uniform" if init == "pathfinder" else init]
    for site, value in init.items():
        if site in model.discrete_latents:
            raise UserError(
                f"init: the site '{site}' is discrete and summed out; it has no start: leave it out"
            )
        if site not in model.site_names("latent"):
            raise UserError(
                f"init: model {model.name} has no latent site '{site}': {hint(site, model.site_names('latent'))}"
            )
        if np.shape(value) not in ((), model.sites[site].shape):
            raise UserError(
                f"init: {site}: the site has shape {model.sites[site].shape}, not {np.shape(value)}; give so many values"
            )
    values = {
        site: np.broadcast_to(np.asarray(value, float), model.sites[site].shape)
        for site, value in init.items()
    }
    return init_to_value(values=values)
