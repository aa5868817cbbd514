"""Run a model for many draws at once: prior draws, posterior predictions, log-likelihoods, log priors, test statistics."""

import jax
import numpy as np
import xarray as xr

from posterity.design import covariates
from posterity.errors import UserError, hint
from posterity.model import Model, bind, conditioned, predictive, top_level
from posterity.preflight import misfits
from posterity.randomness import key

BATCH = 1000  # draws that are computed together: bounds the memory


def prior(model: Model, draws: int, seed: int, *names: str) -> dict[str, np.ndarray]:
    """Draw from the prior and the prior predictive distribution: the value of each site, shape (draws, ...)."""
    wanted = list(model.sites)

    def run(key, traced):
        messages = predictive(model, key, {}, traced)
        return {name: messages[name]["value"] for name in wanted}

    return _over_draws(run, _keys(draws, seed, *names), model.traced)


def posterior(model: Model, latent: dict[str, np.ndarray], seed: int, *names: str) -> dict[str, dict[str, np.ndarray]]:
    """
    Predict for draws of the latent sites, each of shape (draws, ...).

    Returns, by name, values by site, each of shape (draws, ...): `predicted` (observed sites drawn anew), `deterministic`,
    `log_likelihood` (of the data, one value per observation), `log_likelihood_predicted` (of the values predicted, at the same
    draw), `log_prior` (top-level latent sites).
    """
    observed, top = model.names("observed"), top_level(model)

    def run(inputs, traced):
        key, values = inputs
        forward, backward = predictive(model, key, values, traced), conditioned(model, values, traced)
        return {
            "predicted": {name: forward[name]["value"] for name in observed},
            "deterministic": {name: backward[name]["value"] for name in model.names("deterministic")},
            "log_likelihood": {name: _log_prob(backward[name]) for name in observed},
            "log_likelihood_predicted": {name: _log_prob(forward[name]) for name in observed},
            "log_prior": {name: _log_prob(backward[name]) for name in top},
        }

    draws = len(next(iter(latent.values())))
    return _over_draws(run, (_keys(draws, seed, *names), latent), model.traced)


def elsewhere(
    id: str, spec: dict, at: dict, data: xr.Dataset, latent: dict[str, np.ndarray], seed: int, where: str, *names: str
) -> tuple[Model, xr.Dataset, dict[str, np.ndarray], list[str]]:
    """
    Predict at new covariates.

    `at` gives a covariate by variable (see `design.covariates`); what does not go along the rows is taken from the data. `latent`
    are draws, each of shape (draws, ...). A latent site whose shape follows the number of rows belongs to the rows that were
    fitted; it is drawn anew, from its distribution given the others.

    Returns the model bound to the new covariates, these covariates, observed and deterministic sites by name, each of shape
    (draws, ...), and the latent sites that were drawn anew. Raises UserError for a covariate that is missing or unknown.
    """
    fitted = bind(id, spec, data)
    known = [spec["arguments"].get(argument, argument) for argument in fitted.arguments]
    free = [name for name in known if name not in fitted.observing]
    for name in at:
        if name not in free:
            raise UserError(f"{where}: {name} is no covariate of {fitted.name}: {hint(name, free)}")
    dims = {dim for name in at for dim in data[name].dims}
    if len(dims) != 1:
        raise UserError(
            f"{where}: the covariates {', '.join(at)} lie along {', '.join(map(str, dims)) or 'no dimension'}; give those of one"
        )
    rows = str(dims.pop())
    new = covariates(at, rows, seed, where)
    if rows not in new.sizes:
        new = new.expand_dims({rows: [0]})
    missing = [name for name in free if rows in data[name].dims and name not in at]
    if missing:
        raise UserError(f"{where}: {missing[0]} is a covariate of {fitted.name} too; give it as well, as a number or a list")
    new = xr.Dataset(
        {name: values if values.dims else values.expand_dims({rows: new.sizes[rows]}) for name, values in new.data_vars.items()},
        new.coords,
    )
    for name in new.data_vars:
        new[name].attrs = dict(data[name].attrs)
    new = new.merge(data[[name for name in free if rows not in data[name].dims]])
    for name in fitted.observing:  # drawn anew; only their shapes matter
        shape = [new.sizes.get(dim, data.sizes[dim]) for dim in data[name].dims]
        new[name] = (data[name].dims, np.zeros(shape, data[name].dtype), data[name].attrs)
    bound = bind(id, spec, new)
    if unfit := misfits(bound):
        raise UserError(f"{where}: with these covariates {unfit[0]}; a model that counts its groups needs rows of each of them")
    longer = bind(id, spec, new.isel({rows: [*range(new.sizes[rows]), 0]}))
    drawn = [name for name in bound.names("latent") if longer.sites[name].shape != bound.sites[name].shape]
    for name in drawn:
        if name in bound.improper:
            raise UserError(f"{where}: the site '{name}' has an improper prior, so that no new values of it can be drawn")
    kept = {name: values for name, values in latent.items() if name not in drawn}
    wanted = [*bound.names("observed"), *bound.names("deterministic")]

    def run(inputs, traced):
        key, values = inputs
        messages = predictive(bound, key, values, traced)
        return {name: messages[name]["value"] for name in wanted}

    draws = len(next(iter(latent.values())))
    values = _over_draws(run, (_keys(draws, seed, *names), kept), bound.traced)
    return bound, new.drop_vars(list(fitted.observing)), values, drawn


def _keys(draws: int, seed: int, *names: str) -> np.ndarray:
    return np.asarray(jax.random.split(key(seed, *names), draws))


def _log_prob(message: dict) -> jax.Array:
    return message["fn"].log_prob(message["value"])


def _over_draws(run, inputs, traced):
    """Map over draws, in batches of one size (the last one is filled up), so that one small program is compiled."""
    draws = len(jax.tree.leaves(inputs)[0])
    size = min(BATCH, draws)
    mapped = jax.jit(jax.vmap(run, in_axes=(0, None)))
    done = []
    for start in range(0, draws, size):
        chosen = np.minimum(np.arange(start, start + size), draws - 1)
        done.append(mapped(jax.tree.map(lambda values, chosen=chosen: values[chosen], inputs), traced))
    return jax.tree.map(lambda *parts: np.concatenate(parts)[:draws], *done)


STATISTICS = ("mean", "sd", "smallest", "largest", "deviance", "worst point")


def statistics(values: np.ndarray, log_likelihood: np.ndarray) -> np.ndarray:
    """
    Compute the test statistics of one observed variable: shape (draws, ...) in, (draws, 6) out, in the order of `STATISTICS`.

    The deviance is -2 sum log p(y|theta) and the worst point the largest -2 log p(y_i|theta): discrepancies that depend on the
    parameters, compared at the same draw (Gelman, Meng & Stern 1996, Statistica Sinica 6, 733, section 2.2).
    """
    draws = len(log_likelihood)
    y = np.broadcast_to(values, (draws, *values.shape[1:])).reshape(draws, -1).astype(float)
    score = -2 * log_likelihood.reshape(draws, -1)
    return np.stack([y.mean(1), y.std(1), y.min(1), y.max(1), score.sum(1), score.max(1)], axis=1)


def posterior_dataset(model: Model, values: dict[str, np.ndarray], chains: int, data: xr.Dataset) -> xr.Dataset:
    """Put values of shape (chains * draws, ...) into a Dataset with dimensions chain and draw."""
    split = {name: array.reshape(chains, -1, *array.shape[1:]) for name, array in values.items()}
    return model.dataset(split, ("chain", "draw"), data)
