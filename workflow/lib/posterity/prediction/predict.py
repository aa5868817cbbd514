"""Run a model for many draws at once: prior draws, posterior predictions, log-likelihoods, log priors, test statistics."""

import jax
import numpy as np
import xarray as xr

from posterity.model.dependencies import list_top_level_sites
from posterity.model.model import BoundModel, trace_conditioned, trace_predictive
from posterity.runtime.compile_cache import load_or_compile
from posterity.runtime.rng import Stream

BATCH_DRAWS = 1000  # draws that are computed together: bounds the memory


def sample_prior(model: BoundModel, draws: int, stream: Stream) -> dict[str, np.ndarray]:
    """Draw from the prior and the prior predictive distribution: the value of each site, shape (draws, ...)."""
    wanted = list(model.sites)

    def run(key, traced):
        messages = trace_predictive(model, key, {}, traced)
        return {name: messages[name]["value"] for name in wanted}

    return _map_draws("prior", run, _derive_draw_keys(draws, stream), model)


def predict_posterior(
    model: BoundModel, latent: dict[str, np.ndarray], stream: Stream
) -> dict[str, dict[str, np.ndarray]]:
    """
    Predict for draws of the latent sites, each of shape (draws, ...).

    Returns, by name, values by site, each of shape (draws, ...): `predicted` (observed sites drawn anew), `deterministic`,
    `log_likelihood` (of the data, one value per observation), `log_likelihood_predicted` (of the values predicted, at the same
    draw), `log_prior` (top-level latent sites).
    """
    observed, top = model.site_names("observed"), list_top_level_sites(model)

    def run(inputs, traced):
        key, values = inputs
        forward, backward = (
            trace_predictive(model, key, values, traced),
            trace_conditioned(model, values, traced),
        )
        return {
            "predicted": {name: forward[name]["value"] for name in observed},
            "deterministic": {
                name: backward[name]["value"] for name in model.site_names("deterministic")
            },
            "log_likelihood": {name: _log_prob(backward[name]) for name in observed},
            "log_likelihood_predicted": {name: _log_prob(forward[name]) for name in observed},
            "log_prior": {name: _log_prob(backward[name]) for name in top},
        }

    draws = len(next(iter(latent.values())))
    return _map_draws("posterior", run, (_derive_draw_keys(draws, stream), latent), model)


def _derive_draw_keys(draws: int, stream: Stream) -> np.ndarray:
    return np.asarray(jax.random.split(stream.key(), draws))


def _log_prob(message: dict) -> jax.Array:
    return message["fn"].log_prob(message["value"])


def _map_draws(what: str, run, inputs, model: BoundModel):
    """Map over draws, in batches of one size (the last one is filled up), so that one small program is compiled."""
    draws = len(jax.tree.leaves(inputs)[0])
    size = min(BATCH_DRAWS, draws)
    mapped, first = (
        jax.jit(jax.vmap(run, in_axes=(0, None))),
        jax.tree.map(lambda values: values[:size], inputs),
    )
    made_from = [what, model.fingerprint]
    program = load_or_compile(
        (first, model.traced_arguments),
        made_from,
        lambda: ([mapped.trace(first, model.traced_arguments)], None),
        low_effort=(0,),
    ).run[0]
    done = []
    for start in range(0, draws, size):
        chosen = np.minimum(np.arange(start, start + size), draws - 1)
        done.append(
            program(
                jax.tree.map(lambda values, chosen=chosen: values[chosen], inputs),
                model.traced_arguments,
            )
        )
    return jax.tree.map(lambda *parts: np.concatenate(parts)[:draws], *done)


def make_draws_dataset(
    model: BoundModel, values: dict[str, np.ndarray], chains: int, data: xr.Dataset
) -> xr.Dataset:
    """Put values of shape (chains * draws, ...) into a Dataset with dimensions chain and draw."""
    split = {name: array.reshape(chains, -1, *array.shape[1:]) for name, array in values.items()}
    return model.to_dataset(split, ("chain", "draw"), data)
