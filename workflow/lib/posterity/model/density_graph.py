"""
The operations of a model's density, and which values the data alone determine.

The density is traced once, with arguments and latent values as inputs. Each value is a node that
knows from which inputs it is computed. The value of a node that no latent site reaches is known
before a fit: an index, the bounds of a support.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal
from numpyro.distributions import Unit, constraints

from posterity.model.handlers import unwrap_distribution
from posterity.model.model import BoundModel, compute_log_prob, trace_conditioned

# Operations that only wrap others. Their parameters `jaxpr` or `call_jaxpr` hold these.
WRAPPERS = ("jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call", "checkpoint")
LOOKUPS = ("gather", "dynamic_slice", "scatter-add", "scatter")


@dataclass(eq=False)
class Node:
    """
    A value in the density.

    Attributes
    ----------
    shape : tuple of int
    is_float : bool
    arguments, latents : frozenset of str
        The arguments and the latent sites from which it is computed.
    equation : JaxprEqn or None
        The operation that computes it. None for inputs and constants.
    inputs : tuple of Node
        The inputs of the operation.
    output : int
        Which output of the operation it is.
    value : array or None
        Its value, if it is an argument or a constant.
    """

    shape: tuple[int, ...]
    is_float: bool
    arguments: frozenset[str] = frozenset()
    latents: frozenset[str] = frozenset()
    equation: Any = None
    inputs: tuple["Node", ...] = ()
    output: int = 0
    value: Any = None

    @property
    def operation(self) -> str:
        """The name of the operation that computes the value; empty for inputs and constants."""
        return self.equation.primitive.name if self.equation else ""


@dataclass
class DensityGraph:
    """
    The nodes of a density.

    Attributes
    ----------
    density : Node
        The log density of all sites, in nats.
    supports, values, lower_bounds, upper_bounds : dict of str to Node
        By observed site: whether its support contains each observation, the observations, and the
        bounds of the support, if it has some.
    parameters : dict of str to dict of str to Node
        By observed site: the parameters of its distribution.
    excludes_bounds : dict of str to bool
        By observed site: whether it is continuous on (0, 1): 0 and 1 have no finite density.
    factors : list of str
        Names of terms of the density by numpyro.factor.
    latents, arguments : dict of str to Node
        The inputs: latent sites, and traced arguments of the model.
    lookups : list of Node
        The results of all operations that look up elements of an array by index.
    """

    density: Node
    supports: dict[str, Node]
    values: dict[str, Node]
    lower_bounds: dict[str, Node]
    upper_bounds: dict[str, Node]
    parameters: dict[str, dict[str, Node]]
    excludes_bounds: dict[str, bool]
    factors: list[str]
    latents: dict[str, Node]
    arguments: dict[str, Node]
    lookups: list[Node] = field(default_factory=list)


def trace_density_graph(model: BoundModel) -> DensityGraph:
    """Trace the density of a model with its observations."""
    integers, floats = (jnp.zeros((), kind).dtype for kind in (int, float))
    latent = {
        name: jax.ShapeDtypeStruct(site.shape, integers if site.discrete else floats)
        for name, site in model.sites.items()
        if site.role == "latent"
    }

    messages: dict[str, dict] = {}

    def run(latent: dict, traced: dict) -> dict[str, Any]:
        messages.update(trace_conditioned(model, latent, traced))
        return _collect_outputs(model, messages)

    traced = model.traced_arguments
    closed, shapes = jax.make_jaxpr(run, return_shape=True)(latent, traced)
    variables = iter(closed.jaxpr.invars)  # by name, as JAX orders keys
    latents = {name: _make_node(next(variables).aval) for name in sorted(latent)}
    for name, node in latents.items():
        node.latents = frozenset({name})
    arguments = {name: _make_argument(name, model, next(variables)) for name in sorted(traced)}
    constants = [_make_constant(value, model) for value in closed.consts]
    builder = _GraphBuilder(model)
    inputs = [*latents.values(), *arguments.values()]
    outputs = builder.add_jaxpr(closed.jaxpr, constants, inputs)
    tree = jax.tree.unflatten(jax.tree.structure(shapes), outputs)
    return DensityGraph(
        **tree,
        excludes_bounds={name: _excludes_bounds(messages[name]) for name in tree["supports"]},
        factors=_list_factors(messages),
        latents=latents,
        arguments=arguments,
        lookups=builder.lookups,
    )


def _list_factors(messages: dict[str, dict]) -> list[str]:
    """List the terms by numpyro.factor, except those of NumPyro's own reparametrisations."""
    own = {
        text
        for name, message in messages.items()
        if message["type"] == "deterministic"
        for text in (f"{name}_factor", f"_{name}_log_prob")
    }
    return [
        name
        for name, message in messages.items()
        if message["type"] == "sample"
        and message["is_observed"]
        and isinstance(unwrap_distribution(message["fn"]), Unit)
        and name not in own
    ]


def evaluate_nodes(
    nodes: Iterable[Node],
    known: dict[Node, Any] | None = None,
    edits: dict[Node, Callable[[Any], Any]] | None = None,
) -> list[Any]:
    """
    Compute the values of nodes.

    A negative index keeps its sign: the operation by which JAX counts it from the end is left out.

    Parameters
    ----------
    nodes : iterable of Node
        Nodes that depend on arguments, constants and `known` only.
    known : dict of Node to array, optional
        Values of inputs.
    edits : dict of Node to callable, optional
        A function of the value of a node that returns another value in its place.

    Returns
    -------
    list of array
    """
    values: dict[Node, Any] = dict(known or {})
    edits = edits or {}
    nodes = list(nodes)
    stack = list(nodes)
    while stack:
        node = stack[-1]
        if node in values:
            stack.pop()
            continue
        if node.equation is None:
            values[node] = node.value
            continue
        keeps_sign = _wraps_negative_index(node)
        inputs = (node.inputs[1],) if keeps_sign else node.inputs
        missing = [entry for entry in inputs if entry not in values]
        if missing:
            stack += missing
            continue
        entries = [values[entry] for entry in inputs]
        value = entries[0] if keeps_sign else _apply_equation(node, entries)
        values[node] = edits[node](value) if node in edits else value
    return [values[node] for node in nodes]


def _apply_equation(node: Node, inputs: list) -> Any:
    """Return the output of a node's operation."""
    equation = node.equation
    parameters = equation.primitive.get_bind_params(equation.params)
    outputs = equation.primitive.bind(*inputs, **parameters)
    return outputs[node.output] if equation.primitive.multiple_results else outputs


def _wraps_negative_index(node: Node) -> bool:
    """Return whether a node is `where(index < 0, index + size, index)`: JAX counts from the end."""
    if node.operation != "select_n" or node.is_float or len(node.inputs) != 3:
        return False
    is_negative, index, wrapped = node.inputs
    if wrapped.operation != "add" or wrapped.inputs[0] is not index:
        return False
    if is_negative.operation == "lt":
        return is_negative.inputs[0] is index
    return (
        is_negative.value is not None
        and index.value is not None
        and np.array_equal(is_negative.value, np.asarray(index.value) < 0)
    )


class _GraphBuilder:
    """Makes nodes of the operations of a Jaxpr, and lists those that look up by index."""

    def __init__(self, model: BoundModel):
        self.model = model
        self.lookups: list[Node] = []

    def add_jaxpr(self, jaxpr: Jaxpr, constants: list[Node], inputs: list[Node]) -> list[Node]:
        """Add all operations and return the nodes of the outputs."""
        nodes = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *inputs], strict=True))

        def find_node(variable: Any) -> Node:
            if isinstance(variable, Literal):
                return _make_constant(variable.val, self.model)
            return nodes[variable]

        for equation in jaxpr.eqns:
            entries = [find_node(variable) for variable in equation.invars]
            outputs = self._add_equation(equation, entries)
            nodes.update(zip(equation.outvars, outputs, strict=True))
        return [find_node(variable) for variable in jaxpr.outvars]

    def _add_equation(self, equation: Any, inputs: list[Node]) -> list[Node]:
        name = equation.primitive.name
        wrapped = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
        if name in WRAPPERS and isinstance(wrapped, ClosedJaxpr):
            constants = [_make_constant(value, self.model) for value in wrapped.consts]
            return self.add_jaxpr(wrapped.jaxpr, constants, inputs)
        arguments = frozenset().union(*(node.arguments for node in inputs))
        latents = frozenset().union(*(node.latents for node in inputs))
        outputs = []
        for position, variable in enumerate(equation.outvars):
            node = _make_node(variable.aval)
            node.arguments = arguments
            node.latents = latents
            node.equation = equation
            node.inputs = tuple(inputs)
            node.output = position
            outputs.append(node)
        if name in LOOKUPS:
            self.lookups += outputs
        return outputs


def _make_node(aval: Any) -> Node:
    return Node(tuple(aval.shape), jnp.issubdtype(aval.dtype, jnp.floating))


def _make_argument(name: str, model: BoundModel, variable: Any) -> Node:
    """Return the node of a traced argument, with its value in the type of the computation."""
    node = _make_node(variable.aval)
    node.arguments = frozenset({name})
    node.value = np.asarray(model.arguments[name]).astype(variable.aval.dtype)
    return node


def _make_constant(value: Any, model: BoundModel) -> Node:
    """Return the node of a constant, which may be a constant argument of the model."""
    array = np.asarray(value)
    node = Node(array.shape, array.dtype.kind == "f", value=value)
    if array.size > 1 and array.dtype.kind in "iu":
        node.arguments = frozenset(
            name for name in model.constants if _is_shifted(array, model.arguments[name])
        )
    return node


def _is_shifted(array: np.ndarray, argument: np.ndarray) -> bool:
    """Return whether an array is an argument, but for a constant difference."""
    if array.shape != argument.shape or argument.dtype.kind not in "iuf":
        return False
    difference = array - argument
    return bool((difference == difference.ravel()[0]).all())


def _collect_outputs(model: BoundModel, messages: dict[str, dict]) -> dict[str, Any]:
    """Return the outputs of the traced function, as the fields of `DensityGraph`."""
    outputs: dict[str, Any] = {
        "density": jnp.zeros(()),
        "supports": {},
        "values": {},
        "lower_bounds": {},
        "upper_bounds": {},
        "parameters": {},
    }
    for name, message in messages.items():
        if message["type"] != "sample":
            continue
        outputs["density"] += jnp.sum(compute_log_prob(message))
        if name not in model.sites or model.sites[name].role != "observed":
            continue
        distribution = unwrap_distribution(message["fn"])
        value = jnp.asarray(message["value"])
        outputs["values"][name] = value
        inside = distribution.support(value)
        if _excludes_bounds(message):
            inside = inside & (value > 0) & (value < 1)
        outputs["supports"][name] = _accept_masked(message["fn"], inside)
        for key in ("lower_bound", "upper_bound"):
            bound = getattr(distribution.support, key, None)
            if bound is not None:
                outputs[f"{key}s"][name] = jnp.asarray(bound)
        outputs["parameters"][name] = {
            key: jnp.asarray(getattr(distribution, key))
            for key in distribution.arg_constraints
            if hasattr(distribution, key)
        }
    return outputs


def _excludes_bounds(message: dict) -> bool:
    """Return whether a distribution is continuous on (0, 1): its bounds have no finite density."""
    support = unwrap_distribution(message["fn"]).support
    return isinstance(support, type(constraints.unit_interval))


def _accept_masked(distribution: Any, inside: jax.Array) -> jax.Array:
    """Return whether observations are in the support, or masked, so that they do not count."""
    while hasattr(distribution, "base_dist"):
        mask = getattr(distribution, "_mask", None)
        if mask is not None:
            inside = inside | ~jnp.asarray(mask, bool)
        distribution = distribution.base_dist
    return inside
