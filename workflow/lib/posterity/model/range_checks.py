"""Check that parameters and observations of a model are in range."""

from dataclasses import dataclass

import jax
import numpy as np
import xarray as xr
from numpyro.distributions import constraints
from numpyro.distributions.constraints import Constraint

from posterity.model.model import BoundModel, trace_predictive
from posterity.runtime.compile_cache import load_or_compile
from posterity.runtime.rng import Stream

# An error of the data shows in all draws of the prior. A value is valid if some draw accepts it.
PREFLIGHT_DRAWS = 3
CONSTRAINT_WORDS = (  # what a value must be, by the class of its constraint
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


@dataclass(frozen=True)
class RangeCheck:
    """
    A parameter or observation and what it must be.

    Attributes
    ----------
    site, distribution : str
        Name of the site, and of its distribution.
    parameter : str
        Name of the parameter, or `observation`.
    constraint : Constraint
        What the values must be.
    """

    site: str
    distribution: str
    parameter: str
    constraint: Constraint

    def find_invalid(self, draws: np.ndarray) -> np.ndarray:
        """
        Return which elements are out of range, and equal, in all draws of the prior.

        `draws` has shape (draw, ...), the result that of one draw.
        """
        valid = np.asarray(self.constraint(draws))
        # A vector or matrix has one answer for all its elements.
        valid = valid.reshape(valid.shape + (1,) * (draws.ndim - valid.ndim))
        invalid = ~np.broadcast_to(valid, draws.shape)
        return invalid.all(axis=0) & (draws == draws[:1]).all(axis=0)

    @property
    def requirement(self) -> str:
        """What the values must be, in words."""
        for known, words in CONSTRAINT_WORDS:
            if isinstance(self.constraint, type(known)):
                return words
        return str(self.constraint).strip("<>")

    @property
    def role(self) -> str:
        """What the values are in the model, in words."""
        place = f"{self.distribution} at site '{self.site}'"
        return place if self.parameter == "observation" else f"{self.parameter} of {place}"


def find_out_of_range(model: BoundModel, data: xr.Dataset, source: str) -> list[str]:
    """
    List the parameters and observations that are out of range.

    Draws the latent sites from the prior a few times. Only what is wrong at the same place in all
    draws is an error, so that a scale which some prior draw makes negative is accepted.
    """
    checks: dict[str, list[RangeCheck]] = {}

    def run(key: jax.Array, traced: dict) -> dict[str, list[jax.Array]]:
        messages = trace_predictive(model, key, {}, traced)
        values = {}
        for name in model.site_names("observed"):
            checks[name], values[name] = _list_range_checks(model, name, messages[name])
        return values

    keys = Stream(0).keys("preflight", PREFLIGHT_DRAWS)
    # Tracing fills `checks`, also if the compiled program comes from the cache.
    mapped = jax.jit(jax.vmap(run, in_axes=(0, None))).trace(keys, model.traced_arguments)
    program = load_or_compile(
        (keys, model.traced_arguments),
        ["preflight", model.fingerprint],
        lambda: ([mapped], None),
        low_effort=(0,),
    ).run[0]
    values = program(keys, model.traced_arguments)
    messages = []
    for name in checks:
        for check, draws in zip(checks[name], values[name], strict=True):
            draws = np.asarray(draws)
            invalid = check.find_invalid(draws)
            if invalid.any():
                subject = _describe_invalid(model, data, check, draws[0], invalid)
                messages.append(
                    f"{source}: {subject}, but the {check.role} of model {model.name} must be "
                    f"{check.requirement}. Correct the value, or exclude such rows with `select:` "
                    "in the study."
                )
    return messages


def describe_entry(data: xr.Dataset, dims: tuple[str, ...], index: tuple[int, ...]) -> str:
    """Return the place of an entry: its row in a table's file, else its position along each dim."""
    if "row" in data.coords and dims and data["row"].dims == dims[:1]:
        return f"row {int(data['row'].values[index[0]])} (counted from 1 below the header)"
    position = ", ".join(f"{dim} {i + 1}" for dim, i in zip(dims, index, strict=True))
    return f"{position} (counted from 1)"


def _list_range_checks(
    model: BoundModel, name: str, message: dict
) -> tuple[list[RangeCheck], list[jax.Array]]:
    """Return the range checks of an observed site, and the values that they check."""
    distribution = message["fn"]
    while hasattr(distribution, "base_dist"):
        distribution = distribution.base_dist
    kind = type(distribution)
    candidates = {
        parameter: (constraint, getattr(distribution, parameter))
        for parameter, constraint in distribution.arg_constraints.items()
        if hasattr(distribution, parameter)
    }
    if name in model.observations:
        support = getattr(kind, "support", None)
        candidates["observation"] = (support, message["infer"]["obs"])
    checks = []
    values = []
    for parameter, (constraint, value) in candidates.items():
        if has_fixed_bounds(constraint):
            checks.append(RangeCheck(name, kind.__name__, parameter, constraint))
            values.append(value)
    return checks, values


def has_fixed_bounds(constraint: object) -> bool:
    """Return whether a constraint has fixed bounds, which do not depend on other parameters."""
    if not isinstance(constraint, Constraint) or constraints.is_dependent(constraint):
        return False
    # `independent` gives one answer for several numbers.
    return not isinstance(constraint, constraints.independent)


def _describe_invalid(
    model: BoundModel, data: xr.Dataset, check: RangeCheck, values: np.ndarray, invalid: np.ndarray
) -> str:
    """
    Return place, name and value of the first element that is out of range.

    `values` and `invalid` have the shape of the parameter or observation.
    """
    count = int(invalid.sum())
    more = f" (and {count - 1} more rows)" if count > 1 else ""
    if not values.ndim:
        return f"the {check.parameter} is {values:g}{more}"
    index = tuple(int(i) for i in np.argwhere(invalid)[0])
    place = describe_entry(data, model.sites[check.site].dims[: len(index)], index)
    value = values[index]
    variables = [
        str(variable)
        for variable in data.data_vars
        if data[variable].shape == values.shape and data[variable].values[index] == value
    ]
    subject = f"'{variables[0]}'" if variables else f"the {check.parameter}"
    return f"{place}: {subject} is {value:g}{more}"
