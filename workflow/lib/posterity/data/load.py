"""Load the data of a study: read a table, or run a simulation."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from posterity.data.table import describe_variables, read_table
from posterity.errors import UserError
from posterity.python_files import load_module
from posterity.runtime.rng import Stream


def load_data(
    study: str,
    spec: dict[str, Any] | str,
    model: dict[str, Any] | None,
    float_type: str,
    threads: int = 1,
) -> tuple[xr.Dataset, xr.Dataset, str]:
    """
    Load the data of a study.

    Parameters
    ----------
    study : str
        Id of the study.
    spec : dict or "none"
        `data` of the study: a file, a simulation, or "none".
    model : dict or None
        The entry of the model that simulates. None if no model does.
    float_type : str
        `float64` or `float32`.
    threads : int
        Number of threads of a simulation.

    Returns
    -------
    data : xarray.Dataset
        One variable per quantity.
    truth : xarray.Dataset
        True values by site. Empty without a simulation.
    source : str
        Name of the data for messages.

    Raises
    ------
    UserError
        If the table or the simulation has an error.
    """
    study_file = f"config/studies/{study}.yaml"
    source = f"the data of study {study}"
    if isinstance(spec, str):  # "none"
        return xr.Dataset(), xr.Dataset(), source
    if "file" in spec:
        return read_table(spec, study_file), xr.Dataset(), spec["file"]
    assert model is not None  # the configuration names the model of each simulation
    where = f"{study_file}: data: simulate"
    values, truth = run_simulator(spec, model, float_type, threads, where)
    return describe_variables(values, spec, study_file), truth, source


def run_simulator(
    spec: dict[str, Any], model: dict[str, Any], float_type: str, threads: int, where: str
) -> tuple[xr.Dataset, xr.Dataset]:
    """
    Simulate by simulate.py in the folder of the model, or else by running the model forward.

    A simulate.py may also return the true values of latent sites that it has drawn, as a second
    Dataset.

    Parameters
    ----------
    spec : dict
        `data` of the study, with the keys `simulate` and `dim`.
    model : dict
        The entry of the model in the study.
    float_type : str
        `float64` or `float32`.
    threads : int
        Number of threads of JAX.
    where : str
        Place of the simulation (file and key) for messages.

    Returns
    -------
    data, truth : xarray.Dataset
        Simulated variables, and true values by site.

    Raises
    ------
    UserError
        If the study lacks values that the simulation needs.
    """
    settings = spec["simulate"]
    file = Path(model["file"]).with_name("simulate.py")
    if file.is_file():
        return _run_file(file, settings, where)
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


def _run_file(file: Path, settings: dict[str, Any], where: str) -> tuple[xr.Dataset, xr.Dataset]:
    """Run `simulate` of a simulate.py. Return data and truth."""
    truth = settings["truth"]
    if truth == "prior":
        raise UserError(f"{where}: truth: {file} needs the true values. Give them by name.")
    module = load_module(file)
    rng = Stream(settings["seed"]).generator("simulate", settings["model"])
    try:
        output = module.simulate(rng, truth, settings["design"])
    except KeyError as error:
        raise UserError(
            f"{where}: {file} needs the key {error} in `truth` or `design`. Add it."
        ) from error
    values, drawn = output if isinstance(output, tuple) else (output, xr.Dataset())
    known = xr.Dataset({name: _make_true_value(name, value) for name, value in truth.items()})
    return _number_dims(values), known.merge(_number_dims(drawn))


def _number_dims(data: xr.Dataset) -> xr.Dataset:
    """Number the entries of the dimensions without a coordinate."""
    missing = [dim for dim in data.dims if dim not in data.coords]
    return data.assign_coords({dim: range(data.sizes[dim]) for dim in missing})


def _make_true_value(name: str, value: Any) -> xr.Variable:
    values = np.asarray(value, dtype=float)
    return xr.Variable([f"{name}_dim_{axis}" for axis in range(values.ndim)], values)
