"""Models: load a NumPyro function, bind its arguments to data, and learn its sites. The signature is the interface."""

import hashlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from numpyro.distributions import biject_to
from numpyro.handlers import seed, substitute, trace

from posterity.model.handlers import FullPlates, InitImproper, ReplicateObserved
from posterity.python_files import import_closure

PLACEHOLDER_KEY = np.zeros(2, np.uint32)  # for sites whose values are not looked at


@dataclass(frozen=True)
class Site:
    """
    One site of a model: its role (`latent`, `observed` or `deterministic`), shape, dimensions, name of its distribution (for
    messages), whether its values are discrete, and whether its prior is improper.
    """

    role: str
    shape: tuple[int, ...]
    dims: tuple[str, ...]
    distribution: str = ""
    discrete: bool = False
    improper: bool = False


@dataclass(frozen=True)
class BoundModel:
    """
    A model function bound to data.

    `arguments` are the values that go in, as arrays; those in `constants` stay concrete numbers when a program is compiled, all
    others are traced. `sites` are in the order of the function. `labels` and `units` are by site. `observations` gives the variable
    of the data that a site observes as it is, `observed_variables` all variables that reach an observed site.
    """

    function: Callable
    name: str
    file: str
    arguments: dict[str, np.ndarray]
    constants: tuple[str, ...] = ()
    sites: dict[str, Site] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    observations: dict[str, str] = field(default_factory=dict)
    observed_variables: tuple[str, ...] = ()

    @property
    def traced_arguments(self) -> dict[str, np.ndarray]:
        """The arguments that a compiled program takes as its input."""
        return {name: value for name, value in self.arguments.items() if name not in self.constants}

    def __call__(self, **traced) -> None:
        """Call the function with the constant arguments and the given traced ones."""
        return self.function(**{name: self.arguments[name] for name in self.constants}, **traced)

    def full_data(self, **traced) -> None:
        """The same, with plates that take a part of their elements taking all: the density is that of all data."""
        return FullPlates(self)(**traced)

    def site_names(self, role: str) -> list[str]:
        """The names of the sites of one role."""
        return [name for name, site in self.sites.items() if site.role == role]

    @property
    def discrete_latents(self) -> list[str]:
        """The latent sites with discrete values, which a sampler sums out."""
        return [name for name in self.site_names("latent") if self.sites[name].discrete]

    @cached_property
    def fingerprint(self) -> str:
        """
        A hash of what XLA sees of the model: its density and supports with all constants in them, for arguments of these shapes.

        Values of the traced arguments are no part of it. Two models with one fingerprint make the same compiled program.
        """
        kinds, moving = (
            {},
            [name for name in self.site_names("latent") if not self.sites[name].discrete],
        )

        def run(latent, traced):
            sites = trace_conditioned(self, latent, traced)
            sampled = {
                name: site for name, site in sites.items() if site["type"] == "sample"
            }  # terms by numpyro.factor too
            kinds.update(
                {name: type(site["fn"].support).__name__ for name, site in sampled.items()}
            )
            scales = {
                name: 1.0 if site["scale"] is None else site["scale"]
                for name, site in sampled.items()
            }
            return (
                {
                    name: site["value"]
                    for name, site in sites.items()
                    if site["type"] in ("sample", "deterministic")
                },
                {
                    name: scales[name] * site["fn"].log_prob(site["value"])
                    for name, site in sampled.items()
                },
                {
                    name: biject_to(sampled[name]["fn"].support).inv(sampled[name]["value"])
                    for name in moving
                },
            )

        latent = {
            name: jax.ShapeDtypeStruct(site.shape, int if site.discrete else float)
            for name, site in self.sites.items()
        }
        latent = {name: latent[name] for name in self.site_names("latent")}
        seen = jax.jit(run).lower(latent, self.traced_arguments).as_text()
        path, _, function = self.file.rpartition(": ")
        file = Path(path).resolve()
        source = b"".join(
            path.read_bytes() for path in import_closure(file, file.parent)
        )  # how a distribution of one's own is drawn from
        return hashlib.sha256(
            source + seen.encode() + repr([function, *sorted(kinds.items())]).encode()
        ).hexdigest()

    @property
    def improper_sites(self) -> list[str]:
        """The sites whose prior is improper: it has no draws."""
        return [
            name for name, site in self.sites.items() if site.role == "latent" and site.improper
        ]

    def site_attributes(self, site: str) -> dict[str, str]:
        """`long_name`, `units` and `role` of a site, for an artefact."""
        return {
            "long_name": self.labels.get(site, site),
            "units": self.units.get(site, ""),
            "role": self.sites[site].role,
        }

    def to_dataset(
        self, values: dict[str, np.ndarray], lead: tuple[str, ...], data: xr.Dataset
    ) -> xr.Dataset:
        """Put the values of sites, with leading dimensions such as (chain, draw), into a Dataset with names and units."""
        variables, coords = {}, {}
        for name in sorted(values, key=list(self.sites).index):
            array = np.asarray(values[name])
            # A log density has the site's dimensions without those of the event.
            variables[name] = (
                lead + self.sites[name].dims[: array.ndim - len(lead)],
                array,
                self.site_attributes(name),
            )
        made = xr.Dataset(variables)
        for dim in set(lead) & set(made.dims):
            coords[dim] = np.arange(made.sizes[dim])
        for name, coord in data.coords.items():
            # The number of a row belongs to the data; among draws ArviZ stumbles over it where only some sites have it.
            if (
                set(coord.dims) <= set(made.dims)
                and name not in variables
                and not (lead and name == "row")
            ):
                coords[name] = coord.variable
        return made.assign_coords(coords)


def _is_duplicate(error: Exception) -> bool:
    """
    Return whether two sites of a model have the same name.

    NumPyro has no error class for that. It is the only assertion of the method with which `trace` records a site.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return (
        isinstance(error, AssertionError)
        and frames[-1].f_code is trace.postprocess_message.__code__
    )


def trace_model(model: BoundModel, traced: dict, key=PLACEHOLDER_KEY) -> tuple[dict, dict]:
    """Trace the model once, observations in place; return the sites' messages and their values."""
    handler = trace(InitImproper(seed(model.full_data, jnp.asarray(key))))
    try:
        messages = handler.get_trace(**traced)
    except Exception as error:
        error.sites = {
            name: site["value"]
            for name, site in (handler.trace or {}).items()
            if site["type"] == "sample"
        }
        raise
    values = {
        name: site["value"]
        for name, site in messages.items()
        if site["type"] in ("sample", "deterministic")
    }
    for name in values:
        site = messages[name]
        if (
            site["type"] == "sample" and site["is_observed"] and np.size(site["value"]) == 1
        ):  # one number for a vector: obs=0.0
            values[name] = jnp.broadcast_to(
                site["value"], np.broadcast_shapes(np.shape(site["value"]), site["fn"].shape())
            )
    return messages, values


def trace_predictive(model: BoundModel, key: jax.Array, latent: dict, traced: dict) -> dict:
    """Run the model forward once: latent sites as given (drawn where not), observations drawn anew. Returns the sites' messages."""
    function = substitute(ReplicateObserved(seed(model.full_data, key)), data=latent)
    return trace(InitImproper(function)).get_trace(**traced)


def trace_conditioned(model: BoundModel, latent: dict, traced: dict) -> dict:
    """Run the model once with latent sites as given and the observations in place. Returns the sites' messages."""
    return trace(
        InitImproper(substitute(seed(model.full_data, jax.random.PRNGKey(0)), data=latent))
    ).get_trace(**traced)
