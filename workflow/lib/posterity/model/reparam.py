"""Reparametrise sites of a model."""

from collections.abc import Callable
from functools import partial

import jax
from numpyro.handlers import reparam, seed, trace
from numpyro.infer import reparam as reparametrisations

from posterity.errors import UserError, hint
from posterity.model.model import BoundModel


def reparametrise(model: BoundModel, settings: dict) -> Callable:
    """
    Return the model with the sites of the setting `reparam` in other coordinates.

    Draws come back in the model's own coordinates (Gorinova, Moore & Hoffman 2020, PMLR 119, 3648).
    Raises UserError for an unknown site, and for a reparametrisation that its distribution refuses.
    """
    chosen = {}
    for site, entry in settings.get("reparam", {}).items():
        latent = model.site_names("latent")
        if site not in latent:
            raise UserError(
                f"reparam: model {model.name} has no latent site '{site}': {hint(site, latent)}"
            )
        kind, options = next(iter(entry.items())) if isinstance(entry, dict) else (entry, {})
        if kind == "LocScale":
            options = {"centered": 0.0} | options
        chosen[site] = getattr(reparametrisations, f"{kind}Reparam")(**options)
        _check_reparam(model, site, kind, chosen[site])
    return reparam(model.full_data, config=chosen) if chosen else model.full_data


def _check_reparam(model: BoundModel, site: str, kind: str, chosen) -> None:
    """Raise UserError unless NumPyro can reparametrise the site so."""
    function = reparam(model.full_data, config={site: chosen})
    try:
        jax.eval_shape(partial(_trace_once, function), model.traced_arguments)
    except (AssertionError, ValueError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split()) or "NumPyro refuses it"
        raise UserError(
            f"reparam: {site}: {kind} does not apply to {model.sites[site].distribution} "
            f"({reason}). Choose another reparametrisation, or remove this one."
        ) from None


def _trace_once(function: Callable, traced: dict) -> int:
    trace(seed(function, jax.random.PRNGKey(0))).get_trace(**traced)
    return 0
