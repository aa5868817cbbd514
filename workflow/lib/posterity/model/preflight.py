"""Check a model and its data before a fit; each error names its place and a remedy."""

from typing import NamedTuple

import jax
import numpy as np
import xarray as xr

from posterity.config.registry import METHODS, list_enumerating_methods
from posterity.errors import UserError
from posterity.model.handlers import unwrap_distribution
from posterity.model.model import BoundModel, trace_conditioned
from posterity.model.range_checks import find_out_of_range

RESERVED_SITE_NAMES = ("chain", "draw")  # dimensions of every artefact


class SiteShapes(NamedTuple):
    """
    Shapes of a sampled site.

    Attributes
    ----------
    values, distribution : tuple of int
        Batch shapes of the values and of the distribution.
    enumerable : bool
        Whether NumPyro can enumerate the values.
    mismatch : str
        Why the distribution refuses the values; empty if it accepts them.
    """

    values: tuple[int, ...]
    distribution: tuple[int, ...]
    enumerable: bool
    mismatch: str


def check_model(
    model: BoundModel, data: xr.Dataset, source: str, methods: tuple[str, ...] = ()
) -> None:
    """
    Raise the first error of a model and its data, with the number of the others.

    Parameters
    ----------
    model, data, source, methods
        See `find_model_errors`.

    Raises
    ------
    UserError
        If there is an error.
    """
    messages = find_model_errors(model, data, source, methods)
    if messages:
        more = f" ({len(messages) - 1} more: `make check` lists them)" if messages[1:] else ""
        raise UserError(messages[0] + more)


def find_model_errors(
    model: BoundModel, data: xr.Dataset, source: str, methods: tuple[str, ...] = ()
) -> list[str]:
    """
    List the errors of a model and its data.

    These are: site names that an artefact cannot hold, arguments that are not finite, discrete
    latent sites that a method cannot marginalise, observations whose shape does not fit their
    distribution, and parameters or observations that are out of range (an error bar of zero, a
    negative count).

    Parameters
    ----------
    model : BoundModel
    data : xarray.Dataset
        The data that the model is bound to.
    source : str
        Name of the data in messages.
    methods : tuple of str
        Methods that will fit the model.

    Returns
    -------
    list of str
        One message for each error, with site, shape or row, and a remedy.
    """
    shapes = _find_shapes(model)
    messages = [
        *_find_name_errors(model),
        *_find_nonfinite_arguments(model, source),
        *_find_latent_errors(model, shapes, methods),
    ]
    shape_errors = _find_observation_errors(model, shapes)
    return messages + (shape_errors or find_out_of_range(model, data, source))


def find_shape_errors(model: BoundModel) -> list[str]:
    """List the observed sites whose observations do not fit the shape of their distribution."""
    return _find_observation_errors(model, _find_shapes(model))


def _find_name_errors(model: BoundModel) -> list[str]:
    return [
        f"{model.file}: a site may not be called '{name}', which is the name of a dimension of "
        "all draws. Rename it."
        for name in RESERVED_SITE_NAMES
        if name in model.sites
    ]


def _find_nonfinite_arguments(model: BoundModel, source: str) -> list[str]:
    messages = []
    for argument, values in model.arguments.items():
        if values.dtype.kind != "f" or np.isfinite(values).all():
            continue
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        entry = ", ".join(str(i + 1) for i in first)
        place = f", entry {entry} (counted from 1)" if first else ""
        messages.append(
            f"{source}: the argument '{argument}' of {model.name} is {values[first]}{place}. "
            "Complete the data."
        )
    return messages


def _find_latent_errors(
    model: BoundModel, shapes: dict[str, SiteShapes], methods: tuple[str, ...]
) -> list[str]:
    messages = []
    if not model.site_names("latent"):
        messages.append(
            f"{model.file}: the model has no latent site, so that there is nothing to fit. "
            "Give it a parameter."
        )
    discrete = model.discrete_latents
    for name in discrete:
        messages += _find_discrete_errors(model, name, shapes[name].enumerable, methods)
    all_enumerable = all(shapes[name].enumerable for name in discrete)
    if discrete and not model.continuous_latents and all_enumerable:
        messages.append(
            f"{model.file}: all latent sites are discrete, so that nothing is left to sample. "
            "Sum over their values by hand."
        )
    return messages


def _find_discrete_errors(
    model: BoundModel, name: str, enumerable: bool, methods: tuple[str, ...]
) -> list[str]:
    site = model.sites[name]
    subject = (
        f"{model.file}: the latent site '{name}' ({site.distribution}, shape {site.shape}) is "
        "discrete"
    )
    messages = []
    if not enumerable:
        messages.append(
            f"{subject}, and NumPyro cannot enumerate its values, so that no method can "
            "marginalise it. Marginalise it by hand."
        )
    unable = [method for method in methods if not METHODS[method].enumerates_discrete]
    if unable:
        messages.append(
            f"{subject}, which {unable[0]} cannot fit. "
            f"Use {' or '.join(list_enumerating_methods())}, "
            "which marginalise it, or marginalise it by hand, as MixtureSameFamily does."
        )
    return messages


def _find_observation_errors(model: BoundModel, shapes: dict[str, SiteShapes]) -> list[str]:
    messages = (
        _explain_shape_error(model, name, shapes[name]) for name in model.site_names("observed")
    )
    return [message for message in messages if message]


def _explain_shape_error(model: BoundModel, name: str, shapes: SiteShapes) -> str:
    """Return what is wrong with the shape of observations; empty if they fit."""
    values, expected, _, mismatch = shapes
    distribution = model.sites[name].distribution
    place = f"{model.file}: site '{name}': observations of shape {values}"
    if mismatch:  # by the rank of their shape
        return f"{place} do not fit {distribution} ({mismatch}). Give them the shape of one draw."
    try:
        common = np.broadcast_shapes(values, expected)
    except ValueError:
        effect = "do not fit"
    else:
        effect = f"would be compared {' x '.join(map(str, common))} times"
        if common == values:
            return ""
    if values in ((), (1,)):  # one number for all elements is intended
        return ""
    return (
        f"{place} and {distribution} of shape {expected} {effect}. Give the distribution one "
        "element for each observation: check the shapes of its parameters."
    )


def _find_shapes(model: BoundModel) -> dict[str, SiteShapes]:
    """Return the shapes of each sampled site."""
    shapes = {}

    def run(traced: dict) -> int:
        for name, site in trace_conditioned(model, {}, traced).items():
            if name in model.sites and site["type"] == "sample":
                shapes[name] = _measure_shapes(site)
        return 0

    jax.eval_shape(run, model.traced_arguments)
    return shapes


def _measure_shapes(site: dict) -> SiteShapes:
    distribution = site["fn"]
    shape = np.shape(site["value"])
    mismatch = ""
    try:
        unwrap_distribution(distribution).support(site["value"])
    except ValueError as error:
        mismatch = str(error)
    return SiteShapes(
        shape[: len(shape) - distribution.event_dim],
        distribution.batch_shape,
        distribution.has_enumerate_support,
        mismatch,
    )
