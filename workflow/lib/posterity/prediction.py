"""Run a model for many draws at once: prior draws, posterior predictions, log-likelihoods, log priors, test statistics."""

from dataclasses import dataclass

import jax
import numpy as np
import xarray as xr

from posterity.design import covariates
from posterity.errors import UserError, hint
from posterity.model import Model, bind, conditioned, predictive, top_level
from posterity.preflight import misfits
from posterity.programs import build
from posterity.randomness import key

BATCH = 1000  # draws that are computed together: bounds the memory


def prior(model: Model, draws: int, seed: int, *names: str) -> dict[str, np.ndarray]:
    """Draw from the prior and the prior predictive distribution: the value of each site, shape (draws, ...)."""
    wanted = list(model.sites)

    def run(key, traced):
        messages = predictive(model, key, {}, traced)
        return {name: messages[name]["value"] for name in wanted}

    return _over_draws("prior", run, _keys(draws, seed, *names), model)


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
    return _over_draws("posterior", run, (_keys(draws, seed, *names), latent), model)


@dataclass(frozen=True)
class Place:
    """New covariates, the model bound to them, and the latent sites that belong to the rows and have to be drawn anew."""

    model: Model
    covariates: xr.Dataset
    drawn: list[str]


def place(id: str, spec: dict, at: dict, data: xr.Dataset, seed: int, where: str) -> Place:
    """
    Bind a model to new covariates.

    `at` gives a covariate by variable (see `design.covariates`); variables of the data that this model does not take are passed
    over, and what does not go along the rows is taken from the data. A latent site whose shape follows the number of rows belongs
    to the rows that were fitted. Raises UserError for a covariate that is missing or unknown, and for a model that cannot be bound
    to them.
    """
    fitted = bind(id, spec, data)
    known = [spec["arguments"].get(argument, argument) for argument in fitted.arguments]
    free = [name for name in known if name not in fitted.observing]
    at = {name: value for name, value in at.items() if name in free or name not in data or name in fitted.observing}
    if not at:
        raise UserError(f"{where}: none of these is a covariate of {fitted.name}: {hint('', free)}")
    for name in at:
        if name not in free:
            raise UserError(f"{where}: {name} is no covariate of {fitted.name}: {hint(name, free)}")
    dims = {dim for name in at for dim in data[name].dims}
    if len(dims) != 1:
        lie = ", ".join(map(str, dims)) or "no dimension"
        raise UserError(f"{where}: the covariates {', '.join(at)} lie along {lie}; give those of one")
    rows = str(dims.pop())
    new = covariates(at, rows, seed, where)
    if rows not in new.sizes:
        new = new.expand_dims({rows: [0]})
    missing = [name for name in free if rows in data[name].dims and name not in at]
    if missing:
        raise UserError(f"{where}: {missing[0]} is a covariate of {fitted.name} too; give it as well, as a number or a list")
    along = {name: one if one.dims else one.expand_dims({rows: new.sizes[rows]}) for name, one in new.data_vars.items()}
    new = xr.Dataset(along, new.coords)
    for name in new.data_vars:
        kind = data[name].dtype if data[name].dtype.kind == "f" else new[name].dtype  # 1 stands for 1.0, but an index stays one
        new[name] = new[name].astype(kind).assign_attrs(data[name].attrs)
    new = new.merge(data[[name for name in free if rows not in data[name].dims]])
    for name in fitted.observing:  # drawn anew; only their shapes matter
        shape = [new.sizes.get(dim, data.sizes[dim]) for dim in data[name].dims]
        new[name] = (data[name].dims, np.zeros(shape, data[name].dtype), data[name].attrs)
    bound = bind(id, spec, new)
    if unfit := misfits(bound):
        raise UserError(f"{where}: with these covariates {unfit[0]}; a model that counts its groups needs rows of each of them")
    longer = bind(id, spec, new.isel({rows: [*range(new.sizes[rows]), 0]}))
    drawn = [name for name in bound.names("latent") if longer.sites[name].shape != bound.sites[name].shape]
    for name in set(bound.names("latent")) - set(drawn):
        if bound.sites[name].shape != fitted.sites[name].shape:
            shapes = f"{fitted.sites[name].shape}, and {bound.sites[name].shape} with these covariates"
            raise UserError(f"{where}: the site '{name}' was fitted with shape {shapes}: they name groups that were not fitted")
    for name in drawn:
        if name in bound.improper:
            raise UserError(f"{where}: the site '{name}' has an improper prior, so that no new values of it can be drawn")
    return Place(bound, new.drop_vars(list(fitted.observing)), drawn)


def elsewhere(there: Place, latent: dict[str, np.ndarray], seed: int, *names: str) -> dict[str, np.ndarray]:
    """
    Predict at new covariates for draws of the latent sites, each of shape (draws, ...).

    Latent sites that belong to the rows are drawn anew, from their distribution given the others. Returns observed and
    deterministic sites by name, each of shape (draws, ...).
    """
    kept = {name: values for name, values in latent.items() if name not in there.drawn}
    wanted = [*there.model.names("observed"), *there.model.names("deterministic")]

    def run(inputs, traced):
        key, values = inputs
        messages = predictive(there.model, key, values, traced)
        return {name: messages[name]["value"] for name in wanted}

    draws = len(next(iter(latent.values())))
    return _over_draws("elsewhere", run, (_keys(draws, seed, *names), kept), there.model)


def _keys(draws: int, seed: int, *names: str) -> np.ndarray:
    return np.asarray(jax.random.split(key(seed, *names), draws))


def _log_prob(message: dict) -> jax.Array:
    return message["fn"].log_prob(message["value"])


def _over_draws(what: str, run, inputs, model: Model):
    """Map over draws, in batches of one size (the last one is filled up), so that one small program is compiled."""
    draws = len(jax.tree.leaves(inputs)[0])
    size = min(BATCH, draws)
    mapped, first = jax.jit(jax.vmap(run, in_axes=(0, None))), jax.tree.map(lambda values: values[:size], inputs)
    made_from = [what, model.fingerprint]
    program = build((first, model.traced), made_from, lambda: ([mapped.trace(first, model.traced)], None), quick=(0,)).run[0]
    done = []
    for start in range(0, draws, size):
        chosen = np.minimum(np.arange(start, start + size), draws - 1)
        done.append(program(jax.tree.map(lambda values, chosen=chosen: values[chosen], inputs), model.traced))
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
