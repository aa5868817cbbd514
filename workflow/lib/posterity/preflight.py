"""Look at model and data before anything is computed: each fault named with site, row and remedy."""

import jax
import numpy as np
import xarray as xr
from numpyro.distributions import constraints

from posterity.errors import UserError
from posterity.model import Model, predictive
from posterity.randomness import key

DRAWS = 3  # a fault of the data is there whatever the latent values are; one of the latent values is not


def check(model: Model, data: xr.Dataset, source: str) -> None:
    """
    Check the distributions of the observed sites: parameters and observations must be where they may be.

    The latent sites are drawn from the prior a few times, and only what is wrong at the same place in all draws is a fault, so
    that a scale which some prior draw makes negative refuses nothing. `source` names the data in messages.

    Raises UserError that names row, variable, site and remedy (an error bar of zero, a negative count).
    """
    found = {}

    def run(key, traced):
        messages = predictive(model, key, {}, traced)
        numbers = {}
        for name in model.names("observed"):
            site, base = messages[name], messages[name]["fn"]
            while hasattr(base, "base_dist"):
                base = base.base_dist
            rules = {p: rule for p, rule in base.arg_constraints.items() if _is_fixed(rule) and hasattr(base, p)}
            numbers[name] = {p: getattr(base, p) for p in rules}
            support = getattr(type(base), "support", None)
            if _is_fixed(support) and name in model.observations:
                rules["observation"] = support
                numbers[name]["observation"] = site["infer"]["obs"]
            found[name] = (type(base).__name__, rules)
        return numbers

    keys = np.stack([key(0, "preflight", draw) for draw in range(DRAWS)])
    drawn = jax.jit(jax.vmap(run, in_axes=(0, None)))(keys, model.traced)
    for name, (distribution, rules) in found.items():
        for parameter, rule in rules.items():
            values = np.asarray(drawn[name][parameter])
            good = np.asarray(rule(values))  # of a vector or matrix there is one answer for all its elements
            bad = ~np.broadcast_to(good.reshape(good.shape + (1,) * (values.ndim - good.ndim)), values.shape)
            bad = bad.all(axis=0) & (values == values[0]).all(axis=0)
            if bad.any():
                raise UserError(_sentence(model, data, source, name, distribution, parameter, values[0], bad, rule))


def _is_fixed(rule) -> bool:
    """Tell a constraint of fixed bounds from one that depends on other parameters."""
    return isinstance(rule, constraints.Constraint) and "ependent" not in type(rule).__name__


def _sentence(model, data, source, site, distribution, parameter, values, bad, rule) -> str:
    place, value = "", values[tuple(np.argwhere(bad)[0])] if values.ndim else values
    culprits = []
    if values.ndim:
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        for variable in data.data_vars:
            if data[variable].shape == values.shape and data[variable].values[index] == value:
                culprits.append(str(variable))
        row = int(data["row"].values[index[0]]) if "row" in data.coords and data["row"].size == values.shape[0] else index[0] + 1
        place = f"row {row} (counted from 1{' below the header' if 'row' in data.coords else ''}): "
    what = f"'{culprits[0]}' is {value:g}" if culprits else f"the {parameter} is {value:g}"
    more = f" (and {int(bad.sum()) - 1} more rows)" if bad.sum() > 1 else ""
    words = {"integernonnegative": "a whole number, 0 or more", "integerpositive": "a whole number above 0", "positive": "above 0"}
    words |= {"nonnegative": "0 or more", "boolean": "0 or 1", "unitinterval": "between 0 and 1"}
    kind = type(rule).__name__.lower().replace("_", "")
    bound = next((text for word, text in words.items() if word in kind), str(rule).strip("<>"))
    role = f"{parameter} of {distribution} at site '{site}'" if parameter != "observation" else f"{distribution} at site '{site}'"
    return (
        f"{source}: {place}{what}{more}, but the {role} of model {model.name} has to be {bound}; "
        "correct the value, or leave such rows out with `select:` in the study"
    )
