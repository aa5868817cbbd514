"""The functions of figures.py in the folder of a model."""

import inspect
from collections.abc import Callable

from posterity.python_files import load_module


def load_curve(file: str | None) -> Callable | None:
    """Return the function `curve` of a model's figures.py, or None if there is none."""
    if file is None:
        return None
    return getattr(load_module(file), "curve", None)


def list_curve_sites(curve: Callable) -> list[str]:
    """Return the sites that a curve depends on: its arguments after the first."""
    return list(inspect.signature(curve).parameters)[1:]
