"""A NumPyro model bound to data: its arguments, its sites, and traces of it."""

import hashlib
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

PLACEHOLDER_KEY = np.zeros(2, np.uint32)  # for traces whose random values nobody uses


@dataclass(frozen=True)
class Site:
    """
    One site of a model.

    Attributes
    ----------
    role : str
        `latent`, `observed` or `deterministic`.
    shape : tuple of int
        Shape of a value.
    dims : tuple of str
        Name of each dimension of a value.
    distribution : str
        Name of the distribution, for messages.
    discrete : bool
        Whether the values are discrete.
    improper : bool
        Whether the prior is improper.
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

    Attributes
    ----------
    function : Callable
        The NumPyro model.
    name : str
        Id of the model in the study.
    file : str
        `<file>: <function>`, for messages.
    arguments : dict of str to array
        Value of each argument.
    constants : tuple of str
        Arguments that stay concrete numbers when a program is compiled. All others are traced.
    sites : dict of str to Site
        Sites in the order of the function.
    labels, units : dict of str to str
        Label and unit of each site.
    observations : dict of str to str
        Variable of the data that a site observes unchanged.
    observed_variables : tuple of str
        All variables that reach an observed site.
    factor_sites : tuple of str
        Terms of the density by numpyro.factor, which are not sites.
    priors : tuple of str or None
        Latent sites whose priors are choices, by `PRIORS` of the model's file.
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
    factor_sites: tuple[str, ...] = ()
    priors: tuple[str, ...] | None = None

    @property
    def traced_arguments(self) -> dict[str, np.ndarray]:
        """The arguments that a compiled program takes as its input."""
        return {name: value for name, value in self.arguments.items() if name not in self.constants}

    def __call__(self, **traced) -> None:
        """Call the function with the constant arguments and the given traced ones."""
        return self.function(**{name: self.arguments[name] for name in self.constants}, **traced)

    def full_data(self, **traced) -> None:
        """Call the function with all elements of each plate, for the density of all data."""
        return FullPlates(self)(**traced)

    def site_names(self, role: str) -> list[str]:
        """Return the names of the sites with a role."""
        return [name for name, site in self.sites.items() if site.role == role]

    @property
    def discrete_latents(self) -> list[str]:
        """The latent sites with discrete values, which a sampler marginalises."""
        return [name for name in self.site_names("latent") if self.sites[name].discrete]

    @property
    def continuous_latents(self) -> list[str]:
        """The latent sites with continuous values."""
        return [name for name in self.site_names("latent") if not self.sites[name].discrete]

    @property
    def improper_sites(self) -> list[str]:
        """The latent sites with an improper prior, from which nothing can be drawn."""
        return [name for name in self.site_names("latent") if self.sites[name].improper]

    @property
    def latent_size(self) -> int:
        """The number of scalars in all latent sites."""
        return sum(int(np.prod(self.sites[name].shape)) for name in self.site_names("latent"))

    @cached_property
    def fingerprint(self) -> str:
        """
        A hash of all that a compiled program of the model depends on.

        It covers the density and the supports with all their constants, the shapes of the
        arguments, and the source of the model's files. It does not cover the values of traced
        arguments.
        """
        kinds: dict[str, str] = {}
        integers, floats = (jnp.zeros((), kind).dtype for kind in (int, float))
        latent = {
            name: jax.ShapeDtypeStruct(site.shape, integers if site.discrete else floats)
            for name, site in self.sites.items()
            if site.role == "latent"
        }
        lowered = jax.jit(lambda *inputs: _trace_density(self, kinds, *inputs)).lower(
            latent, self.traced_arguments
        )
        path, _, function = self.file.rpartition(": ")
        file = Path(path).resolve()
        # The source, since the density does not show how a custom distribution draws.
        source = b"".join(path.read_bytes() for path in import_closure(file, file.parent))
        details = repr([function, *sorted(kinds.items())])
        return hashlib.sha256(source + lowered.as_text().encode() + details.encode()).hexdigest()

    def site_attributes(self, site: str) -> dict[str, str]:
        """Return `long_name`, `units` and `role` of a site, for an artefact."""
        return {
            "long_name": self.labels.get(site, site),
            "units": self.units.get(site, ""),
            "role": self.sites[site].role,
        }

    def to_dataset(
        self, values: dict[str, np.ndarray], lead: tuple[str, ...], data: xr.Dataset
    ) -> xr.Dataset:
        """
        Return the values of sites as a Dataset with names, units and coordinates.

        Parameters
        ----------
        values : dict of str to array, shape (*lead, ...)
            Values, or log densities, of each site.
        lead : tuple of str
            Names of the leading dimensions, such as (chain, draw).
        data : xarray.Dataset
            Data of the study, whose coordinates the result takes over.

        Returns
        -------
        xarray.Dataset
            One variable for each site, in the order of the model.
        """
        variables = {}
        for name in sorted(values, key=list(self.sites).index):
            array = np.asarray(values[name])
            # A log density has the site's dimensions without those of the event.
            dims = self.sites[name].dims[: array.ndim - len(lead)]
            variables[name] = (lead + dims, array, self.site_attributes(name))
        dataset = xr.Dataset(variables)
        coords: dict = {dim: np.arange(dataset.sizes[dim]) for dim in lead if dim in dataset.dims}
        for label, coord in data.coords.items():
            # ArviZ fails on a coordinate of draws that only some sites have, such as the row.
            unwanted = label in variables or (lead and label == "row")
            if not unwanted and set(coord.dims) <= set(dataset.dims):
                coords[label] = coord.variable
        return dataset.assign_coords(coords)


def record_sites(model: BoundModel, key: jax.Array | np.ndarray = PLACEHOLDER_KEY) -> trace:
    """Return NumPyro's trace handler around the model with its observations."""
    return trace(InitImproper(seed(model.full_data, jnp.asarray(key))))


def get_site_values(messages: dict[str, dict]) -> dict[str, jax.Array]:
    """Return the values of sampled and deterministic sites from their messages."""
    return {name: _get_value(site) for name, site in messages.items() if _has_value(site)}


def trace_model(
    model: BoundModel, traced: dict, key: jax.Array | np.ndarray = PLACEHOLDER_KEY
) -> tuple[dict[str, dict], dict[str, jax.Array]]:
    """Trace the model with its observations; return the messages and the values of its sites."""
    messages = record_sites(model, key).get_trace(**traced)
    return messages, get_site_values(messages)


def trace_predictive(model: BoundModel, key: jax.Array, latent: dict, traced: dict) -> dict:
    """
    Return the sites' messages of a run that draws the observations.

    Parameters
    ----------
    model : BoundModel
    key : array, shape (2,)
        Raw JAX key.
    latent : dict of str to array
        Values of latent sites. The run draws the others from their prior.
    traced : dict of str to array
        Values of `model.traced_arguments`.

    Returns
    -------
    dict of str to dict
        NumPyro's message of each site.
    """
    function = substitute(ReplicateObserved(seed(model.full_data, key)), data=latent)
    return trace(InitImproper(function)).get_trace(**traced)


def trace_conditioned(model: BoundModel, latent: dict, traced: dict) -> dict:
    """Return the sites' messages of a run with given latent values and with the observations."""
    function = substitute(seed(model.full_data, jax.random.PRNGKey(0)), data=latent)
    return trace(InitImproper(function)).get_trace(**traced)


def compute_log_prob(site: dict) -> jax.Array:
    """Return the log density of a sampled site's value (nats), times its scale."""
    log_prob = site["fn"].log_prob(site["value"])
    return log_prob if site["scale"] is None else site["scale"] * log_prob


def _has_value(site: dict) -> bool:
    return site["type"] in ("sample", "deterministic")


def _get_value(site: dict) -> jax.Array:
    """Return a site's value; one number that a vector observes (obs=0.0) becomes a vector."""
    value = site["value"]
    if site["type"] == "sample" and site["is_observed"] and np.size(value) == 1:
        shape = np.broadcast_shapes(np.shape(value), site["fn"].shape())
        return jnp.broadcast_to(value, shape)
    return value


def _trace_density(model: BoundModel, kinds: dict[str, str], latent: dict, traced: dict) -> tuple:
    """
    Return the values, log densities and unconstrained values of sites.

    The densities include terms by numpyro.factor. Writes the class of each support to `kinds`.
    """
    sites = trace_conditioned(model, latent, traced)
    sampled = {name: site for name, site in sites.items() if site["type"] == "sample"}
    kinds.update({name: type(site["fn"].support).__name__ for name, site in sampled.items()})
    values = {name: site["value"] for name, site in sites.items() if _has_value(site)}
    densities = {name: compute_log_prob(site) for name, site in sampled.items()}
    unconstrained = {
        name: biject_to(sampled[name]["fn"].support).inv(sampled[name]["value"])
        for name in model.continuous_latents
    }
    return values, densities, unconstrained
