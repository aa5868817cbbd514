"""Figures and curves of a model's own: the functions of figures.py beside the model."""

import inspect

from posterity.python_files import load_module


def load_curve(file: str | None):
    """Take the function `curve` of a model's figures.py, if there is one."""
    if file is None:
        return None
    return getattr(load_module(file), "curve", None)


def list_curve_sites(curve) -> list[str]:
    """List the sites that a curve takes: its arguments after the first."""
    return list(inspect.signature(curve).parameters)[1:]
