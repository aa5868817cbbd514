"""The look of all figures: colours for colour-blind readers, labels with units, small files.

Importing this module does not change Matplotlib. Draw and save inside `apply_style()`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

from posterity.artefact.groups import align_draws, align_latent_draws

# Okabe & Ito (2008), Color Universal Design
BLUE = "#0072B2"
ORANGE = "#E69F00"
GREEN = "#009E73"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
SKY = "#56B4E9"
BLACK = "#222222"
PALE_BLUE = "#A6CDE6"  # BLUE, mixed with white
COLOUR_CYCLE = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION)
MODEL_COLOUR = BLUE
DATA_COLOUR = BLACK
TRUTH_COLOUR = VERMILLION
INTERVAL_NAMES = {"hdi": "HDI", "eti": "equal-tailed interval"}
MAX_PARAMETERS = 8  # scalars in a figure of one fit
MAX_SHOWN_SIZE = 1e100  # larger values overflow in the axes of Matplotlib

RC_PARAMS: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.prop_cycle": cycler(color=COLOUR_CYCLE),
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "posterity",  # the same figure gives the same file
    "svg.fonttype": "path",
    "savefig.dpi": 150,
}


class ScalarDraws(NamedTuple):
    """A scalar that a figure shows: its name (`m`, `distance[3]`), label and draws."""

    name: str
    label: str
    draws: np.ndarray  # shape (chain, draw)


@contextmanager
def apply_style() -> Iterator[None]:
    """
    Apply the look of the project within a `with` block.

    Draw and save inside the block: `with apply_style(): figure = draw_figure(...)`. The settings
    of Matplotlib are as before afterwards, and its backend stays as it is.
    """
    with matplotlib.rc_context(RC_PARAMS):
        yield


def make_label(name: str, values: xr.DataArray | None, options: dict, index: str = "") -> str:
    """
    Return the label of a site or variable, with its unit in brackets.

    Parameters
    ----------
    name : str
        Name of the site or variable.
    values : xr.DataArray or None
        Its values, whose attributes `long_name` and `units` are used.
    options : dict
        Settings `figures` of the study. Its `labels` take precedence over `long_name`.
    index : str
        Index of an element, such as `[3]`.

    Returns
    -------
    str
        Such as `distance[3] (pc)`.
    """
    attributes = values.attrs if values is not None else {}
    text = options.get("labels", {}).get(name, attributes.get("long_name", name)) + index
    unit = attributes.get("units", "")
    return f"{text} ({unit})" if unit else text


def describe_interval(options: dict) -> str:
    """Return the name of the interval that the figures show, such as `90 % HDI`."""
    interval = options["interval"]
    return f"{100 * interval['probability']:g} % {INTERVAL_NAMES[interval['kind']]}"


def write_note(axes: Axes, text: str) -> None:
    """Write a sentence into axes that have nothing to show."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)


def draw_note_figure(text: str, size: tuple[float, float] = (6, 2)) -> Figure:
    """Return a figure (size in inches) that says in one sentence why there is nothing to draw."""
    figure, axes = plt.subplots(figsize=size)
    write_note(axes, text)
    return figure


def hide_large_values(values: np.ndarray) -> np.ndarray:
    """Return values with NaN, which Matplotlib leaves out, for those that it cannot show."""
    return np.where(np.abs(values) <= MAX_SHOWN_SIZE, values, np.nan)


def explain_missing_density(draws: np.ndarray) -> str:
    """
    Return why draws of one scalar, of any shape, have no density to draw.

    The text is empty if they have one.
    """
    unknown = int((~np.isfinite(draws)).sum())
    if unknown:
        return f"{unknown} of {draws.size} draws are not finite"
    if np.ptp(draws) == 0:
        return "all draws are equal"
    if np.abs(draws).max() > MAX_SHOWN_SIZE:
        return "the draws are too large to show"
    return ""


def select_shown_draws(fit: xr.DataTree, options: dict) -> xr.Dataset:
    """Return the draws that all shown sites have: those of `figures: parameters`, or all latent."""
    chosen = align_draws(fit, options["parameters"]) if "parameters" in options else xr.Dataset()
    return chosen if chosen.data_vars else align_latent_draws(fit)


def select_parameters(
    posterior: xr.Dataset, options: dict, limit: int = MAX_PARAMETERS
) -> list[ScalarDraws]:
    """Return the scalars that a figure shows, at most `limit`.

    They are those of the sites in `figures: parameters`. By default they are all scalar sites and
    the elements of latent vectors, in this order.
    """
    scalars: list[ScalarDraws] = []
    for name in list_shown_sites(posterior, options):
        if len(scalars) >= limit:
            break
        scalars += split_site(name, posterior[name], options, limit - len(scalars))
    return scalars


def list_shown_sites(posterior: xr.Dataset, options: dict) -> list[str]:
    """Return the names of the sites that a figure shows, scalar sites first."""
    sites = [str(name) for name in posterior.data_vars]
    requested = [name for name in options.get("parameters", []) if name in sites]
    scalar_sites = [name for name in sites if posterior[name].ndim == 2]
    latent_vectors = [
        name
        for name in sites
        if name not in scalar_sites and posterior[name].attrs.get("role") == "latent"
    ]
    return requested or [*scalar_sites, *latent_vectors] or sites


def split_site(name: str, values: xr.DataArray, options: dict, limit: int) -> list[ScalarDraws]:
    """Return the first `limit` scalars of a site with dimensions chain, draw and its own."""
    values = values.transpose("chain", "draw", ...)
    shape = values.shape[2:]
    if not shape:
        return [ScalarDraws(name, make_label(name, values, options), values.values)]
    head = values[:, :, :limit]  # a site may be too large for memory
    flat = head.values.reshape(*values.shape[:2], -1)[:, :, :limit]
    scalars = []
    for i in range(flat.shape[2]):
        index = f"[{','.join(map(str, np.unravel_index(i, shape)))}]"
        label = make_label(name, values, options, index)
        scalars.append(ScalarDraws(f"{name}{index}", label, flat[:, :, i]))
    return scalars


def get_true_value(truth: xr.Dataset, name: str) -> float | None:
    """Return the true value of a scalar such as `m` or `distance[3]`, or None if it is unknown."""
    site, _, index = name.partition("[")
    if site not in truth:
        return None
    values = truth[site].values
    if not index:
        return float(values)
    return float(values[tuple(int(i) for i in index.rstrip("]").split(","))])


def save_figure(figure: Figure, svg: str | Path, png: str | Path) -> None:
    """Write a figure as SVG and PNG and close it. Equal figures give equal files (no dates)."""
    figure.savefig(svg, format="svg", metadata={"Date": None})
    figure.savefig(png, format="png", metadata={"Software": None})
    plt.close(figure)
