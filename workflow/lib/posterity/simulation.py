"""Simulate data by running a model forward with the truth held fixed."""

import jax
import numpy as np
import xarray as xr

from posterity.errors import UserError, hint
from posterity.model import bind, predictive
from posterity.randomness import generator, key


def covariates(design: dict, dim: str, seed: int, where: str) -> xr.Dataset:
    """
    Make the covariates that a design states.

    Each is a number, a list, {linspace: [a, b, n]}, or {uniform: [a, b, n]} (drawn, and sorted). All that have a length must
    have the same one. Raises UserError otherwise.
    """
    data = xr.Dataset()
    for name, value in design.items():
        match value:
            case {"linspace": [a, b, n]}:
                values = np.linspace(a, b, int(n))
            case {"uniform": [a, b, n]}:
                values = np.sort(generator(seed, "design", name).uniform(a, b, int(n)))
            case list() | int() | float():
                values = np.asarray(value)
            case _:
                raise UserError(
                    f"{where}: design: {name}: give a number, a list, {{linspace: [a, b, n]}} or {{uniform: [a, b, n]}}"
                )
        if values.dtype.kind not in "iufb":
            raise UserError(f"{where}: design: {name}: numbers are needed, not {value!r}")
        if values.ndim and data.sizes.get(dim, values.size) != values.size:
            raise UserError(f"{where}: design: {name} has {values.size} values and the others {data.sizes[dim]}; give one number")
        data[name] = ((dim,) if values.ndim else (), values)
    return data.assign_coords({dim: np.arange(data.sizes[dim])}) if dim in data.sizes else data


def forward(id: str, spec: dict, truth: dict | str, design: dict, dim: str, seed: int, where: str) -> tuple[xr.Dataset, xr.Dataset]:
    """
    Run a model forward: covariates from `design`, latent sites from `truth` (drawn from the prior where it is "prior").

    Returns data (covariates and observed variables) and truth (latent and deterministic sites). Raises UserError.
    """
    data = covariates(design, dim, seed, where)
    model = bind(id, spec, data, forward=True)
    given = {} if truth == "prior" else truth
    for name in given:
        if name not in model.names("latent"):
            raise UserError(f"{where}: truth: the model has no site '{name}': {hint(name, model.names('latent'))}")
    missing = [name for name in model.names("latent") if name not in given]
    if truth != "prior" and missing:
        raise UserError(f"{where}: truth: no value for the site '{missing[0]}'; give one, or say `truth: prior`")
    latent = {name: np.asarray(given[name], dtype=float) for name in given}
    for name, value in latent.items():
        if value.shape != model.sites[name].shape:
            raise UserError(
                f"{where}: truth: {name} has shape {value.shape} and not {model.sites[name].shape}; give a value for each element"
            )
    run = jax.jit(
        lambda key, latent, traced: {n: m["value"] for n, m in predictive(model, key, latent, traced).items() if "value" in m}
    )
    values = run(key(seed, "simulate", id), latent, model.traced)
    observed = model.names("observed")
    recorded = [name for name in model.sites if name not in observed]
    simulated = model.dataset({name: values[name] for name in observed}, (), data)
    return data.merge(simulated), model.dataset({name: values[name] for name in recorded}, (), data)
