"""Figures and curves of a model's own: the functions of figures.py beside the model."""

import importlib.util
import inspect


def load_figures(file: str):
    """Import a model's figures.py."""
    spec = importlib.util.spec_from_file_location("figures_of_model", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_curve(file: str | None):
    """Take the function `curve` of a model's figures.py, if there is one."""
    if file is None:
        return None
    return getattr(load_figures(file), "curve", None)


def sites_of(curve) -> list[str]:
    """List the sites that a curve takes: its arguments after the first."""
    return list(inspect.signature(curve).parameters)[1:]
