"""Load the data of a study: read a table, or run a simulation."""

from pathlib import Path

import numpy as np
import xarray as xr

from posterity.data.table import describe_variables, read_table
from posterity.errors import UserError
from posterity.python_files import load_module
from posterity.runtime.rng import derive_generator


def load_data(
    study: str, spec: dict | str, model: dict | None, float_type: str, threads: int = 1
) -> tuple[xr.Dataset, xr.Dataset, str]:
    """Make the data of a study (see `data`). Returns data, truth, and what the data are called in messages."""
    study_file = f"config/studies/{study}.yaml"
    if "file" in spec:
        return read_table(spec, study_file), xr.Dataset(), spec["file"]
    source = f"the data of study {study}"
    if spec == "none":
        return xr.Dataset(), xr.Dataset(), source
    values, truth = run_simulator(spec, model, float_type, threads, f"{study_file}: data: simulate")
    return describe_variables(values, spec, study_file), truth, source


def run_simulator(
    spec: dict, model: dict, float_type: str, threads: int, where: str
) -> tuple[xr.Dataset, xr.Dataset]:
    """
    Simulate by simulate.py beside the model, else by running the model forward. Returns data and truth.

    A simulate.py may return the true values of latent sites that it has drawn, as a Dataset beside the data.
    """
    settings = spec["simulate"]
    file = Path(model["file"]).with_name("simulate.py")
    if not file.is_file():
        from posterity.data.simulate import simulate_model
        from posterity.runtime.device import configure_jax

        configure_jax(threads, float_type)
        return simulate_model(
            settings["model"],
            model,
            settings["truth"],
            settings["design"],
            spec["dim"],
            settings["seed"],
            where,
        )
    if settings["truth"] == "prior":
        raise UserError(f"{where}: truth: {file} needs the true values; give them by name")
    module = load_module(file)
    rng = derive_generator(settings["seed"], "simulate", settings["model"])
    try:
        values = module.simulate(rng, settings["truth"], settings["design"])
    except KeyError as error:
        raise UserError(
            f"{where}: {file} needs the key {error} in `truth` or `design`; add it"
        ) from error
    values, drawn = values if isinstance(values, tuple) else (values, xr.Dataset())
    values, drawn = (
        one.assign_coords({dim: range(one.sizes[dim]) for dim in set(one.dims) - set(one.coords)})
        for one in (values, drawn)
    )
    given = {name: np.asarray(value, dtype=float) for name, value in settings["truth"].items()}
    truth = xr.Dataset(
        {name: ([f"{name}_dim_{i}" for i in range(one.ndim)], one) for name, one in given.items()}
    )
    return values, truth.merge(drawn)
