"""Run a model for many draws at once: prior draws, and predictions for posterior draws."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import xarray as xr

from posterity.model.datasets import make_data_groups
from posterity.model.hyperparameters import list_hyperparameters
from posterity.model.model import BoundModel, trace_conditioned, trace_predictive
from posterity.runtime.compile_cache import load_or_compile
from posterity.runtime.rng import Stream

BATCH_DRAWS = 1000  # computed together; limits the memory

Values = dict[str, np.ndarray]


def sample_prior(model: BoundModel, draws: int, stream: Stream) -> Values:
    """Return draws of all sites from the prior and prior predictive, each of shape (draws, ...)."""
    sites = list(model.sites)

    def run(key: jax.Array, traced: dict[str, Any]) -> dict[str, Any]:
        messages = trace_predictive(model, key, {}, traced)
        return {name: messages[name]["value"] for name in sites}

    return map_draws("prior", run, split_keys(draws, stream), model)


def make_prior_groups(
    model: BoundModel, draws: int, stream: Stream, data: xr.Dataset
) -> dict[str, xr.Dataset]:
    """
    Make the groups of prior.nc.

    Parameters
    ----------
    model : BoundModel
        The model, bound to `data`.
    draws : int
        Number of draws.
    stream : Stream
        Random stream of the draws.
    data : xarray.Dataset
        Data of the study.

    Returns
    -------
    dict of str to xarray.Dataset
        `prior`, `prior_predictive` (both empty if the prior is improper, since it has no draws),
        `observed_data` and `constant_data`.
    """
    values = {} if model.improper_sites else sample_prior(model, draws, stream)
    observed = {name: values.pop(name) for name in model.site_names("observed") if name in values}
    return {
        "prior": make_draws_dataset(model, values, 1, data),
        "prior_predictive": make_draws_dataset(model, observed, 1, data),
        **make_data_groups(model, data),
    }


def predict_posterior(model: BoundModel, latent: Values, stream: Stream) -> dict[str, Values]:
    """
    Predict for draws of the latent sites.

    Parameters
    ----------
    model : BoundModel
        The model, bound to the data.
    latent : dict of str to array
        Draws by site, each of shape (draws, ...).
    stream : Stream
        Random stream of the predictions.

    Returns
    -------
    dict of str to dict of str to array
        By site, each of shape (draws, ...): `predicted` (new draws of the observed sites),
        `deterministic`, `log_likelihood` (one value per observation), `log_likelihood_predicted`
        (of the predicted values, at the same draw) and `log_prior` (of the hyperparameters).
    """
    observed = model.site_names("observed")
    deterministic = model.site_names("deterministic")
    hyperparameters = list_hyperparameters(model)

    def run(inputs: tuple[jax.Array, Any], traced: dict[str, Any]) -> dict[str, dict[str, Any]]:
        key, values = inputs
        forward = trace_predictive(model, key, values, traced)
        backward = trace_conditioned(model, values, traced)
        return {
            "predicted": {name: forward[name]["value"] for name in observed},
            "deterministic": {name: backward[name]["value"] for name in deterministic},
            "log_likelihood": {name: _log_prob(backward[name]) for name in observed},
            "log_likelihood_predicted": {name: _log_prob(forward[name]) for name in observed},
            "log_prior": {name: _log_prob(backward[name]) for name in hyperparameters},
        }

    return map_draws("posterior", run, (split_keys(count_draws(latent), stream), latent), model)


def count_draws(values: Values) -> int:
    """Return the number of draws of values of shape (draws, ...)."""
    return len(next(iter(values.values())))


def split_keys(draws: int, stream: Stream) -> np.ndarray:
    """Return one key of the stream per draw, shape (draws, 2)."""
    return np.asarray(jax.random.split(stream.key(), draws))


def _log_prob(message: dict[str, Any]) -> jax.Array:
    return message["fn"].log_prob(message["value"])


def map_draws(name: str, run: Callable[..., Any], inputs: Any, model: BoundModel) -> Any:
    """
    Map a function over draws.

    All batches have the same size, so that only one program is compiled. The last draw fills up
    the last batch.

    Parameters
    ----------
    name : str
        Name of the program in the compile cache.
    run : callable
        Function of the inputs of one draw and of the traced arguments of the model.
    inputs : pytree of arrays
        Inputs, each of shape (draws, ...).
    model : BoundModel
        The model that `run` evaluates.

    Returns
    -------
    pytree of arrays
        Outputs of `run`, each of shape (draws, ...).
    """
    draws = len(jax.tree.leaves(inputs)[0])
    size = min(BATCH_DRAWS, draws)
    mapped = jax.jit(jax.vmap(run, in_axes=(0, None)))
    first = jax.tree.map(lambda values: values[:size], inputs)
    program = load_or_compile(
        (first, model.traced_arguments),
        [name, model.fingerprint],
        lambda: ([mapped.trace(first, model.traced_arguments)], None),
        low_effort=(0,),
    ).run[0]
    batches = []
    for start in range(0, draws, size):
        batch = _take_draws(inputs, np.minimum(np.arange(start, start + size), draws - 1))
        batches.append(program(batch, model.traced_arguments))
    return jax.tree.map(lambda *parts: np.concatenate(parts)[:draws], *batches)


def _take_draws(inputs: Any, chosen: np.ndarray) -> Any:
    return jax.tree.map(lambda values: values[chosen], inputs)


def make_draws_dataset(
    model: BoundModel, values: Values, chains: int, data: xr.Dataset
) -> xr.Dataset:
    """
    Make a Dataset with dimensions chain and draw.

    Parameters
    ----------
    model : BoundModel
        The model, for dimensions and attributes of its sites.
    values : dict of str to array
        Values by site, each of shape (chains * draws, ...).
    chains : int
        Number of chains.
    data : xarray.Dataset
        Data of the study, for the coordinates.
    """
    split = {name: array.reshape(chains, -1, *array.shape[1:]) for name, array in values.items()}
    return model.to_dataset(split, ("chain", "draw"), data)
