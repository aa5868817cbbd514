"""Find the sites of a model, with their roles, shapes and dimensions."""

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import numpy as np
import xarray as xr
from numpyro.distributions import ImproperUniform, Unit
from numpyro.ops.provenance import eval_provenance

from posterity.errors import UserError, hint
from posterity.model.handlers import unwrap_distribution
from posterity.model.model import BoundModel, Site, trace_model


class TracedSites(NamedTuple):
    """
    What one trace of a model shows.

    Attributes
    ----------
    messages : dict of str to dict
        NumPyro's message of each site.
    shapes : dict of str to jax.ShapeDtypeStruct
        Shape of each sampled or deterministic value.
    observed : list of str
        Observed sites, terms by numpyro.factor among them.
    """

    messages: dict[str, dict]
    shapes: dict[str, jax.ShapeDtypeStruct]
    observed: list[str]


@dataclass(frozen=True)
class SiteSource:
    """The variables of the data that reach each observed site, and the dimensions of the data."""

    variables: dict[str, list[str]]
    data: xr.Dataset
    renamed_dims: dict[str, str]

    def find_observation(self, name: str, shape: tuple[int, ...]) -> str | None:
        """Return the variable that a site observes unchanged."""
        for variable in self.variables.get(name, ()):
            if variable in self.data and self.data[variable].shape == shape:
                return variable
        return None

    def name_dims(self, name: str, site: dict, shape: tuple[int, ...]) -> tuple[str, ...]:
        """Return the dimensions of a site: the names of its plates, else `<site>_dim_<i>`."""
        batch = len(shape) - (site["fn"].event_dim if "fn" in site else 0)
        dims = [f"{name}_dim_{axis}" for axis in range(len(shape))]
        for frame in site.get("cond_indep_stack", ()):
            axis = batch + frame.dim
            if not 0 <= axis < batch or shape[axis] != frame.size:
                continue
            dim = self.renamed_dims.get(frame.name, frame.name)
            if dim not in dims and self.data.sizes.get(dim, frame.size) == frame.size:
                dims[axis] = dim
        return tuple(dims)


def find_sites(model: BoundModel, spec: dict, data: xr.Dataset) -> tuple[BoundModel, bool]:
    """
    Return the model with its sites, and whether it conditions on anything (numpyro.factor too).

    Raises UserError if `dims` of the study names an unknown plate.
    """
    traced = _trace_sites(model)
    _check_plates(model, spec["dims"], traced.messages.values())
    renamed = spec["arguments"]
    origins = _find_origins(model, traced)
    variables = {
        name: [renamed.get(argument, argument) for argument in arguments]
        for name, arguments in origins.items()
    }
    source = SiteSource(variables, data, spec["dims"])
    sites = {}
    labels = dict(model.labels)
    units = dict(model.units)
    observations = {}
    for name, message in traced.messages.items():  # in the order of the function
        role = _find_role(message)
        if name not in traced.shapes or role == "factor":
            continue
        shape = traced.shapes[name].shape
        observation = source.find_observation(name, shape) if role == "observed" else None
        if observation is None:
            dims = source.name_dims(name, message, shape)
        else:
            observations[name] = observation
            dims = tuple(map(str, data[observation].dims))
            labels.setdefault(name, data[observation].attrs.get("long_name", name))
            units.setdefault(name, data[observation].attrs.get("units", ""))
        sites[name] = _make_site(role, shape, dims, message)
    bound = replace(
        model,
        sites=sites,
        labels=labels,
        units=units,
        observations=observations,
        observed_variables=_list_first(variables[name] for name in traced.observed),
        factor_sites=tuple(
            name for name, message in traced.messages.items() if _find_role(message) == "factor"
        ),
    )
    return bound, bool(traced.observed)


def _trace_sites(model: BoundModel) -> TracedSites:
    messages: dict[str, dict] = {}

    def run(traced: dict) -> dict[str, jax.Array]:
        recorded, values = trace_model(model, traced)
        messages.update(recorded)
        return values

    shapes = jax.eval_shape(run, model.traced_arguments)
    observed = [
        name for name, site in messages.items() if site["type"] == "sample" and site["is_observed"]
    ]
    return TracedSites(messages, shapes, observed)


def _find_origins(model: BoundModel, traced: TracedSites) -> dict[str, list[str]]:
    """
    List the arguments that reach the value of each observed site.

    An argument that may be missing comes first, since observations have the default None.
    """
    origins = {
        name: _find_equal_constants(model, traced.messages[name]) for name in traced.observed
    }
    if not traced.observed or not model.traced_arguments:
        return origins

    def get_observed(**arguments) -> dict[str, jax.Array]:
        _, values = trace_model(model, arguments)
        return {name: values[name] for name in traced.observed}

    provenance = eval_provenance(get_observed, **model.traced_arguments)
    parameters = inspect.signature(model.function).parameters
    optional = {name for name, parameter in parameters.items() if parameter.default is None}
    for name in traced.observed:
        arguments = sorted(map(str, provenance[name]), key=lambda arg: (arg not in optional, arg))
        origins[name] = arguments or origins[name]
    return origins


def _find_equal_constants(model: BoundModel, site: dict) -> list[str]:
    """List the constant arguments whose values are those of an observed site."""
    if isinstance(site["value"], jax.core.Tracer):
        return []
    return [
        name for name in model.constants if np.array_equal(site["value"], model.arguments[name])
    ]


def _find_role(message: dict) -> str:
    """Return the role of a site; `factor` for numpyro.factor, a term of the density alone."""
    if message["type"] == "deterministic":
        return "deterministic"
    if message["type"] != "sample" or not message["is_observed"]:
        return "latent"
    return "factor" if isinstance(unwrap_distribution(message["fn"]), Unit) else "observed"


def _make_site(role: str, shape: tuple[int, ...], dims: tuple[str, ...], message: dict) -> Site:
    if role == "deterministic":
        return Site(role, shape, dims)
    distribution = unwrap_distribution(message["fn"])
    return Site(
        role,
        shape,
        dims,
        distribution=type(distribution).__name__,
        discrete=message["fn"].support.is_discrete,
        improper=isinstance(distribution, ImproperUniform),
    )


def _check_plates(model: BoundModel, renamed: dict[str, str], messages: Iterable[dict]) -> None:
    """Raise UserError if `dims` of the study names an unknown plate."""
    plates = {frame.name for site in messages for frame in site.get("cond_indep_stack", ())}
    for plate in renamed:
        if plate not in plates:
            raise UserError(
                f"{model.file}: `dims` of the study names a plate '{plate}', which the model "
                f"does not have: {hint(plate, plates)}"
            )


def _list_first(groups: Iterable[list[str]]) -> tuple[str, ...]:
    """Return the first element of each list that has one, without repetition."""
    return tuple(dict.fromkeys(group[0] for group in groups if group))
