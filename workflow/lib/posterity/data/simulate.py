"""Simulate data by running a model forward with the truth held fixed."""

import jax
import numpy as np
import xarray as xr

from posterity.data.covariates import make_covariates
from posterity.errors import UserError, hint
from posterity.model.bind import bind_model
from posterity.model.model import trace_predictive
from posterity.runtime.rng import derive_key


def simulate_model(
    id: str, spec: dict, truth: dict | str, design: dict, dim: str, seed: int, where: str
) -> tuple[xr.Dataset, xr.Dataset]:
    """
    Run a model forward: covariates from `design`, latent sites from `truth` (drawn from the prior where it is "prior").

    Returns data (covariates and observed variables) and truth (latent and deterministic sites). Raises UserError.
    """
    data = make_covariates(design, dim, seed, f"{where}: design")
    model = bind_model(id, spec, data, forward=True)
    given = {} if truth == "prior" else truth
    if truth == "prior" and model.improper_sites:
        site = model.improper_sites[0]
        raise UserError(
            f"{where}: truth: the prior of the site '{site}' is improper and has no draws; give the true values by name"
        )
    for name in given:
        if name not in model.site_names("latent"):
            raise UserError(
                f"{where}: truth: the model has no site '{name}': {hint(name, model.site_names('latent'))}"
            )
    missing = [name for name in model.site_names("latent") if name not in given]
    if truth != "prior" and missing:
        raise UserError(
            f"{where}: truth: no value for the site '{missing[0]}'; give one, or say `truth: prior`"
        )
    try:
        latent = {name: np.asarray(given[name], dtype=float) for name in given}
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{where}: truth: each value should be a number, or a list of numbers ({error})"
        ) from None
    for name, value in latent.items():
        if value.shape != model.sites[name].shape:
            raise UserError(
                f"{where}: truth: {name} has shape {value.shape} and not {model.sites[name].shape}; give a value for each element"
            )
    run = jax.jit(
        lambda key, latent, traced: {
            n: m["value"]
            for n, m in trace_predictive(model, key, latent, traced).items()
            if "value" in m
        }
    )
    values = run(derive_key(seed, "simulate", id), latent, model.traced_arguments)
    observed = model.site_names("observed")
    recorded = [name for name in model.sites if name not in observed]
    simulated = model.to_dataset({name: values[name] for name in observed}, (), data)
    return data.merge(simulated), model.to_dataset(
        {name: values[name] for name in recorded}, (), data
    )
