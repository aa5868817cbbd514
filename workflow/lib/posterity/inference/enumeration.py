"""Discrete latent sites: summed out of the density by NumPyro (with funsor), and drawn afterwards, given all others."""

from collections.abc import Callable

import jax
import numpy as np
from numpyro.contrib.funsor import config_enumerate, enum, infer_discrete, log_density
from numpyro.handlers import seed, substitute, trace

from posterity.errors import UserError
from posterity.model.dependencies import find_ancestors
from posterity.model.model import PLACEHOLDER_KEY, BoundModel, trace_conditioned
from posterity.runtime.compile_cache import compile_and_run

REMEDY = "put it and all that depends on it into one plate, and let nothing but jnp.where and Vindex act on it, no sum over the plate"


def marginalise_discrete(function: Callable, model: BoundModel, moved: list[str]) -> Callable:
    """
    Give a model whose discrete latent sites are summed out; `moved` are the sites that are reparametrised.

    Raises UserError where NumPyro cannot, or would do so wrongly without a word: where a site depends on a discrete one outside of
    its plate (by a sum over it, say).
    """
    summing = config_enumerate(function)
    plates, above = _find_plates(model), find_ancestors(model)
    for site, origins in above.items():
        for discrete in set(origins) & set(model.discrete_latents) - {site}:
            if site in moved:
                raise UserError(
                    f"reparam: {site}: its prior depends on the discrete site '{discrete}'; leave it out"
                )
            if not plates[discrete] <= plates[site]:
                raise UserError(
                    f"{model.file}: '{discrete}' cannot be summed out, since '{site}' depends on it outside of its plate; {REMEDY}"
                )
    try:
        jax.eval_shape(
            lambda traced: _compute_density(summing, model, traced), model.traced_arguments
        )
        latent = {
            name: np.zeros(model.sites[name].shape)
            for name in model.site_names("latent")
            if name not in model.discrete_latents
        }
        jax.eval_shape(
            lambda *given: {name: _draw_discrete(model, *given)[name]["value"] for name in latent},
            (PLACEHOLDER_KEY, latent),
            model.traced_arguments,
        )
    except Exception as error:  # whatever a shape that cannot be leads to
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"{model.file}: NumPyro cannot sum out '{model.discrete_latents[0]}' ({why}); {REMEDY}, no scan; or sum it out by hand"
        ) from error
    return summing


def sample_discrete(
    model: BoundModel, draws: dict[str, np.ndarray], keep: list[str], key: np.ndarray
) -> tuple[dict, float, float]:
    """
    Draw the discrete sites, given the others, and compute the deterministic ones in `keep`.

    `draws` have shape (chain, draw, ...). Returns the values by site, and the seconds of compilation and of the run.
    """
    chains, length = next(iter(draws.values())).shape[:2]

    def one(inputs, traced):
        sites = _draw_discrete(model, inputs, traced)
        return {name: sites[name]["value"] for name in keep if name not in draws}

    flat = {
        name: values.reshape(chains * length, *values.shape[2:]) for name, values in draws.items()
    }
    keys = np.asarray(jax.random.split(jax.numpy.asarray(key), chains * length))
    found, compiled, ran = compile_and_run(
        lambda inputs, traced: jax.lax.map(lambda each: one(each, traced), inputs),
        ((keys, flat), model.traced_arguments),
        ["summed", model.fingerprint, sorted(keep), chains * length],
    )
    return (
        {name: values.reshape(chains, length, *values.shape[1:]) for name, values in found.items()},
        compiled,
        ran,
    )


def _draw_discrete(model: BoundModel, inputs: tuple, traced: dict) -> dict:
    """Draw the discrete sites given the others, and run the model on all."""
    key, latent = inputs
    function = config_enumerate(substitute(seed(model.full_data, key), data=latent))
    inferred = infer_discrete(
        function, first_available_dim=-1 - _count_plate_dims(model, traced), rng_key=key
    )
    sites = trace(inferred).get_trace(**traced)
    return trace_conditioned(
        model, latent | {name: sites[name]["value"] for name in model.discrete_latents}, traced
    )


def _find_plates(model: BoundModel) -> dict[str, set[str]]:
    """The names of the plates that each sampled site is in."""
    found = {}

    def run(traced):
        for name, site in trace_conditioned(model, {}, traced).items():
            found[name] = {frame.name for frame in site.get("cond_indep_stack", ())}
        return 0

    jax.eval_shape(run, model.traced_arguments)
    return found


def _compute_density(summing: Callable, model: BoundModel, traced: dict):
    return log_density(
        enum(seed(summing, jax.random.PRNGKey(0)), -1 - _count_plate_dims(model, traced)),
        (),
        traced,
        {},
    )[0]


def _count_plate_dims(model: BoundModel, traced: dict) -> int:
    """The number of dimensions that plates take."""
    sites = trace_conditioned(model, {}, traced).values()
    return max(
        [-frame.dim for site in sites for frame in site.get("cond_indep_stack", ())], default=0
    )
