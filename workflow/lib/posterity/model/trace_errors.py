"""Errors of a model's code, explained with file, line and statement."""

import linecache
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpyro.handlers import trace

from posterity.errors import UserError
from posterity.model.model import BoundModel


def locate_error(error: Exception, file: Path) -> int | None:
    """Return the line of a file at which an error arose, or None if the file is not involved."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename) == file
    ]
    return lines[-1] if lines else None


def concrete_value_error(model: BoundModel, error: Exception) -> UserError:
    """Return the error of a model that needs the value of a traced number."""
    place, statement = _locate_statement(model, error)
    subject = f"`{statement}`" if statement else "the model"
    return UserError(
        f"{place}: {subject} needs a value that depends on a latent site and is unknown at "
        "compile time. Use jnp.where or jax.lax.cond instead of `if`, jax.lax.scan instead of "
        "a loop, and jax.numpy instead of numpy."
    )


def trace_error(model: BoundModel, error: Exception, messages: dict[str, dict]) -> UserError:
    """
    Return the error of a model that cannot be evaluated.

    `messages` are those of the sites that the model reached before the error.
    """
    place, statement = _locate_statement(model, error)
    reason = " ".join(str(error).split()) or repr(error)
    reached = _describe_shapes(
        (name, site["value"]) for name, site in messages.items() if site["type"] == "sample"
    )
    arguments = _describe_shapes(model.arguments.items()) or "none"
    where = f", in `{statement}`" if statement else ""
    after = f", after the sites {reached}" if reached else ""
    remedy = (
        "Give each site its own name"
        if is_duplicate_site(error)
        else "Fix that line, or the values that it uses"
    )
    return UserError(
        f"{place}: the model cannot be evaluated on these data ({reason}){where}{after}. "
        f"Its arguments are: {arguments}. {remedy}."
    )


def is_duplicate_site(error: Exception) -> bool:
    """
    Return whether the error says that two sites of a model have the same name.

    NumPyro has no error class for that. It is the only assertion of the method with which `trace`
    records a site.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return (
        isinstance(error, AssertionError)
        and frames[-1].f_code is trace.postprocess_message.__code__
    )


def _locate_statement(model: BoundModel, error: Exception) -> tuple[str, str]:
    """Return the place in a model's file at which an error arose, and the statement there."""
    file = Path(model.file.rpartition(":")[0]).resolve()
    line = locate_error(error, file)
    if line is None:
        return model.file, ""
    return f"{model.file}, line {line}", linecache.getline(str(file), line).strip()


def _describe_shapes(values: Iterable[tuple[str, Any]]) -> str:
    return ", ".join(f"{name} {np.shape(value)}" for name, value in values)
