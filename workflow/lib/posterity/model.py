"""Models: load a NumPyro function, bind its arguments to data, and learn its sites. The signature is the interface."""

import hashlib
import inspect
import linecache
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import xarray as xr
from numpyro.distributions import ExpandedDistribution, ImproperUniform, Independent, MaskedDistribution, Unit, biject_to
from numpyro.handlers import scope, seed, substitute, trace, uncondition
from numpyro.infer.inspect import get_dependencies
from numpyro.ops.provenance import eval_provenance
from numpyro.primitives import Messenger

from posterity import imports
from posterity.errors import UserError, hint
from posterity.programs import build
from posterity.sources import closure

KEY = np.zeros(2, np.uint32)  # for sites whose values are not looked at


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
class Model:
    """
    A model function bound to data.

    `arguments` are the values that go in, as arrays; those in `constants` stay concrete numbers when a program is compiled, all
    others are traced. `sites` are in the order of the function. `labels` and `units` are by site. `observations` gives the variable
    of the data that a site observes as it is, `observing` all variables that reach an observed site.
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
    observing: tuple[str, ...] = ()

    @property
    def traced(self) -> dict[str, np.ndarray]:
        """The arguments that a compiled program takes as its input."""
        return {name: value for name, value in self.arguments.items() if name not in self.constants}

    def opened(self, **traced) -> None:
        """Call the function with the constant arguments and the given traced ones."""
        return self.function(**{name: self.arguments[name] for name in self.constants}, **traced)

    def closed(self, **traced) -> None:
        """The same, with plates that take a part of their elements taking all: the density is that of all data."""
        return Whole(self.opened)(**traced)

    def names(self, role: str) -> list[str]:
        """The names of the sites of one role."""
        return [name for name, site in self.sites.items() if site.role == role]

    @property
    def summed(self) -> list[str]:
        """The latent sites with discrete values, which a sampler sums out."""
        return [name for name in self.names("latent") if self.sites[name].discrete]

    @cached_property
    def fingerprint(self) -> str:
        """
        A hash of what XLA sees of the model: its density and supports with all constants in them, for arguments of these shapes.

        Values of the traced arguments are no part of it. Two models with one fingerprint make the same compiled program.
        """
        kinds, moving = {}, [name for name in self.names("latent") if not self.sites[name].discrete]

        def run(latent, traced):
            sites = conditioned(self, latent, traced)
            sampled = {name: site for name, site in sites.items() if site["type"] == "sample"}  # terms by numpyro.factor too
            kinds.update({name: type(site["fn"].support).__name__ for name, site in sampled.items()})
            scales = {name: 1.0 if site["scale"] is None else site["scale"] for name, site in sampled.items()}
            return (
                {name: site["value"] for name, site in sites.items() if site["type"] in ("sample", "deterministic")},
                {name: scales[name] * site["fn"].log_prob(site["value"]) for name, site in sampled.items()},
                {name: biject_to(sampled[name]["fn"].support).inv(sampled[name]["value"]) for name in moving},
            )

        latent = {name: jax.ShapeDtypeStruct(site.shape, int if site.discrete else float) for name, site in self.sites.items()}
        latent = {name: latent[name] for name in self.names("latent")}
        seen = jax.jit(run).lower(latent, self.traced).as_text()
        path, _, function = self.file.rpartition(": ")
        file = Path(path).resolve()
        source = b"".join(path.read_bytes() for path in closure(file, file.parent))  # how a distribution of one's own is drawn from
        return hashlib.sha256(source + seen.encode() + repr([function, *sorted(kinds.items())]).encode()).hexdigest()

    @property
    def improper(self) -> list[str]:
        """The sites whose prior is improper: it has no draws."""
        return [name for name, site in self.sites.items() if site.role == "latent" and site.improper]

    def attributes(self, site: str) -> dict[str, str]:
        """`long_name`, `units` and `role` of a site, for an artefact."""
        return {"long_name": self.labels.get(site, site), "units": self.units.get(site, ""), "role": self.sites[site].role}

    def dataset(self, values: dict[str, np.ndarray], lead: tuple[str, ...], data: xr.Dataset) -> xr.Dataset:
        """Put the values of sites, with leading dimensions such as (chain, draw), into a Dataset with names and units."""
        variables, coords = {}, {}
        for name in sorted(values, key=list(self.sites).index):
            array = np.asarray(values[name])
            # A log density has the site's dimensions without those of the event.
            variables[name] = (lead + self.sites[name].dims[: array.ndim - len(lead)], array, self.attributes(name))
        made = xr.Dataset(variables)
        for dim in set(lead) & set(made.dims):
            coords[dim] = np.arange(made.sizes[dim])
        for name, coord in data.coords.items():
            # The number of a row belongs to the data; among draws ArviZ stumbles over it where only some sites have it.
            if set(coord.dims) <= set(made.dims) and name not in variables and not (lead and name == "row"):
                coords[name] = coord.variable
        return made.assign_coords(coords)


def load(spec: dict) -> tuple[Callable, dict, dict]:
    """
    Import a model's file and take its function, `LABELS` and `UNITS`.

    Raises UserError, naming file and line, for a file that does not import.
    """
    file = Path(spec["file"]).resolve()
    try:
        module = imports.load(file)
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == file]
        where = f"{spec['file']}, line {lines[-1]}" if lines else spec["file"]
        raise UserError(f"{where}: the model does not import ({type(error).__name__}: {error}); mend that line") from error
    return getattr(module, spec["function"]), getattr(module, "LABELS", {}), getattr(module, "UNITS", {})


def bind(id: str, spec: dict, data: xr.Dataset, forward: bool = False) -> Model:
    """
    Bind a model to data: match arguments to variables by name, trace it once, and learn its sites.

    `id` is the model's id in the study and `spec` its entry there (see `study.load`). With `forward` the observations need not
    be in the data: zeros stand in for them, since a model that is run forward draws them anew.

    Raises UserError for an argument without a variable (an observation that is meant to be left out is said to be `none` in
    `arguments`), and for a model that cannot be traced with these data.
    """
    function, labels, units = load(spec)
    name = f"{spec['file']}: {spec['function']}"
    arguments, parameters = {}, inspect.signature(function).parameters
    for argument in [*spec["arguments"], *(spec["observed"] or [])]:
        if argument not in parameters:
            raise UserError(
                f"{name}: the study names an argument '{argument}', which the function does not have: {hint(argument, parameters)}"
            )
    for argument, parameter in parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        variable = spec["arguments"].get(argument, argument)
        if variable in data:
            values = data[variable].values
            if values.dtype.kind not in "iufb":
                raise UserError(
                    f"{name}: argument '{argument}' gets '{variable}', {_first_text(data[variable])}; a model takes numbers"
                )
            arguments[argument] = values.astype(float) if values.dtype.kind == "f" else values
        elif variable == "none" and parameter.default is not parameter.empty:
            continue
        elif forward and (parameter.default is None or argument in (spec["observed"] or [])):
            arguments[argument] = np.zeros(max(data.sizes.values(), default=1))
        elif argument in spec["arguments"] or parameter.default is parameter.empty:
            raise UserError(
                f"{name}: there is no variable '{variable}' in the data for argument '{argument}': "
                f"{hint(variable, data.data_vars)} (`arguments: {{{argument}: <variable>}}` in the study renames)"
            )
    model = Model(function, id, name, arguments, labels=dict(labels), units=dict(units))
    model = replace(model, constants=_constants(model))
    model, conditions = _with_sites(model, spec, data)
    left_out = [name for name, rule in parameters.items() if rule.default is None and name not in arguments]
    for argument in [] if forward else left_out:
        variable = spec["arguments"].get(argument, argument)
        site = _would_observe(model, argument, data) if variable != "none" else None
        if site:
            raise UserError(
                f"{name}: there is no variable '{variable}' in the data for argument '{argument}', so that the site '{site}' "
                f"would not be observed: {hint(variable, data.data_vars)} (`arguments: {{{argument}: <variable>}}` in the study "
                f"renames; `arguments: {{{argument}: none}}` leaves it out on purpose)"
            )
    if data.data_vars and not conditions:
        raise UserError(
            f"{name}: no site of the model is observed, so the data would have no influence; "
            "give an observation to the likelihood: numpyro.sample(..., obs=y)"
        )
    return model


def _would_observe(model: Model, argument: str, data: xr.Dataset) -> str | None:
    """Find the site that an argument would observe if the data had it."""
    for shape in [*((size,) for size in dict.fromkeys(data.sizes.values())), ()]:
        messages, attempt = {}, replace(model, arguments=model.arguments | {argument: np.zeros(shape)})
        try:
            jax.eval_shape(lambda traced, a=attempt, m=messages: m.update(_record(a, traced)[0]), attempt.traced)
        except Exception:  # not this shape
            continue
        return next((name for name in model.names("latent") if messages.get(name, {}).get("is_observed")), None)
    return None


def _first_text(values: xr.DataArray) -> str:
    """Say where a variable that should hold numbers holds text."""
    for place, value in enumerate(values.values.ravel()):
        try:
            float(value)
        except ValueError:
            first = int(np.unravel_index(place, values.shape)[0]) if values.ndim else 0
            row = int(values["row"].values[first]) if "row" in values.coords else first + 1
            return f"which is '{value}' in row {row} (counted from 1 below the header)"
    return "which is written as text"


def _constants(model: Model) -> tuple[str, ...]:
    """
    Find, by trying, the arguments that the function needs as concrete numbers (`np.unique(index).size`).

    Raises UserError for a function that needs latent values so.
    """
    every = tuple(model.arguments)
    whole = tuple(name for name, value in model.arguments.items() if value.dtype.kind in "iub")
    for constants in [(), *((name,) for name in every), whole, every]:
        attempt = replace(model, constants=constants)
        try:
            jax.eval_shape(lambda key, traced, attempt=attempt: _record(attempt, traced, key)[1], KEY, attempt.traced)
        except (jax.errors.JAXTypeError, jax.errors.JAXIndexError) as error:
            if constants == every:
                raise _concrete(model, error) from error
            continue
        except Exception as error:
            raise _untraceable(model, error) from error
        return constants
    return ()


def _blamed(model: Model, error: Exception) -> tuple[str, str]:
    """Say where in a model's file an error arose, and which statement it was."""
    file = Path(model.file.rpartition(":")[0]).resolve()
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == file]
    if not lines:
        return model.file, ""
    return f"{model.file}, line {lines[-1]}", linecache.getline(str(file), lines[-1]).strip()


def _concrete(model: Model, error: Exception) -> UserError:
    where, statement = _blamed(model, error)
    return UserError(
        f"{where}: {f'`{statement}` ' if statement else 'the model '}needs the value of what depends on a latent site, which no "
        "compiled program knows beforehand; use jnp.where or jax.lax.cond for `if`, jax.lax.scan for loops, jax.numpy for numpy"
    )


def _untraceable(model: Model, error: Exception) -> UserError:
    where, statement = _blamed(model, error)
    shapes = ", ".join(f"{name} {np.shape(value)}" for name, value in model.arguments.items()) or "none"
    reason = " ".join(str(error).split()) or repr(error)
    before = ", ".join(f"{name} {np.shape(value)}" for name, value in getattr(error, "sites", {}).items())
    remedy = "give each site a name of its own" if _is_duplicate(error) else "mend that line, or what it is given"
    return UserError(
        f"{where}: the model cannot be evaluated on these data ({reason})"
        f"{f', in `{statement}`' if statement else ''}{f', after the sites {before}' if before else ''}; "
        f"its arguments are: {shapes}; {remedy}"
    )


def _is_duplicate(error: Exception) -> bool:
    """
    Return whether two sites of a model have the same name.

    NumPyro has no error class for that. It is the only assertion of the method with which `trace` records a site.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return isinstance(error, AssertionError) and frames[-1].f_code is trace.postprocess_message.__code__


def _record(model: Model, traced: dict, key=KEY) -> tuple[dict, dict]:
    """Trace the model once, observations in place; return the sites' messages and their values."""
    handler = trace(Proper(seed(model.closed, jnp.asarray(key))))
    try:
        messages = handler.get_trace(**traced)
    except Exception as error:
        error.sites = {name: site["value"] for name, site in (handler.trace or {}).items() if site["type"] == "sample"}
        raise
    values = {name: site["value"] for name, site in messages.items() if site["type"] in ("sample", "deterministic")}
    for name in values:
        site = messages[name]
        if site["type"] == "sample" and site["is_observed"] and np.size(site["value"]) == 1:  # one number for a vector: obs=0.0
            values[name] = jnp.broadcast_to(site["value"], np.broadcast_shapes(np.shape(site["value"]), site["fn"].shape()))
    return messages, values


def _with_sites(model: Model, spec: dict, data: xr.Dataset) -> tuple[Model, bool]:
    """Learn the sites. Returns the model with them, and whether it conditions on anything (numpyro.factor too)."""
    messages, origin = {}, {}

    def run(traced):
        recorded, values = _record(model, traced)
        messages.update(recorded)
        return values

    shapes = jax.eval_shape(run, model.traced)
    observed = [name for name, site in messages.items() if site["type"] == "sample" and site["is_observed"]]
    if observed and model.traced:
        reached = eval_provenance(lambda **traced: {name: _record(model, traced)[1][name] for name in observed}, **model.traced)
        optional = {name for name, rule in inspect.signature(model.function).parameters.items() if rule.default is None}
        origin = {name: sorted(map(str, reached[name]), key=lambda arg: (arg not in optional, arg)) for name in observed}
    for name in observed:  # an observation that had to stay concrete is known by its values
        same = [arg for arg in model.constants if _is_same(messages[name]["value"], model.arguments[arg])]
        origin[name] = origin.get(name) or same
    observing = dict.fromkeys(spec["arguments"].get(origin[name][0], origin[name][0]) for name in observed if origin[name])
    sites, labels, units, observations = {}, dict(model.labels), dict(model.units), {}
    for name, site in messages.items():  # in the order of the function
        if name not in shapes:
            continue
        value = shapes[name]
        role = "deterministic" if site["type"] == "deterministic" else "observed" if site["is_observed"] else "latent"
        if role == "observed" and isinstance(base(site["fn"]), Unit):
            continue  # numpyro.factor: a term of the density, nothing that was measured
        variables = [spec["arguments"].get(argument, argument) for argument in origin.get(name, ())]
        matching = [variable for variable in variables if variable in data and data[variable].shape == value.shape]
        if matching:
            observations[name] = matching[0]
            dims = data[matching[0]].dims
            labels.setdefault(name, data[matching[0]].attrs.get("long_name", name))
            units.setdefault(name, data[matching[0]].attrs.get("units", ""))
        else:
            dims = _dims(name, site, value.shape, spec["dims"], data)
        if role == "deterministic":
            sites[name] = Site(role, value.shape, dims)
        else:
            distribution, discrete = base(site["fn"]), site["fn"].support.is_discrete
            improper = isinstance(distribution, ImproperUniform)
            sites[name] = Site(role, value.shape, dims, type(distribution).__name__, discrete, improper)
    plates = {frame.name for site in messages.values() for frame in site.get("cond_indep_stack", ())}
    for plate in spec["dims"]:
        if plate not in plates:
            raise UserError(
                f"{model.file}: `dims` of the study names a plate '{plate}', which the model does not have: {hint(plate, plates)}"
            )
    learnt = {"sites": sites, "labels": labels, "units": units, "observations": observations, "observing": tuple(observing)}
    return replace(model, **learnt), bool(observed)


def _is_same(value, argument: np.ndarray) -> bool:
    return not isinstance(value, jax.core.Tracer) and np.array_equal(value, argument)


def _dims(name: str, site: dict, shape: tuple[int, ...], renamed: dict, data: xr.Dataset) -> tuple[str, ...]:
    """Name the dimensions of a site: by its plates, else `<site>_dim_<i>`."""
    batch = len(shape) - (site["fn"].event_dim if "fn" in site else 0)
    dims = [f"{name}_dim_{axis}" for axis in range(len(shape))]
    for frame in site.get("cond_indep_stack", ()):
        axis = batch + frame.dim
        if 0 <= axis < batch and shape[axis] == frame.size:
            dim = renamed.get(frame.name, frame.name)
            if dim not in dims and data.sizes.get(dim, frame.size) == frame.size:
                dims[axis] = dim
    return tuple(dims)


def top_level(model: Model) -> list[str]:
    """List the latent sites whose prior depends on no other latent site: those that power scaling of the prior acts on."""
    above = ancestors(model)
    return [name for name in model.names("latent") if not set(above.get(name, ())) - {name}]


def ancestors(model: Model) -> dict[str, list[str]]:
    """List, for each sampled site, the latent sites that its density depends on (itself among them)."""
    prefixed = scope(model.function, prefix="site")  # NumPyro would take a site called `model` for an argument of its own
    dependencies = get_dependencies(prefixed, (), model.arguments)["prior_dependencies"]
    return {name.removeprefix("site/"): [one.removeprefix("site/") for one in origins] for name, origins in dependencies.items()}


def base(distribution):
    """Take a distribution out of what a plate, `to_event` and `mask` put around it."""
    while isinstance(distribution, ExpandedDistribution | Independent | MaskedDistribution):
        distribution = distribution.base_dist
    return distribution


class Proper(Messenger):
    """Give a site with an improper prior, which cannot be drawn, a value in its support where none is given: any, but no draw."""

    def process_message(self, msg: dict) -> None:
        """Set a value that is uniform in (-2, 2) in unconstrained space, as samplers start."""
        if msg["type"] == "sample" and msg["value"] is None and isinstance(base(msg["fn"]), ImproperUniform):
            transform = biject_to(msg["fn"].support)
            shape = transform.inverse_shape(msg["fn"].shape())
            msg["value"] = transform(jax.random.uniform(msg["kwargs"]["rng_key"], shape, minval=-2, maxval=2))


class Whole(Messenger):
    """Let plates with a `subsample_size` have all their elements."""

    def process_message(self, msg: dict) -> None:
        """Ask for all elements, in their order."""
        if msg["type"] == "plate" and msg["value"] is None:
            size = msg["args"][0]
            msg["args"], msg["value"] = (size, size), jnp.arange(size)


class Replicate(uncondition):
    """Draw observations anew, as many as there are: `sample("y", Normal(mu, 1), obs=y)` with one mu gives a draw for each y."""

    def process_message(self, msg: dict) -> None:
        """Widen the distribution of an observed site to the shape of its observations, and forget them."""
        if msg["type"] == "sample" and msg["is_observed"] and msg["value"] is not None:
            shape = np.shape(msg["value"])
            batch = np.broadcast_shapes(shape[: len(shape) - msg["fn"].event_dim], msg["fn"].batch_shape)
            if msg["fn"].batch_shape != batch:
                msg["fn"] = msg["fn"].expand(batch)
        super().process_message(msg)


def predictive(model: Model, key: jax.Array, latent: dict, traced: dict) -> dict:
    """Run the model forward once: latent sites as given (drawn where not), observations drawn anew. Returns the sites' messages."""
    function = substitute(Replicate(seed(model.closed, key)), data=latent)
    return trace(Proper(function)).get_trace(**traced)


def conditioned(model: Model, latent: dict, traced: dict) -> dict:
    """Run the model once with latent sites as given and the observations in place. Returns the sites' messages."""
    return trace(Proper(substitute(seed(model.closed, jax.random.PRNGKey(0)), data=latent))).get_trace(**traced)


def graph(model: Model) -> str:
    """Draw the model as a graph, in the DOT language."""
    return numpyro.render_model(model.function, model_kwargs=model.arguments, render_distributions=True).source


def observed_values(model: Model) -> dict[str, np.ndarray]:
    """The observations of each observed site, as the model conditions on them."""
    run = jax.jit(lambda traced: {name: _record(model, traced)[1][name] for name in model.names("observed")})
    program = build((model.traced,), ["observed", model.fingerprint], lambda: ([run.trace(model.traced)], None), quick=(0,)).run[0]
    return {name: np.asarray(value) for name, value in program(model.traced).items()}


def statistics_dataset(values: dict[str, np.ndarray]) -> xr.Dataset:
    """Put a sampler's statistics, shape (chain, draw), into a Dataset."""
    lead = ("chain", "draw")
    sizes = np.shape(next(iter(values.values()))) if values else ()
    coords = {dim: np.arange(n) for dim, n in zip(lead, sizes, strict=False)}
    return xr.Dataset({name: (lead, value) for name, value in values.items()}, coords)


def data_groups(model: Model, data: xr.Dataset) -> dict[str, xr.Dataset]:
    """Make the groups `observed_data` (by site) and `constant_data` (the other variables of the study) of an artefact."""
    observed = model.dataset(observed_values(model), (), data)
    for site, variable in model.observations.items():
        observed[site].attrs["variable"] = variable
    constant = data[[name for name in data.data_vars if name not in model.observations.values()]]
    return {"observed_data": observed, "constant_data": constant}
