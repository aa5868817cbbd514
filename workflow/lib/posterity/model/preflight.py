"""Look at model and data before anything is computed: each fault named with site, row and remedy."""

import jax
import numpy as np
import xarray as xr
from numpyro.distributions import constraints

from posterity.config.registry import METHODS, list_enumerating_methods
from posterity.errors import UserError
from posterity.model.handlers import unwrap_distribution
from posterity.model.model import BoundModel, trace_conditioned, trace_predictive
from posterity.runtime.compile_cache import load_or_compile
from posterity.runtime.rng import derive_key

PREFLIGHT_DRAWS = 3  # a fault of the data is there whatever the latent values are; one of the latent values is not
RESERVED_SITE_NAMES = ("chain", "draw")  # dimensions of every artefact
WORDS = (  # what a value has to be, by the class of its constraint
    (constraints.nonnegative_integer, "a whole number, 0 or more"),
    (constraints.positive_integer, "a whole number above 0"),
    (constraints.nonnegative, "0 or more"),
    (constraints.positive, "above 0"),
    (constraints.softplus_positive, "above 0"),
    (constraints.boolean, "0 or 1"),
    (constraints.unit_interval, "between 0 and 1"),
    (constraints.positive_definite, "positive definite"),
    (constraints.positive_semidefinite, "positive semidefinite"),
    (constraints.positive_ordered_vector, "ordered and above 0"),
)


def check_model(
    model: BoundModel, data: xr.Dataset, source: str, methods: tuple[str, ...] = ()
) -> None:
    """Raise UserError with the first of the `faults`, and say how many more there are."""
    found = find_model_errors(model, data, source, methods)
    if found:
        more = f" ({len(found) - 1} more: `make check` lists them)" if found[1:] else ""
        raise UserError(found[0] + more)


def find_model_errors(
    model: BoundModel, data: xr.Dataset, source: str, methods: tuple[str, ...] = ()
) -> list[str]:
    """
    List what is wrong with a model and its data, a sentence each, with site, shape or row, and remedy.

    Names that an artefact cannot hold, discrete latent sites that `methods` do not sum out, observations whose shape does not fit
    their distribution, and parameters and observations that are not where they may be (an error bar of zero, a negative count). For
    the last, the latent sites are drawn from the prior a few times, and only what is wrong at the same place in all draws is a
    fault, so that a scale which some prior draw makes negative refuses nothing. `source` names the data in messages.
    """
    found = [
        f"{model.file}: a site may not be called '{name}', which is the name of a dimension of all draws; rename it"
        for name in RESERVED_SITE_NAMES
        if name in model.sites
    ]
    for argument, values in model.arguments.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            first = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
            place = (
                f", entry {', '.join(str(i + 1) for i in first)} (counted from 1)" if first else ""
            )
            found.append(
                f"{source}: the argument '{argument}' of {model.name} is {values[first]}{place}; complete the data"
            )
    if not model.site_names("latent"):
        found.append(
            f"{model.file}: the model has no latent site, so that there is nothing to fit; give it a parameter"
        )
    shapes = _find_shapes(model)
    for name in model.discrete_latents:
        about = model.sites[name]
        site = f"{model.file}: the latent site '{name}' ({about.distribution}, shape {about.shape}) is discrete"
        if not shapes[name][2]:
            found.append(
                f"{site}, and NumPyro cannot list its values, so that no method can sum it out; do so by hand"
            )
        unable = [method for method in methods if not METHODS[method].enumerates_discrete]
        if unable:
            found.append(
                f"{site}, which {unable[0]} cannot fit; take {' or '.join(list_enumerating_methods())}, which sum it out, or do so by hand, as "
                "MixtureSameFamily does"
            )
    if (
        model.discrete_latents
        and model.discrete_latents == model.site_names("latent")
        and all(shapes[name][2] for name in model.discrete_latents)
    ):
        found.append(
            f"{model.file}: all latent sites are discrete, so that nothing is left to sample; count their values by hand"
        )
    if unfit := find_shape_errors(model):
        return found + unfit
    return found + _find_out_of_range(model, data, source)


def find_shape_errors(model: BoundModel) -> list[str]:
    """List observed sites whose observations have not the shape of their distribution, a sentence each."""
    found, shapes = [], _find_shapes(model)
    for name in model.site_names("observed"):
        values, distribution, _, unfit = shapes[name]
        if unfit:  # by the rank of their shape
            found.append(
                f"{model.file}: site '{name}': observations of shape {values} are no values of "
                f"{model.sites[name].distribution} ({unfit}); give them the shape of one draw"
            )
            continue
        try:
            together = np.broadcast_shapes(values, distribution)
        except ValueError:
            together = None
        if together != values and values not in ((), (1,)):  # one number for all is meant
            effect = (
                "do not fit"
                if together is None
                else f"would be compared {' x '.join(map(str, together))} times"
            )
            found.append(
                f"{model.file}: site '{name}': observations of shape {values} and {model.sites[name].distribution} of shape "
                f"{distribution} {effect}; make the distribution one for each observation (look at its parameters' shapes)"
            )
    return found


def _find_shapes(model: BoundModel) -> dict[str, tuple]:
    """By sampled site: the batch shape of its values, that of its distribution, whether it can be summed, why values do not fit."""
    found = {}

    def run(traced):
        for name, site in trace_conditioned(model, {}, traced).items():
            if name in model.sites and site["type"] == "sample":
                event = site["fn"].event_dim
                shape, unfit = np.shape(site["value"]), ""
                try:
                    unwrap_distribution(site["fn"]).support(site["value"])
                except ValueError as error:
                    unfit = str(error)
                found[name] = (
                    shape[: len(shape) - event],
                    site["fn"].batch_shape,
                    site["fn"].has_enumerate_support,
                    unfit,
                )
        return 0

    jax.eval_shape(run, model.traced_arguments)
    return found


def _find_out_of_range(model: BoundModel, data: xr.Dataset, source: str) -> list[str]:
    found, sentences = {}, []

    def run(key, traced):
        messages = trace_predictive(model, key, {}, traced)
        numbers = {}
        for name in model.site_names("observed"):
            site, base = messages[name], messages[name]["fn"]
            while hasattr(base, "base_dist"):
                base = base.base_dist
            rules = {
                p: rule
                for p, rule in base.arg_constraints.items()
                if _is_fixed(rule) and hasattr(base, p)
            }
            numbers[name] = {p: getattr(base, p) for p in rules}
            support = getattr(type(base), "support", None)
            if _is_fixed(support) and name in model.observations:
                rules["observation"] = support
                numbers[name]["observation"] = site["infer"]["obs"]
            found[name] = (type(base).__name__, rules)
        return numbers

    keys = np.stack([derive_key(0, "preflight", draw) for draw in range(PREFLIGHT_DRAWS)])
    mapped = jax.jit(jax.vmap(run, in_axes=(0, None))).trace(
        keys, model.traced_arguments
    )  # `found` is known from here
    program = load_or_compile(
        (keys, model.traced_arguments),
        ["preflight", model.fingerprint],
        lambda: ([mapped], None),
        quick=(0,),
    ).run[0]
    drawn = program(keys, model.traced_arguments)
    for name, (distribution, rules) in found.items():
        for parameter, rule in rules.items():
            values = np.asarray(drawn[name][parameter])
            good = np.asarray(
                rule(values)
            )  # of a vector or matrix there is one answer for all its elements
            bad = ~np.broadcast_to(
                good.reshape(good.shape + (1,) * (values.ndim - good.ndim)), values.shape
            )
            bad = bad.all(axis=0) & (values == values[0]).all(axis=0)
            if bad.any():
                sentences.append(
                    _explain_out_of_range(
                        model, data, source, name, distribution, parameter, values[0], bad, rule
                    )
                )
    return sentences


def describe_entry(data: xr.Dataset, dims: tuple[str, ...], index: tuple[int, ...]) -> str:
    """Name a place in the data: the row of a table in its file, else the number along each dimension."""
    if "row" in data.coords and dims and data["row"].dims == dims[:1]:
        return f"row {int(data['row'].values[index[0]])} (counted from 1 below the header)"
    return (
        ", ".join(f"{dim} {i + 1}" for dim, i in zip(dims, index, strict=True))
        + " (counted from 1)"
    )


def _is_fixed(rule) -> bool:
    """Tell a constraint of fixed bounds from one that depends on other parameters."""
    if not isinstance(rule, constraints.Constraint) or constraints.is_dependent(rule):
        return False
    return not isinstance(rule, constraints.independent)  # several numbers have one answer


def _explain_out_of_range(
    model, data, source, site, distribution, parameter, values, bad, rule
) -> str:
    place, value = "", values[tuple(np.argwhere(bad)[0])] if values.ndim else values
    culprits = []
    if values.ndim:
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        for variable in data.data_vars:
            if data[variable].shape == values.shape and data[variable].values[index] == value:
                culprits.append(str(variable))
        place = f"{describe_entry(data, model.sites[site].dims[: len(index)], index)}: "
    what = f"'{culprits[0]}' is {value:g}" if culprits else f"the {parameter} is {value:g}"
    more = f" (and {int(bad.sum()) - 1} more rows)" if bad.sum() > 1 else ""
    bound = next(
        (text for known, text in WORDS if isinstance(rule, type(known))), str(rule).strip("<>")
    )
    role = (
        f"{parameter} of {distribution} at site '{site}'"
        if parameter != "observation"
        else f"{distribution} at site '{site}'"
    )
    return (
        f"{source}: {place}{what}{more}, but the {role} of model {model.name} has to be {bound}; "
        "correct the value, or leave such rows out with `select:` in the study"
    )
