"""
Discrete latent sites: marginalised in the density, and sampled afterwards.

NumPyro enumerates them with funsor.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.contrib.funsor import config_enumerate, enum, infer_discrete, log_density
from numpyro.handlers import seed, substitute, trace

from posterity.errors import UserError
from posterity.model.dependencies import find_ancestors
from posterity.model.model import PLACEHOLDER_KEY, BoundModel, trace_conditioned
from posterity.runtime.compile_cache import compile_and_run

REMEDY = (
    "Put it and all that depends on it into one plate. Apply only jnp.where and Vindex to it: no "
    "sum over the plate, no scan"
)
MAX_REASON_CHARACTERS = 200


def marginalise_discrete(
    function: Callable, model: BoundModel, reparametrised: list[str]
) -> Callable:
    """
    Return a model whose discrete latent sites are marginalised.

    `function` is the model, with the sites `reparametrised` in other coordinates. Raises UserError
    if NumPyro cannot marginalise a site, or would silently give a wrong density: if a site depends
    on a discrete one outside of its plate (by a sum over it, for example).
    """
    enumerated = config_enumerate(function)
    _check_plates(model, reparametrised)
    latent = {name: np.zeros(model.sites[name].shape) for name in model.continuous_latents}

    def evaluate(key: jax.Array, latent: dict, traced: dict) -> tuple[jax.Array, dict]:
        density = _compute_density(enumerated, model, traced)
        sites = _sample_once(model, key, latent, traced)
        return density, {name: sites[name]["value"] for name in latent}

    try:
        jax.eval_shape(evaluate, PLACEHOLDER_KEY, latent, model.traced_arguments)
    except Exception as error:  # an unsuitable shape leads to errors of many classes
        reason = " ".join(str(error).split())[:MAX_REASON_CHARACTERS] or type(error).__name__
        raise UserError(
            f"{model.file}: NumPyro cannot marginalise '{model.discrete_latents[0]}' ({reason}). "
            f"{REMEDY}; or marginalise it by hand."
        ) from error
    return enumerated


def sample_discrete(
    model: BoundModel, draws: dict[str, np.ndarray], names: list[str], key: np.ndarray
) -> tuple[dict[str, np.ndarray], float, float]:
    """
    Sample the discrete sites given the others, and compute deterministic sites.

    Parameters
    ----------
    model : BoundModel
    draws : dict of str to array, shape (chain, draw, ...)
        Draws of all continuous latent sites.
    names : list of str
        Discrete and deterministic sites to return.
    key : array, shape (2,)
        Raw JAX key.

    Returns
    -------
    values : dict of str to array, shape (chain, draw, ...)
    compile_seconds, run_seconds : float
    """
    chains, length = next(iter(draws.values())).shape[:2]
    size = chains * length

    def sample(key: jax.Array, latent: dict, traced: dict) -> dict[str, jax.Array]:
        sites = _sample_once(model, key, latent, traced)
        return {name: sites[name]["value"] for name in names if name not in draws}

    def sample_all(inputs: tuple, traced: dict) -> dict[str, jax.Array]:
        return jax.lax.map(lambda each: sample(each[0], each[1], traced), inputs)

    flat = {name: values.reshape(size, *values.shape[2:]) for name, values in draws.items()}
    keys = np.asarray(jax.random.split(jnp.asarray(key), size))
    values, compiled, ran = compile_and_run(
        sample_all,
        ((keys, flat), model.traced_arguments),
        ["discrete", model.fingerprint, sorted(names), size],
    )
    shaped = {
        name: array.reshape(chains, length, *array.shape[1:]) for name, array in values.items()
    }
    return shaped, compiled, ran


def _check_plates(model: BoundModel, reparametrised: list[str]) -> None:
    """Raise UserError if a site depends on a discrete one outside of its plates."""
    plates = _find_plates(model)
    for site, ancestors in find_ancestors(model).items():
        for discrete in set(ancestors) & set(model.discrete_latents) - {site}:
            if site in reparametrised:
                raise UserError(
                    f"reparam: {site}: its prior depends on the discrete site '{discrete}'. "
                    "Remove it from `reparam`."
                )
            if not plates[discrete] <= plates[site]:
                raise UserError(
                    f"{model.file}: '{discrete}' cannot be marginalised, since '{site}' depends "
                    f"on it outside of its plate. {REMEDY}."
                )


def _sample_once(model: BoundModel, key: jax.Array, latent: dict, traced: dict) -> dict:
    """Sample the discrete sites given the others, and return the messages of all sites."""
    function = config_enumerate(substitute(seed(model.full_data, key), data=latent))
    first_dim = -1 - _count_plate_dims(model, traced)
    inferred = infer_discrete(function, first_available_dim=first_dim, rng_key=key)
    sites = trace(inferred).get_trace(**traced)
    discrete = {name: sites[name]["value"] for name in model.discrete_latents}
    return trace_conditioned(model, latent | discrete, traced)


def _find_plates(model: BoundModel) -> dict[str, set[str]]:
    """Return the names of the plates that each site is in."""
    plates = {}

    def run(traced: dict) -> int:
        for name, site in trace_conditioned(model, {}, traced).items():
            plates[name] = {frame.name for frame in site.get("cond_indep_stack", ())}
        return 0

    jax.eval_shape(run, model.traced_arguments)
    return plates


def _compute_density(enumerated: Callable, model: BoundModel, traced: dict) -> jax.Array:
    """Return the log density in nats, with discrete sites marginalised."""
    first_dim = -1 - _count_plate_dims(model, traced)
    function = enum(seed(enumerated, jax.random.PRNGKey(0)), first_dim)
    return log_density(function, (), traced, {})[0]


def _count_plate_dims(model: BoundModel, traced: dict) -> int:
    """Return the number of dimensions that plates take."""
    sites = trace_conditioned(model, {}, traced).values()
    dims = [-frame.dim for site in sites for frame in site.get("cond_indep_stack", ())]
    return max(dims, default=0)
