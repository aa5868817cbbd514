"""
Checks of a table before any fit: what a model can use, and what no scientist would expect.

Errors that stop a run are in `preflight.py`. What is listed here runs, and gives wrong results.
"""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from posterity.model.constant_columns import find_constant_columns
from posterity.model.density_graph import DensityGraph, evaluate_nodes, trace_density_graph
from posterity.model.findings import Finding
from posterity.model.index_checks import find_index_errors
from posterity.model.model import BoundModel
from posterity.model.range_checks import describe_entry
from posterity.stats.duplicates import find_duplicates

MIN_COPIES = 4  # rows: fewer equal ones can be a coincidence
MIN_COPIES_OF_SMALL_TABLE = 2
MAX_COLUMNS = 100  # of an argument with a vector in each row


def find_data_problems(model: BoundModel, data: xr.Dataset, source: str) -> list[Finding]:
    """
    List what the data of a model show before a fit.

    These are: group labels that an index does not have, observations outside the support of their
    distribution, rows that occur twice, constant columns, and terms of the density by
    numpyro.factor.

    Parameters
    ----------
    model : BoundModel
    data : xarray.Dataset
        The data that the model is bound to.
    source : str
        Name of the data in messages.

    Returns
    -------
    list of Finding
        Empty if there are no data. The status of `duplicates` is `pass`: a threshold decides.
    """
    if not data.data_vars:
        return []
    graph = trace_density_graph(model)
    outside, observed = _find_outside_support(model, graph, data, source)
    # A label above the number of classes is both outside the support and out of range.
    indices = find_index_errors(model, graph, data, source, accepted=observed)
    return [
        *outside,
        *indices,
        *_find_duplicates(model, data, source),
        *find_constant_columns(model, graph, data, source),
        *_find_factors(model, graph),
    ]


def _find_outside_support(
    model: BoundModel, graph: DensityGraph, data: xr.Dataset, source: str
) -> tuple[list[Finding], frozenset[str]]:
    """
    List the observations that their distribution cannot give, whatever the parameters are.

    Returns the findings, and the arguments that these observations are.
    """
    findings = []
    arguments: frozenset[str] = frozenset()
    for name, support in graph.supports.items():
        value = graph.values[name]
        if support.latents or value.latents:
            continue
        inside, values = map(np.asarray, evaluate_nodes([support, value]))
        outside = ~inside.astype(bool)
        if outside.any():
            findings.append(_describe_outside(model, graph, data, source, name, values, outside))
            arguments |= value.arguments
    return findings, arguments


def _describe_outside(
    model: BoundModel,
    graph: DensityGraph,
    data: xr.Dataset,
    source: str,
    name: str,
    values: np.ndarray,
    outside: np.ndarray,
) -> Finding:
    """Return the finding of the first observation outside the support of a site."""
    first = tuple(int(i) for i in np.argwhere(outside)[0])
    site = model.sites[name]
    place = describe_entry(data, site.dims[: len(first)], first) if first else name
    others = int(outside.sum()) - 1
    more = f" (and {others} more rows)" if others else ""
    variable = model.observations.get(name)
    subject = f"'{variable}'" if variable else f"the observation of '{name}'"
    number = f" is {values[first]:g}" if values.shape == outside.shape else " is impossible"
    allowed = "cannot give this value"
    if values.shape == outside.shape:
        allowed = _describe_support(graph, name, outside.shape, first)
    return Finding(
        "support",
        "fail",
        f"{source}: {place}: {subject}{number}{more}, but {site.distribution} at site '{name}' of "
        f"model {model.name} {allowed}. Correct the value or the model, or exclude such rows with "
        "`select:` in the study",
    )


def _describe_support(
    graph: DensityGraph, name: str, shape: tuple[int, ...], first: tuple[int, ...]
) -> str:
    """Return which values a distribution allows at one entry."""
    if graph.excludes_bounds[name]:
        return "has values above 0 and below 1"
    ends = []
    for words, bounds in (("at least", graph.lower_bounds), ("at most", graph.upper_bounds)):
        node = bounds.get(name)
        if node is None or node.latents:
            continue
        (bound,) = evaluate_nodes([node])
        try:
            ends.append(f"{words} {np.broadcast_to(np.asarray(bound), shape)[first]:g}")
        except ValueError:  # a bound of a vector
            continue
    return f"has values of {' and '.join(ends)} there" if ends else "cannot give this value"


def _find_duplicates(model: BoundModel, data: xr.Dataset, source: str) -> Iterator[Finding]:
    """List the continuous observed variables whose rows have copies in all used columns."""
    for variable in list_continuous_variables(model, data):
        (dim,) = data[variable].dims
        names = [
            name
            for name in list_used_variables(model, data)
            if name != variable and data[name].dims[:1] == (dim,)
        ]
        columns = [_get_columns(data[name]) for name in names]
        others = np.column_stack([np.empty((data.sizes[dim], 0)), *columns])
        found = find_duplicates(data[variable].values.astype(float), others)
        is_small = found.copies >= MIN_COPIES_OF_SMALL_TABLE and found.share > 0.5
        if found.copies < MIN_COPIES and not is_small:
            continue
        which = ", ".join(f"'{name}'" for name in [*names, variable])
        first, second = (
            describe_entry(data, (str(dim),), (row,)).partition(" (")[0]
            for row in (found.first, found.second)
        )
        yield Finding(
            "duplicates",
            "pass",
            f"{source}: {found.share:.0%} of the rows have an exact copy in {which}, as {first} "
            f"and {second}. A row that counts twice makes intervals too narrow: remove the copies, "
            "or state in `expect:` that the rows were measured independently",
            found.share,
        )
        return


def list_continuous_variables(model: BoundModel, data: xr.Dataset) -> list[str]:
    """List the variables along one dimension that continuous sites observe."""
    observations = {
        variable: model.sites[site].discrete for site, variable in model.observations.items()
    }
    all_discrete = all(model.sites[site].discrete for site in model.site_names("observed"))
    return [
        name
        for name in dict.fromkeys([*observations, *model.observed_variables])
        if name in data
        and data[name].ndim == 1
        and data[name].dtype.kind in "iuf"
        and not observations.get(name, all_discrete)
    ]


def list_used_variables(model: BoundModel, data: xr.Dataset) -> list[str]:
    """List the variables of the data that the model takes as arguments."""
    return [
        str(name)
        for name, values in data.data_vars.items()
        if values.dtype.kind in "iufb"
        and any(
            values.shape == argument.shape and np.array_equal(values.values, argument)
            for argument in model.arguments.values()
        )
    ]


def _get_columns(values: xr.DataArray) -> np.ndarray:
    """Return a variable as columns, shape (row, column)."""
    return values.values.astype(float).reshape(values.shape[0], -1)[:, :MAX_COLUMNS]


def _find_factors(model: BoundModel, graph: DensityGraph) -> list[Finding]:
    """List the terms by numpyro.factor, which later stages do not see."""
    if not graph.factors:
        return []
    names = ", ".join(f"'{name}'" for name in graph.factors)
    plural = "factors" if len(graph.factors) > 1 else "factor"
    return [
        Finding(
            "factor",
            "warn",
            f"{model.file}: the density has the {plural} {names}, which prior_sensitivity, ppc and "
            "loo leave out. Write a term of the likelihood as an observed site, and a prior as a "
            "latent one",
        )
    ]
