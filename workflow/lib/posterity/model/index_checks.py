"""
Group labels that a model uses as an index, and that the array does not have.

JAX raises no error for an index out of range: it takes the nearest element, counts a negative index
from the end, and leaves out what it should add to an element that does not exist.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.lax import GatherScatterMode

from posterity.model.density_graph import DensityGraph, Node, evaluate_nodes
from posterity.model.findings import Finding
from posterity.model.model import BoundModel, trace_model
from posterity.model.range_checks import describe_entry
from posterity.runtime.rng import Stream

# Operations that keep the elements of an array apart: element 0 depends on no other element.
ELEMENTWISE = {
    "abs",
    "add",
    "broadcast_in_dim",
    "clamp",
    "convert_element_type",
    "copy",
    "div",
    "exp",
    "expm1",
    "integer_pow",
    "log",
    "log1p",
    "logistic",
    "max",
    "min",
    "mul",
    "neg",
    "pow",
    "reshape",
    "select_n",
    "sqrt",
    "square",
    "squeeze",
    "sub",
    "tanh",
}


@dataclass(frozen=True, eq=False)
class Lookup:
    """
    An index that data determine, and the dimension of the array that it addresses.

    Attributes
    ----------
    model : BoundModel
    node : Node
        The result of the operation.
    index : array of int, shape (...)
        The index, before JAX counts negative ones from the end.
    size : int
        The number of elements that it may address.
    arguments : frozenset of str
        The arguments from which the index is computed.
    """

    model: BoundModel
    node: Node
    index: np.ndarray
    size: int
    arguments: frozenset[str]

    @property
    def outside(self) -> np.ndarray:
        """Which elements of the index are out of range, shape (...)."""
        return (self.index < 0) | (self.index >= self.size)

    @property
    def column(self) -> str:
        """The argument that is the index, or from which it is computed."""
        by_shape = [
            name
            for name in sorted(self.arguments)
            if self.model.arguments[name].shape == self.index.shape
        ]
        return (by_shape or sorted(self.arguments))[0]

    @property
    def site(self) -> str:
        """The latent site with the elements that the index addresses; empty if it is not clear."""
        names = [
            name
            for name in sorted(self.node.inputs[0].latents)
            if self.size in self.model.sites[name].shape
        ]
        return names[0] if names else ""

    @property
    def indexes_parameters(self) -> bool:
        """Whether the array depends on latent sites, and each element on its own part of them."""
        stack = [self.node.inputs[0]]
        while stack:
            node = stack.pop()
            if not node.latents or node.equation is None:
                continue
            if node.operation not in ELEMENTWISE:
                return False
            stack += node.inputs
        return bool(self.node.inputs[0].latents)


def find_index_errors(
    model: BoundModel,
    graph: DensityGraph,
    data: xr.Dataset,
    source: str,
    accepted: frozenset[str] = frozenset(),
) -> list[Finding]:
    """
    List the labels that are out of range, and arrays whose first elements have no row.

    An index out of range counts only if the density depends on what it looks up:
    `jnp.where(group < 0, 0, effect[group])` is accepted.

    Parameters
    ----------
    model : BoundModel
    graph : DensityGraph
        The graph of the model's density.
    data : xarray.Dataset
        The data that the model is bound to.
    source : str
        Name of the data in messages.
    accepted : frozenset of str
        Arguments that are left out.

    Returns
    -------
    list of Finding
        At most one for each argument.
    """
    findings: dict[str, Finding] = {}
    inside: dict[str, list[Lookup]] = {}
    for lookup in _list_lookups(model, graph):
        if lookup.column in findings or lookup.column in accepted:
            continue
        if not lookup.outside.any():
            inside.setdefault(lookup.site, []).append(lookup)
        elif _has_influence(model, graph, lookup):
            message = f"{source}: {_describe_outside(lookup, data)}"
            findings[lookup.column] = Finding("index", "fail", message)
    for site, lookups in inside.items():
        message = _describe_empty_groups(site, lookups) if site else ""
        if message and lookups[0].column not in findings:
            findings[lookups[0].column] = Finding("index", "warn", f"{source}: {message}")
    return list(findings.values())


def _list_lookups(model: BoundModel, graph: DensityGraph) -> Iterator[Lookup]:
    """Return the indices that data determine, in the order of the model."""
    for node in graph.lookups:
        if not _is_default_mode(node):
            continue
        for index_node, dim, size in _list_indexed_dims(node):
            if index_node.latents or not index_node.arguments:
                continue
            (values,) = evaluate_nodes([index_node])
            index = np.asarray(values)
            index = index if dim is None else index[..., dim]
            yield Lookup(model, node, index, size, index_node.arguments)


def _is_default_mode(node: Node) -> bool:
    """Return whether no other treatment of an index out of range was asked for."""
    parameters = node.equation.params
    if parameters.get("mode") == GatherScatterMode.CLIP:
        return False
    fill_value = parameters.get("fill_value")
    return fill_value is None or bool(np.isnan(fill_value))


def _list_indexed_dims(node: Node) -> Iterator[tuple[Node, int | None, int]]:
    """
    Return, for each dimension that a lookup addresses, its index and its number of elements.

    The index is a node and, if that holds the indices of several dimensions, the position in its
    last dimension; else None.
    """
    operand = node.inputs[0]
    parameters = node.equation.params
    if node.operation == "dynamic_slice":
        for dim, (size, index) in enumerate(
            zip(parameters["slice_sizes"], node.inputs[1:], strict=True)
        ):
            yield index, None, operand.shape[dim] - size + 1
        return
    numbers = parameters["dimension_numbers"]
    indices = node.inputs[1]
    parts = indices.inputs if indices.operation == "concatenate" else ()
    has_parts = len(parts) == indices.shape[-1] and all(part.shape[-1] == 1 for part in parts)
    if node.operation == "gather":
        dims = numbers.start_index_map
        sizes = parameters["slice_sizes"]
    else:
        dims = numbers.scatter_dims_to_operand_dims
        single = numbers.inserted_window_dims
        sizes = [1 if dim in single else length for dim, length in enumerate(operand.shape)]
    for position, dim in enumerate(dims):
        size = operand.shape[dim] - sizes[dim] + 1
        yield (parts[position], 0, size) if has_parts else (indices, position, size)


def _has_influence(model: BoundModel, graph: DensityGraph, lookup: Lookup) -> bool:
    """
    Return whether the density depends on what an index out of range looks up.

    It does not if the density stays finite when these elements are not numbers.
    """
    node = lookup.node
    if node.operation.startswith("scatter"):
        # JAX leaves these elements out. Programs that rely on it do not count groups from 1.
        labels = lookup.index
        return bool(labels.min() >= 1 and labels.max() == lookup.size)
    if not node.is_float:
        return True
    offsets = node.equation.params.get("dimension_numbers")
    outside = lookup.outside
    if offsets is not None:
        outside = np.expand_dims(outside, offsets.offset_dims)

    def evaluate(key: jax.Array, traced: dict) -> list[jax.Array]:
        _, values = trace_model(model, traced, key)
        known = {latent: values[name] for name, latent in graph.latents.items()}
        known |= {argument: traced[name] for name, argument in graph.arguments.items()}
        edit = {node: lambda value: jnp.where(outside, jnp.nan, value)}
        densities = [evaluate_nodes([graph.density], known, edits) for edits in ({}, edit)]
        return [density for (density,) in densities]

    finite, edited = np.isfinite(jax.jit(evaluate)(Stream(0).key(), model.traced_arguments))
    return not (finite and edited)


def _describe_outside(lookup: Lookup, data: xr.Dataset) -> str:
    """Return place and value of the first label out of range, the valid ones, and the remedy."""
    outside = lookup.outside
    first = tuple(int(i) for i in np.argwhere(outside)[0])
    label = int(lookup.index[first])
    column, place = _find_column(lookup, data, first)
    others = int(outside.sum()) - 1
    more = f" (and {others} more rows)" if others else ""
    array = f"{lookup.size} elements{_name_site(lookup)}"
    smallest = int(lookup.index.min())
    fits_after_shift = int(lookup.index.max()) - smallest < lookup.size
    given = lookup.model.arguments[lookup.column]
    is_index = given.shape == lookup.index.shape and given[first] == label
    remedy = f"Number the groups from 0 to {lookup.size - 1}"
    if is_index and fits_after_shift and smallest > 0:
        remedy = f"Number them from 0: `derive: {{{column}: {column} - {smallest}}}` in the study"
    subject = f"'{column}' is {label}" if is_index else f"the index from '{column}' is {label}"
    return (
        f"{place}{subject}{more}, but model {lookup.model.name} uses it as the index of an "
        f"array of {array}, whose labels are 0 to {lookup.size - 1}. JAX takes another element, "
        f"without an error. {remedy}"
    )


def _name_site(lookup: Lookup) -> str:
    return f" (from the site '{lookup.site}')" if lookup.site else ""


def _find_column(lookup: Lookup, data: xr.Dataset, first: tuple[int, ...]) -> tuple[str, str]:
    """Return the column of the data that an argument is, and the place of an entry."""
    argument = lookup.model.arguments[lookup.column]
    equal = [
        str(name)
        for name, values in data.data_vars.items()
        if values.shape == argument.shape and np.array_equal(values.values, argument)
    ]
    column = lookup.column if lookup.column in equal or not equal else equal[0]
    if not first or argument.shape != lookup.index.shape or column not in data:
        return column, ""
    return column, f"{describe_entry(data, tuple(map(str, data[column].dims)), first)}: "


def _describe_empty_groups(site: str, lookups: list[Lookup]) -> str:
    """
    Return that the first elements of a site have no row, as if groups were counted from 1.

    Empty if this is not so. Other groups without a row are common: groups that are to be
    predicted, or cells of a map.
    """
    size = lookups[0].size
    if not all(lookup.indexes_parameters for lookup in lookups):
        return ""
    labels = np.unique(np.concatenate([lookup.index.ravel() for lookup in lookups]))
    first = int(labels[0])
    rows = max(lookup.index.size for lookup in lookups)
    if not first or len(labels) != size - first or rows == len(labels):
        return ""
    which = "element 0" if first == 1 else f"elements 0 to {first - 1}"
    column = lookups[0].column
    return (
        f"no row has {which} of '{site}': the index '{column}' begins at {first}, and has the "
        f"labels {first} to {size - 1}. Number the groups from 0: "
        f"`derive: {{{column}: {column} - {first}}}` in the study, with {size - first} groups in "
        "the model"
    )
