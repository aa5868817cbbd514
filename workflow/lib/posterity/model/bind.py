"""Bind a model function to data: match arguments to variables by name, and trace it once."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import xarray as xr
from numpyro.handlers import trace

from posterity.errors import UserError, hint
from posterity.model.model import (
    PLACEHOLDER_KEY,
    BoundModel,
    get_site_values,
    record_sites,
    trace_model,
)
from posterity.model.sites import find_sites
from posterity.model.trace_errors import concrete_value_error, locate_error, trace_error
from posterity.python_files import load_module


class ModelFile(NamedTuple):
    """
    What a model's file defines.

    Attributes
    ----------
    function : Callable
        The NumPyro model.
    labels, units : dict of str to str
        `LABELS` and `UNITS`: label and unit of each site.
    priors : list of str, or dict of str to list of str, or None
        `PRIORS`: the latent sites whose priors are choices; by function, if they differ.
    """

    function: Callable
    labels: dict[str, str]
    units: dict[str, str]
    priors: Any


def load_model_file(spec: dict) -> ModelFile:
    """
    Import a model's file.

    Raises UserError, with file and line, if the import fails.
    """
    file = Path(spec["file"]).resolve()
    try:
        module = load_module(file)
    except Exception as error:
        line = locate_error(error, file)
        place = f"{spec['file']}, line {line}" if line else spec["file"]
        raise UserError(
            f"{place}: cannot import the model ({type(error).__name__}: {error}). Fix that line."
        ) from error
    function = getattr(module, spec["function"])
    return ModelFile(
        function,
        getattr(module, "LABELS", {}),
        getattr(module, "UNITS", {}),
        getattr(module, "PRIORS", None),
    )


def bind_model(model_id: str, spec: dict, data: xr.Dataset, forward: bool = False) -> BoundModel:
    """
    Return a model bound to data, with its sites.

    Parameters
    ----------
    model_id : str
        Id of the model in the study.
    spec : dict
        Entry of the model in the study, with all defaults.
    data : xarray.Dataset
        Variables that the arguments take by name.
    forward : bool
        Whether the model runs forward only. The data then need no observations: zeros replace
        them, since the run draws them.

    Returns
    -------
    BoundModel

    Raises
    ------
    UserError
        If an argument has no variable in the data, if the model cannot be traced, or if `PRIORS`
        names an unknown site. An observation that is left out on purpose has `none` in
        `arguments`.
    """
    content = load_model_file(spec)
    file = f"{spec['file']}: {spec['function']}"
    arguments = _match_arguments(content.function, file, spec, data, forward)
    labels, units = dict(content.labels), dict(content.units)
    model = BoundModel(content.function, model_id, file, arguments, labels=labels, units=units)
    model = replace(model, constants=_find_constants(model))
    model, is_conditioned = find_sites(model, spec, data)
    model = replace(model, priors=_choose_priors(model, content.priors, spec["function"]))
    if not forward:
        _check_observations(model, spec, data)
    if data.data_vars and not is_conditioned:
        raise UserError(
            f"{file}: no site of the model is observed, so the data would have no influence. "
            "Give the likelihood an observation: numpyro.sample(..., obs=y)."
        )
    return model


def _choose_priors(model: BoundModel, priors: Any, function: str) -> tuple[str, ...] | None:
    """Return `PRIORS` of a function; raise UserError for a name that is not a latent site."""
    chosen = priors.get(function) if isinstance(priors, dict) else priors
    if chosen is None:
        return None
    names = (chosen,) if isinstance(chosen, str) else tuple(chosen)
    latent = model.continuous_latents
    for name in names:
        if name not in latent:
            raise UserError(
                f"{model.file}: PRIORS names '{name}', which is not a continuous latent site: "
                f'{hint(name, latent)} (PRIORS = {{"{function}": [...]}} gives names by function)'
            )
    return names


def _match_arguments(
    function: Callable, file: str, spec: dict, data: xr.Dataset, forward: bool
) -> dict[str, np.ndarray]:
    """Return the value of each argument; an argument with a default may have none."""
    parameters = inspect.signature(function).parameters
    observed = spec["observed"] or []
    for argument in [*spec["arguments"], *observed]:
        if argument not in parameters:
            raise UserError(
                f"{file}: the study names an argument '{argument}', which the function does not "
                f"have: {hint(argument, parameters)}"
            )
    arguments = {}
    for argument, parameter in parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        variable = spec["arguments"].get(argument, argument)
        has_default = parameter.default is not parameter.empty
        if variable in data:
            arguments[argument] = _get_numbers(file, argument, data[variable])
        elif variable == "none" and has_default:
            continue
        elif forward and (parameter.default is None or argument in observed):
            arguments[argument] = np.zeros(max(data.sizes.values(), default=1))
        elif argument in spec["arguments"] or not has_default:
            raise UserError(
                f"{file}: there is no variable '{variable}' in the data for argument "
                f"'{argument}': {hint(variable, map(str, data.data_vars))} (`arguments: "
                f"{{{argument}: <variable>}}` in the study renames)"
            )
    return arguments


def _get_numbers(file: str, argument: str, values: xr.DataArray) -> np.ndarray:
    """Return the values of a variable; raise UserError for one that holds text."""
    array = values.values
    if array.dtype.kind not in "iufb":
        raise UserError(
            f"{file}: argument '{argument}' gets '{values.name}', {_describe_text(values)}. "
            "A model takes numbers."
        )
    return array.astype(float) if array.dtype.kind == "f" else array


def _describe_text(values: xr.DataArray) -> str:
    """Return where a variable that should hold numbers holds text."""
    for position, value in enumerate(values.values.ravel()):
        try:
            float(value)
        except ValueError:
            first = int(np.unravel_index(position, values.shape)[0]) if values.ndim else 0
            row = int(values["row"].values[first]) if "row" in values.coords else first + 1
            return f"which is '{value}' in row {row} (counted from 1 below the header)"
    return "which is written as text"


def _find_constants(model: BoundModel) -> tuple[str, ...]:
    """
    Find, by trial, the arguments that must be concrete numbers (`np.unique(index).size`).

    Raises UserError for a function that needs the values of latent sites to be concrete.
    """
    names = tuple(model.arguments)
    integers = tuple(name for name, value in model.arguments.items() if value.dtype.kind in "iub")
    for constants in [(), *((name,) for name in names), integers, names]:
        attempt = replace(model, constants=constants)
        recorders: list[trace] = []
        try:
            _evaluate_shapes(attempt, recorders)
        except (jax.errors.JAXTypeError, jax.errors.JAXIndexError) as error:
            if constants == names:
                raise concrete_value_error(model, error) from error
            continue
        except Exception as error:
            raise trace_error(model, error, recorders[-1].trace or {}) from error
        return constants
    return ()


def _evaluate_shapes(model: BoundModel, recorders: list[trace]) -> None:
    """Trace the model abstractly; append NumPyro's trace handler, which holds the sites reached."""

    def run(key: jax.Array, traced: dict) -> dict[str, jax.Array]:
        recorders.append(record_sites(model, key))
        return get_site_values(recorders[-1].get_trace(**traced))

    jax.eval_shape(run, PLACEHOLDER_KEY, model.traced_arguments)


def _check_observations(model: BoundModel, spec: dict, data: xr.Dataset) -> None:
    """Raise UserError if the data lack a variable that the model would observe."""
    for argument, parameter in inspect.signature(model.function).parameters.items():
        variable = spec["arguments"].get(argument, argument)
        if parameter.default is not None or argument in model.arguments or variable == "none":
            continue
        site = _find_unobserved_site(model, argument, data)
        if site:
            raise UserError(
                f"{model.file}: there is no variable '{variable}' in the data for argument "
                f"'{argument}', so that the site '{site}' would not be observed: "
                f"{hint(variable, map(str, data.data_vars))} (`arguments: {{{argument}: "
                f"<variable>}}` in the study renames; `arguments: {{{argument}: none}}` leaves it "
                "out on purpose)"
            )


def _find_unobserved_site(model: BoundModel, argument: str, data: xr.Dataset) -> str | None:
    """Return the latent site that an argument would observe if the data had it."""
    shapes = dict.fromkeys((size,) for size in data.sizes.values())
    for shape in [*shapes, ()]:
        attempt = replace(model, arguments=model.arguments | {argument: np.zeros(shape)})
        try:
            observed = _list_observed_sites(attempt)
        except Exception:  # the argument has another shape
            continue
        return next((name for name in model.site_names("latent") if name in observed), None)
    return None


def _list_observed_sites(model: BoundModel) -> list[str]:
    messages: dict[str, dict] = {}
    jax.eval_shape(
        lambda traced: messages.update(trace_model(model, traced)[0]), model.traced_arguments
    )
    return [name for name, site in messages.items() if site.get("is_observed")]
