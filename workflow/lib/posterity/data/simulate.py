"""Simulate data by running a model forward at fixed true values."""

from typing import Any

import jax
import numpy as np
import xarray as xr

from posterity.data.covariates import make_covariates
from posterity.errors import UserError, hint
from posterity.model.bind import bind_model
from posterity.model.model import BoundModel, trace_predictive
from posterity.runtime.rng import Stream


def simulate_model(
    model: str,
    spec: dict[str, Any],
    truth: dict[str, Any] | str,
    design: dict[str, Any],
    dim: str,
    seed: int,
    where: str,
) -> tuple[xr.Dataset, xr.Dataset]:
    """
    Run a model forward.

    Parameters
    ----------
    model : str
        Id of the model.
    spec : dict
        The entry of the model in the study.
    truth : dict or "prior"
        True values of all latent sites, by name. With "prior" they are drawn from the prior.
    design : dict
        Covariates (see `make_covariates`).
    dim : str
        Dimension of the covariates.
    seed : int
        Seed of the simulation.
    where : str
        Place of the simulation (file and key) for messages.

    Returns
    -------
    data : xarray.Dataset
        Covariates and observed variables.
    truth : xarray.Dataset
        Values of the latent and deterministic sites.

    Raises
    ------
    UserError
        If the design or the true values do not fit the model.
    """
    data = make_covariates(design, dim, seed, f"{where}: design")
    bound = bind_model(model, spec, data, forward=True)
    latent = _check_truth(truth, bound, f"{where}: truth")
    run = jax.jit(lambda key, latent, traced: _trace_values(bound, key, latent, traced))
    values = run(Stream(seed).key("simulate", model), latent, bound.traced_arguments)
    observed = bound.site_names("observed")
    unobserved = [name for name in bound.sites if name not in observed]
    simulated = bound.to_dataset({name: values[name] for name in observed}, (), data)
    true_values = bound.to_dataset({name: values[name] for name in unobserved}, (), data)
    return data.merge(simulated), true_values


def _trace_values(
    model: BoundModel, key: jax.Array, latent: dict[str, Any], traced: dict[str, Any]
) -> dict[str, Any]:
    messages = trace_predictive(model, key, latent, traced)
    return {name: message["value"] for name, message in messages.items() if "value" in message}


def _check_truth(
    truth: dict[str, Any] | str, model: BoundModel, where: str
) -> dict[str, np.ndarray]:
    """Return the true values as arrays; none if they are to be drawn from the prior."""
    sites = model.site_names("latent")
    if isinstance(truth, str):  # "prior"
        if model.improper_sites:
            raise UserError(
                f"{where}: the prior of the site '{model.improper_sites[0]}' is improper and has "
                "no draws. Give the true values by name."
            )
        return {}
    for name in truth:
        if name not in sites:
            raise UserError(f"{where}: the model has no site '{name}': {hint(name, sites)}")
    for name in sites:
        if name not in truth:
            raise UserError(
                f"{where}: no value for the site '{name}'. Give one, or set `truth: prior`."
            )
    try:
        latent = {name: np.asarray(value, dtype=float) for name, value in truth.items()}
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{where}: a value is neither a number nor a list of numbers ({error}). Correct it."
        ) from None
    for name, values in latent.items():
        shape = model.sites[name].shape
        if values.shape != shape:
            raise UserError(
                f"{where}: {name} has shape {values.shape}, but the site has shape {shape}. "
                "Give a value for each element."
            )
    return latent
