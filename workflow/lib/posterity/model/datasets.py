"""Values of a model's sites as groups of an artefact."""

import jax
import numpy as np
import xarray as xr

from posterity.model.model import BoundModel, trace_model
from posterity.runtime.compile_cache import load_or_compile


def get_observed_values(model: BoundModel) -> dict[str, np.ndarray]:
    """Return the observations of each observed site, as the model conditions on them."""

    def get_values(traced: dict) -> dict[str, jax.Array]:
        _, values = trace_model(model, traced)
        return {name: values[name] for name in model.site_names("observed")}

    program = load_or_compile(
        (model.traced_arguments,),
        ["observed", model.fingerprint],
        lambda: ([jax.jit(get_values).trace(model.traced_arguments)], None),
        low_effort=(0,),
    ).run[0]
    return {name: np.asarray(value) for name, value in program(model.traced_arguments).items()}


def make_sample_stats(values: dict[str, np.ndarray]) -> xr.Dataset:
    """Return a sampler's statistics, shape (chain, draw), as a Dataset."""
    lead = ("chain", "draw")
    sizes = np.shape(next(iter(values.values()))) if values else ()
    coords = {dim: np.arange(size) for dim, size in zip(lead, sizes, strict=False)}
    return xr.Dataset({name: (lead, value) for name, value in values.items()}, coords)


def make_data_groups(model: BoundModel, data: xr.Dataset) -> dict[str, xr.Dataset]:
    """Return the groups `observed_data`, by site, and `constant_data`, all other variables."""
    observed = model.to_dataset(get_observed_values(model), (), data)
    for site, variable in model.observations.items():
        observed[site].attrs["variable"] = variable
    constant = data[[name for name in data.data_vars if name not in model.observations.values()]]
    return {"observed_data": observed, "constant_data": constant}
