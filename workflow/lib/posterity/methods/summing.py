"""Discrete latent sites: summed out of the density by NumPyro (with funsor), and drawn afterwards, given all others."""

from collections.abc import Callable

import jax
import numpy as np
from numpyro.contrib.funsor import config_enumerate, enum, infer_discrete, log_density
from numpyro.handlers import seed, substitute, trace

from posterity.errors import UserError
from posterity.methods import timed
from posterity.model import Model, conditioned


def enumerated(function: Callable, model: Model) -> Callable:
    """Give a model whose discrete latent sites are summed out. Raises UserError where NumPyro cannot."""
    summing = config_enumerate(function)
    try:
        jax.eval_shape(lambda traced: _density(summing, model, traced), model.traced)
    except Exception as error:  # whatever a shape that cannot be leads to
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"{model.file}: NumPyro cannot sum out '{model.summed[0]}' ({why}); put it and what depends on it into a plate, and "
            "let nothing but sums, jnp.where and indexing (Vindex) act on it, or sum it out by hand"
        ) from error
    return summing


def completed(model: Model, draws: dict[str, np.ndarray], keep: list[str], key: np.ndarray) -> tuple[dict, float, float]:
    """
    Draw the discrete sites, given the others, and compute the deterministic ones in `keep`.

    `draws` have shape (chain, draw, ...). Returns the values by site, and the seconds of compilation and of the run.
    """
    chains, length = next(iter(draws.values())).shape[:2]

    def one(inputs, traced):
        key, latent = inputs
        function = config_enumerate(substitute(seed(model.closed, key), data=latent))
        inferred = infer_discrete(function, first_available_dim=-1 - _plates(model, traced), rng_key=key)
        sites = trace(inferred).get_trace(**traced)
        latent = latent | {name: sites[name]["value"] for name in model.summed}
        found = conditioned(model, latent, traced)
        return {name: found[name]["value"] for name in keep if name not in draws}

    flat = {name: values.reshape(chains * length, *values.shape[2:]) for name, values in draws.items()}
    keys = np.asarray(jax.random.split(jax.numpy.asarray(key), chains * length))
    found, compiled, ran = timed(
        lambda inputs, traced: jax.lax.map(lambda each: one(each, traced), inputs),
        ((keys, flat), model.traced),
        ["summed", model.fingerprint, sorted(keep), chains * length],
    )
    return {name: values.reshape(chains, length, *values.shape[1:]) for name, values in found.items()}, compiled, ran


def _density(summing: Callable, model: Model, traced: dict):
    return log_density(enum(seed(summing, jax.random.PRNGKey(0)), -1 - _plates(model, traced)), (), traced, {})[0]


def _plates(model: Model, traced: dict) -> int:
    """The number of dimensions that plates take."""
    sites = conditioned(model, {}, traced).values()
    return max([-frame.dim for site in sites for frame in site.get("cond_indep_stack", ())], default=0)
