"""Reparametrise sites of a model."""

from collections.abc import Callable
from functools import partial

import jax
from numpyro.handlers import reparam, seed, trace
from numpyro.infer import reparam as reparametrisations

from posterity.errors import UserError, hint
from posterity.model.model import BoundModel


def reparametrise(model: BoundModel, settings: dict) -> Callable:
    """Give the model with the sites of `reparam` in other coordinates (Gorinova, Moore & Hoffman 2020, PMLR 119, 3648)."""
    chosen = {}
    for site, kind in settings.get("reparam", {}).items():
        if site not in model.site_names("latent"):
            raise UserError(
                f"reparam: model {model.name} has no latent site '{site}': {hint(site, model.site_names('latent'))}"
            )
        kind, options = next(iter(kind.items())) if isinstance(kind, dict) else (kind, {})
        options = {"centered": 0.0} | options if kind == "LocScale" else options
        chosen[site] = getattr(reparametrisations, f"{kind}Reparam")(**options)
        posed = reparam(model.full_data, config={site: chosen[site]})
        try:
            jax.eval_shape(partial(_trace_once, posed), model.traced_arguments)
        except (AssertionError, ValueError, TypeError, AttributeError) as error:
            why = " ".join(str(error).split()) or "it refuses it"
            raise UserError(
                f"reparam: {site}: {kind} is not made for {model.sites[site].distribution} ({why}); take another, or leave it out"
            ) from None
    return reparam(model.full_data, config=chosen) if chosen else model.full_data


def _trace_once(function: Callable, traced: dict) -> int:
    trace(seed(function, jax.random.PRNGKey(0))).get_trace(**traced)
    return 0
