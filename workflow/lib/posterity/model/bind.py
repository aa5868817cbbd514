"""Bind a model function to data: match arguments, trace it once, and learn its sites."""

import inspect
import linecache
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import xarray as xr
from numpyro.distributions import ImproperUniform, Unit
from numpyro.ops.provenance import eval_provenance

from posterity.errors import UserError, hint
from posterity.model.handlers import unwrap_distribution
from posterity.model.model import PLACEHOLDER_KEY, BoundModel, Site, _is_duplicate, trace_model
from posterity.python_files import load_module


def load_model_function(spec: dict) -> tuple[Callable, dict, dict]:
    """
    Import a model's file and take its function, `LABELS` and `UNITS`.

    Raises UserError, naming file and line, for a file that does not import.
    """
    file = Path(spec["file"]).resolve()
    try:
        module = load_module(file)
    except Exception as error:
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if Path(frame.filename) == file
        ]
        where = f"{spec['file']}, line {lines[-1]}" if lines else spec["file"]
        raise UserError(
            f"{where}: the model does not import ({type(error).__name__}: {error}); mend that line"
        ) from error
    return (
        getattr(module, spec["function"]),
        getattr(module, "LABELS", {}),
        getattr(module, "UNITS", {}),
    )


def bind_model(id: str, spec: dict, data: xr.Dataset, forward: bool = False) -> BoundModel:
    """
    Bind a model to data: match arguments to variables by name, trace it once, and learn its sites.

    `id` is the model's id in the study and `spec` its entry there (see `study.load`). With `forward` the observations need not
    be in the data: zeros stand in for them, since a model that is run forward draws them anew.

    Raises UserError for an argument without a variable (an observation that is meant to be left out is said to be `none` in
    `arguments`), and for a model that cannot be traced with these data.
    """
    function, labels, units = load_model_function(spec)
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
                    f"{name}: argument '{argument}' gets '{variable}', {_describe_text(data[variable])}; a model takes numbers"
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
    model = BoundModel(function, id, name, arguments, labels=dict(labels), units=dict(units))
    model = replace(model, constants=_find_constants(model))
    model, conditions = _find_sites(model, spec, data)
    left_out = [
        name for name, rule in parameters.items() if rule.default is None and name not in arguments
    ]
    for argument in [] if forward else left_out:
        variable = spec["arguments"].get(argument, argument)
        site = _find_unobserved_site(model, argument, data) if variable != "none" else None
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


def _find_unobserved_site(model: BoundModel, argument: str, data: xr.Dataset) -> str | None:
    """Find the site that an argument would observe if the data had it."""
    for shape in [*((size,) for size in dict.fromkeys(data.sizes.values())), ()]:
        messages, attempt = (
            {},
            replace(model, arguments=model.arguments | {argument: np.zeros(shape)}),
        )
        try:
            jax.eval_shape(
                lambda traced, a=attempt, m=messages: m.update(trace_model(a, traced)[0]),
                attempt.traced_arguments,
            )
        except Exception:  # not this shape
            continue
        return next(
            (
                name
                for name in model.site_names("latent")
                if messages.get(name, {}).get("is_observed")
            ),
            None,
        )
    return None


def _describe_text(values: xr.DataArray) -> str:
    """Say where a variable that should hold numbers holds text."""
    for place, value in enumerate(values.values.ravel()):
        try:
            float(value)
        except ValueError:
            first = int(np.unravel_index(place, values.shape)[0]) if values.ndim else 0
            row = int(values["row"].values[first]) if "row" in values.coords else first + 1
            return f"which is '{value}' in row {row} (counted from 1 below the header)"
    return "which is written as text"


def _find_constants(model: BoundModel) -> tuple[str, ...]:
    """
    Find, by trying, the arguments that the function needs as concrete numbers (`np.unique(index).size`).

    Raises UserError for a function that needs latent values so.
    """
    every = tuple(model.arguments)
    whole = tuple(name for name, value in model.arguments.items() if value.dtype.kind in "iub")
    for constants in [(), *((name,) for name in every), whole, every]:
        attempt = replace(model, constants=constants)
        try:
            jax.eval_shape(
                lambda key, traced, attempt=attempt: trace_model(attempt, traced, key)[1],
                PLACEHOLDER_KEY,
                attempt.traced_arguments,
            )
        except (jax.errors.JAXTypeError, jax.errors.JAXIndexError) as error:
            if constants == every:
                raise _concrete_value_error(model, error) from error
            continue
        except Exception as error:
            raise _trace_error(model, error) from error
        return constants
    return ()


def _locate_error(model: BoundModel, error: Exception) -> tuple[str, str]:
    """Say where in a model's file an error arose, and which statement it was."""
    file = Path(model.file.rpartition(":")[0]).resolve()
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename) == file
    ]
    if not lines:
        return model.file, ""
    return f"{model.file}, line {lines[-1]}", linecache.getline(str(file), lines[-1]).strip()


def _concrete_value_error(model: BoundModel, error: Exception) -> UserError:
    where, statement = _locate_error(model, error)
    return UserError(
        f"{where}: {f'`{statement}` ' if statement else 'the model '}needs the value of what depends on a latent site, which no "
        "compiled program knows beforehand; use jnp.where or jax.lax.cond for `if`, jax.lax.scan for loops, jax.numpy for numpy"
    )


def _trace_error(model: BoundModel, error: Exception) -> UserError:
    where, statement = _locate_error(model, error)
    shapes = (
        ", ".join(f"{name} {np.shape(value)}" for name, value in model.arguments.items()) or "none"
    )
    reason = " ".join(str(error).split()) or repr(error)
    before = ", ".join(
        f"{name} {np.shape(value)}" for name, value in getattr(error, "sites", {}).items()
    )
    remedy = (
        "give each site a name of its own"
        if _is_duplicate(error)
        else "mend that line, or what it is given"
    )
    return UserError(
        f"{where}: the model cannot be evaluated on these data ({reason})"
        f"{f', in `{statement}`' if statement else ''}{f', after the sites {before}' if before else ''}; "
        f"its arguments are: {shapes}; {remedy}"
    )


def _find_sites(model: BoundModel, spec: dict, data: xr.Dataset) -> tuple[BoundModel, bool]:
    """Learn the sites. Returns the model with them, and whether it conditions on anything (numpyro.factor too)."""
    messages, origin = {}, {}

    def run(traced):
        recorded, values = trace_model(model, traced)
        messages.update(recorded)
        return values

    shapes = jax.eval_shape(run, model.traced_arguments)
    observed = [
        name for name, site in messages.items() if site["type"] == "sample" and site["is_observed"]
    ]
    if observed and model.traced_arguments:
        reached = eval_provenance(
            lambda **traced: {name: trace_model(model, traced)[1][name] for name in observed},
            **model.traced_arguments,
        )
        optional = {
            name
            for name, rule in inspect.signature(model.function).parameters.items()
            if rule.default is None
        }
        origin = {
            name: sorted(map(str, reached[name]), key=lambda arg: (arg not in optional, arg))
            for name in observed
        }
    for name in observed:  # an observation that had to stay concrete is known by its values
        same = [
            arg
            for arg in model.constants
            if _equals_argument(messages[name]["value"], model.arguments[arg])
        ]
        origin[name] = origin.get(name) or same
    observing = dict.fromkeys(
        spec["arguments"].get(origin[name][0], origin[name][0]) for name in observed if origin[name]
    )
    sites, labels, units, observations = {}, dict(model.labels), dict(model.units), {}
    for name, site in messages.items():  # in the order of the function
        if name not in shapes:
            continue
        value = shapes[name]
        role = (
            "deterministic"
            if site["type"] == "deterministic"
            else "observed"
            if site["is_observed"]
            else "latent"
        )
        if role == "observed" and isinstance(unwrap_distribution(site["fn"]), Unit):
            continue  # numpyro.factor: a term of the density, nothing that was measured
        variables = [spec["arguments"].get(argument, argument) for argument in origin.get(name, ())]
        matching = [
            variable
            for variable in variables
            if variable in data and data[variable].shape == value.shape
        ]
        if matching:
            observations[name] = matching[0]
            dims = data[matching[0]].dims
            labels.setdefault(name, data[matching[0]].attrs.get("long_name", name))
            units.setdefault(name, data[matching[0]].attrs.get("units", ""))
        else:
            dims = _name_dims(name, site, value.shape, spec["dims"], data)
        if role == "deterministic":
            sites[name] = Site(role, value.shape, dims)
        else:
            distribution, discrete = unwrap_distribution(site["fn"]), site["fn"].support.is_discrete
            improper = isinstance(distribution, ImproperUniform)
            sites[name] = Site(
                role, value.shape, dims, type(distribution).__name__, discrete, improper
            )
    plates = {
        frame.name for site in messages.values() for frame in site.get("cond_indep_stack", ())
    }
    for plate in spec["dims"]:
        if plate not in plates:
            raise UserError(
                f"{model.file}: `dims` of the study names a plate '{plate}', which the model does not have: {hint(plate, plates)}"
            )
    learnt = {
        "sites": sites,
        "labels": labels,
        "units": units,
        "observations": observations,
        "observed_variables": tuple(observing),
    }
    return replace(model, **learnt), bool(observed)


def _equals_argument(value, argument: np.ndarray) -> bool:
    return not isinstance(value, jax.core.Tracer) and np.array_equal(value, argument)


def _name_dims(
    name: str, site: dict, shape: tuple[int, ...], renamed: dict, data: xr.Dataset
) -> tuple[str, ...]:
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
