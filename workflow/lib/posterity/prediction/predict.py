"""Run a model for many draws at once: prior draws, and predictions for posterior draws."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import jax
import numpy as np
import xarray as xr

from posterity.artefact.provenance import hash_values
from posterity.model.datasets import make_data_groups
from posterity.model.hyperparameters import list_hyperparameters
from posterity.model.model import BoundModel, trace_conditioned, trace_predictive
from posterity.prediction.statistics import SiteDesign, compute_statistics
from posterity.runtime.compile_cache import load_or_compile
from posterity.runtime.rng import Stream

BATCH_DRAWS = 1000  # computed together; limits the memory

NO_DESIGNS: Mapping[str, SiteDesign] = MappingProxyType({})

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


def predict_posterior(
    model: BoundModel,
    latent: Values,
    stream: Stream,
    designs: Mapping[str, SiteDesign] = NO_DESIGNS,
) -> dict[str, Values]:
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
    designs : dict of str to SiteDesign
        The test statistics, by observed site. Without them there are none.

    Returns
    -------
    dict of str to dict of str to array
        By site, each of shape (draws, ...): `predicted` (new draws of the observed sites),
        `deterministic`, `log_likelihood` (one value per observation), `log_prior` (of the
        hyperparameters), and the test statistics of predictions and data at the same draw,
        `replicated` and `realised`, shape (draws, statistic).
    """
    observed = model.site_names("observed")
    deterministic = model.site_names("deterministic")
    hyperparameters = list_hyperparameters(model)

    arrays = {name: design.arrays for name, design in designs.items()}

    def run(
        inputs: tuple[jax.Array, Any], traced: dict[str, Any], arrays: dict[str, Any]
    ) -> dict[str, dict[str, Any]]:
        key, values = inputs
        forward = trace_predictive(model, key, values, traced)
        backward = trace_conditioned(model, values, traced)

        def compute(messages: dict[str, Any]) -> dict[str, Any]:
            return {
                name: compute_statistics(messages[name], design, arrays[name])
                for name, design in designs.items()
            }

        return {
            "predicted": {name: forward[name]["value"] for name in observed},
            "deterministic": {name: backward[name]["value"] for name in deterministic},
            "log_likelihood": {name: _log_prob(backward[name]) for name in observed},
            "log_prior": {name: _log_prob(backward[name]) for name in hyperparameters},
            "replicated": compute(forward),
            "realised": compute(backward),
        }

    inputs = (split_keys(count_draws(latent), stream), latent)
    key = hash_values({name: [design.names, design.sizes] for name, design in designs.items()})
    return map_draws(f"posterior {key}", run, inputs, model, arrays)


def count_draws(values: Values) -> int:
    """Return the number of draws of values of shape (draws, ...)."""
    return len(next(iter(values.values())))


def split_keys(draws: int, stream: Stream) -> np.ndarray:
    """Return one key of the stream per draw, shape (draws, 2)."""
    return np.asarray(jax.random.split(stream.key(), draws))


def _log_prob(message: dict[str, Any]) -> jax.Array:
    return message["fn"].log_prob(message["value"])


def map_draws(
    name: str, run: Callable[..., Any], inputs: Any, model: BoundModel, *shared: Any
) -> Any:
    """
    Map a function over draws.

    All batches have the same size, so that only one program is compiled. The last draw fills up
    the last batch.

    Parameters
    ----------
    name : str
        Name of the program in the compile cache.
    run : callable
        Function of the inputs of one draw, of the traced arguments of the model, and of `shared`.
    inputs : pytree of arrays
        Inputs, each of shape (draws, ...).
    model : BoundModel
        The model that `run` evaluates.
    *shared : pytree of arrays
        Inputs that all draws have in common.

    Returns
    -------
    pytree of arrays
        Outputs of `run`, each of shape (draws, ...).
    """
    return compile_map(name, run, model, *shared)(inputs)


def compile_map(
    name: str, run: Callable[..., Any], model: BoundModel, *shared: Any
) -> Callable[[Any], Any]:
    """
    Return a function that maps `run` over draws, and that compiles once.

    The number of draws of all calls has to be the same. Parameters and result are those of
    `map_draws`.
    """
    programs: list[Callable[..., Any]] = []

    def map_inputs(inputs: Any) -> Any:
        draws = len(jax.tree.leaves(inputs)[0])
        size = min(BATCH_DRAWS, draws)
        if not programs:
            first = _take_draws(inputs, slice(size))
            programs.append(_compile_batch(name, run, first, model, *shared))
        batches = []
        for start in range(0, draws, size):
            batch = _take_draws(inputs, np.minimum(np.arange(start, start + size), draws - 1))
            batches.append(programs[0](batch, model.traced_arguments, *shared))
        return jax.tree.map(lambda *parts: np.concatenate(parts)[:draws], *batches)

    return map_inputs


def _compile_batch(
    name: str, run: Callable[..., Any], batch: Any, model: BoundModel, *shared: Any
) -> Callable[..., Any]:
    mapped = jax.jit(jax.vmap(run, in_axes=(0, None, *(None for _ in shared))))
    program: Callable[..., Any] = load_or_compile(
        (batch, model.traced_arguments, *shared),
        [name, model.fingerprint],
        lambda: ([mapped.trace(batch, model.traced_arguments, *shared)], None),
        low_effort=(0,),
    ).run[0]
    return program


def _take_draws(inputs: Any, chosen: np.ndarray | slice) -> Any:
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
