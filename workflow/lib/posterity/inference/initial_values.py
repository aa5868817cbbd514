"""Initial values of chains and optimisers."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer import init_to_median, init_to_sample, init_to_uniform, init_to_value
from numpyro.infer.util import initialize_model

from posterity.config.registry import METHODS
from posterity.errors import UserError, hint
from posterity.model.model import (
    BoundModel,
    compute_log_prob,
    trace_conditioned,
    trace_predictive,
)
from posterity.runtime.rng import Stream

PRIOR_TRIES = 100  # draws of the prior, to find which site has no finite density
INIT_STRATEGIES = {"uniform": init_to_uniform, "median": init_to_median, "sample": init_to_sample}


class UnconstrainedModel(NamedTuple):
    """
    A model in unconstrained space.

    Attributes
    ----------
    start : dict of str to array
        Initial value of each latent site.
    potential : Callable
        Returns minus the log density of a position, in nats, with the Jacobian.
    constrain : Callable
        Maps a position to the values of sites.
    """

    start: dict[str, jax.Array]
    potential: Callable
    constrain: Callable


def unconstrain_model(
    function: Callable, init_strategy: Callable, key: jax.Array, traced: dict
) -> UnconstrainedModel:
    """
    Return a model in unconstrained space, with initial values.

    Parameters
    ----------
    function : Callable
        The NumPyro model.
    init_strategy : Callable
        NumPyro's strategy for initial values.
    key : array, shape (2,)
        Raw JAX key.
    traced : dict of str to array
        Traced arguments of the model.

    Returns
    -------
    UnconstrainedModel
    """
    info = initialize_model(
        key, function, init_strategy=init_strategy, dynamic_args=True, model_kwargs=traced
    )
    potential = info.potential_fn(**traced)
    return UnconstrainedModel(info.param_info.z, potential, info.postprocess_fn(**traced))


def choose_init_strategy(model: BoundModel, settings: dict) -> Callable:
    """
    Return NumPyro's strategy for the setting `init`: a name, or values by site.

    Raises UserError for an unknown or discrete site, and for a value of another shape.
    """
    init = settings["init"]
    if init == "pathfinder" and not METHODS[settings["method"]].pathfinder_start:
        raise UserError(
            f"init: {settings['method']} cannot start from pathfinder. Use median, or values by "
            "site."
        )
    if isinstance(init, str):
        return INIT_STRATEGIES["uniform" if init == "pathfinder" else init]
    values = {}
    for site, value in init.items():
        _check_initial_value(model, site, value)
        values[site] = np.broadcast_to(np.asarray(value, float), model.sites[site].shape)
    return init_to_value(values=values)


def nonfinite_start_error(model: BoundModel, otherwise: str = "") -> UserError:
    """
    Return the error of a model whose log density or gradient is not finite at any start.

    The message names the site that is the likely cause. It is `otherwise`, if given, for a model
    that has a finite gradient somewhere.
    """
    keys = Stream(0).keys("start", PRIOR_TRIES)
    evaluate = jax.jit(
        jax.vmap(lambda key, traced: _test_prior_draw(model, key, traced), (0, None))
    )
    log_likelihoods, smooth = evaluate(keys, model.traced_arguments)
    is_finite = {name: np.isfinite(values) for name, values in log_likelihoods.items()}
    steep = [name for name, values in smooth.items() if not values.any()]
    if steep and all(values.any() for values in is_finite.values()):
        return UserError(
            f"{model.file}: the log density has no finite gradient in '{steep[0]}', at none of "
            f"{PRIOR_TRIES} draws of the prior. Look for a square root or a power at 0, or a "
            "jnp.where with a branch that is not finite: gradients need both branches to be finite."
        )
    if otherwise:
        return UserError(otherwise)
    counts = {name: int(values.sum()) for name, values in is_finite.items()}
    return UserError(
        f"{model.file}: the log density is not finite at any start{_explain_counts(counts)}. "
        "Check priors and data: can these data come from this model? Another `init` of the fit "
        "may help."
    )


def _check_initial_value(model: BoundModel, site: str, value) -> None:
    """Raise UserError unless the model has this continuous latent site, and the value its shape."""
    if site in model.discrete_latents:
        raise UserError(
            f"init: the site '{site}' is discrete, and marginalised, so that it has no initial "
            "value. Remove it."
        )
    latent = model.site_names("latent")
    if site not in latent:
        raise UserError(
            f"init: model {model.name} has no latent site '{site}': {hint(site, latent)}"
        )
    shape = model.sites[site].shape
    if np.shape(value) not in ((), shape):
        raise UserError(
            f"init: {site}: the site has shape {shape}, not {np.shape(value)}. Give one number, or "
            "a value of this shape."
        )


def _test_prior_draw(model: BoundModel, key: jax.Array, traced: dict) -> tuple[dict, dict]:
    """
    Evaluate the density at a draw of the prior.

    Returns the log likelihood of each observed site, and whether the gradient in each continuous
    latent site is finite.
    """
    messages = trace_predictive(model, key, {}, traced)
    latent = {name: messages[name]["value"] for name in model.site_names("latent")}
    moving = {name: latent[name] for name in model.continuous_latents}

    def density(moving: dict) -> tuple[jax.Array, dict]:
        sites = trace_conditioned(model, latent | moving, traced)
        terms = {
            name: jnp.sum(compute_log_prob(site))
            for name, site in sites.items()
            if site["type"] == "sample"
        }
        likelihood = {name: terms[name] for name in model.site_names("observed")}
        return sum(terms.values(), jnp.zeros(())), likelihood

    (_, likelihood), gradient = jax.value_and_grad(density, has_aux=True)(moving)
    return likelihood, {name: jnp.isfinite(value).all() for name, value in gradient.items()}


def _explain_counts(finite: dict[str, int]) -> str:
    """Return the likely cause, from how often the log likelihood of each site is finite."""
    if not finite:
        return ""
    worst = min(finite, key=lambda name: finite[name])
    if finite[worst] == PRIOR_TRIES:
        return (
            " (the likelihood is finite at draws of the prior: check numpyro.factor, and what "
            "depends on bounds)"
        )
    return (
        f" (the log likelihood of site '{worst}' is finite in {finite[worst]} of {PRIOR_TRIES} "
        "draws of the prior)"
    )
