"""Columns that have the same value in all rows, and parameters that they leave undetermined."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from posterity.model.density_graph import DensityGraph
from posterity.model.findings import Finding
from posterity.model.model import BoundModel, compute_log_prob, trace_conditioned, trace_model
from posterity.runtime.rng import Stream

# Parameters of distributions that are known constants in many studies.
SCALE_PARAMETERS = {
    "scale",
    "total_count",
    "covariance_matrix",
    "precision_matrix",
    "scale_tril",
    "df",
    "concentration",
}
MAX_SITE_SIZE = 20  # numbers of a latent site; effects of covariates are in small sites
MAX_SCORES = 10_000_000  # rows times latent numbers
MAX_LATENTS = 200
RELATIVE_TOLERANCE = 1e4  # of singular values, in units of the rounding error
RELATIVE_SPREAD = 0.5  # of the values that replace a constant column


def find_constant_columns(
    model: BoundModel, graph: DensityGraph, data: xr.Dataset, source: str
) -> Iterator[Finding]:
    """
    List the observed variables that never change, and covariates that leave effects undetermined.

    A constant covariate is a finding if the likelihood of this model could determine more
    parameters with a covariate that changes: its slope then cannot be separated from an intercept.
    A column of ones, a known error or number of trials, and an exposure are accepted.

    Parameters
    ----------
    model : BoundModel
    graph : DensityGraph
        The graph of the model's density.
    data : xarray.Dataset
        The data that the model is bound to.
    source : str
        Name of the data in messages.
    """
    scores: Callable | None = None
    for argument, values in model.arguments.items():
        if values.ndim != 1 or values.size < 2 or (values != values[0]).any():
            continue
        subject = f"'{argument}' is {values[0]:g} in all {values.size} rows"
        is_observed = any(
            argument in node.arguments or _is_equal(node.value, values)
            for node in graph.values.values()
        )
        if is_observed:
            if not all(model.sites[name].discrete for name in graph.values):
                yield Finding(
                    "constant",
                    "warn",
                    f"{source}: the observed variable {subject}. Check the column, and that it was "
                    "read with all its digits",
                )
        elif values[0] != 1 and _reaches_location(argument, graph):
            changed = replace(model, arguments=model.arguments | {argument: _vary(values)})
            scores = scores or jax.jit(_make_scores(model))
            changed_scores = (
                jax.jit(_make_scores(changed)) if argument in model.constants else scores
            )
            rank, changed_rank = (
                _compute_rank(function(Stream(0).key(), entry.traced_arguments))
                for function, entry in ((scores, model), (changed_scores, changed))
            )
            if changed_rank > rank:
                yield Finding(
                    "constant",
                    "warn",
                    f"{source}: the covariate {subject}, so that its effect cannot be separated "
                    "from an intercept. Remove it from the model, or check the column",
                )


def _is_equal(value: np.ndarray | None, values: np.ndarray) -> bool:
    return value is not None and np.array_equal(value, values)


def _reaches_location(argument: str, graph: DensityGraph) -> bool:
    """Return whether an argument reaches the density otherwise than as a known scale."""
    for name, parameters in graph.parameters.items():
        reached = {key for key, node in parameters.items() if argument in node.arguments}
        if reached - SCALE_PARAMETERS:
            return True
        if not parameters and argument in graph.supports[name].arguments:
            return True
    return argument in graph.density.arguments and not all(graph.parameters.values())


def _vary(values: np.ndarray) -> np.ndarray:
    """Return values that differ by row, of the same type, near a constant."""
    random = np.random.default_rng(0).random(values.size)
    if values.dtype.kind != "f":
        return values + (random > 0.5).astype(values.dtype)
    spread = RELATIVE_SPREAD * (np.abs(values[0]) or 1.0)
    return values + spread * (random - 0.5)


def _make_scores(model: BoundModel) -> Callable:
    """
    Return a function of a key and the traced arguments that computes the scores.

    They are the gradients of the log likelihood of each observation in the numbers of small latent
    sites, at a draw from the prior: one array, shape (observation, ...), for each site.
    """
    observed = model.site_names("observed")
    rows = sum(int(np.prod(model.sites[name].shape)) for name in observed)
    limit = min(MAX_LATENTS, MAX_SCORES // max(rows, 1))
    chosen: list[str] = []
    for name in model.continuous_latents:
        size = int(np.prod(model.sites[name].shape))
        if size <= min(MAX_SITE_SIZE, limit):
            chosen.append(name)
            limit -= size

    def compute_scores(key: jax.Array, traced: dict) -> dict[str, jax.Array]:
        _, values = trace_model(model, traced, key)
        latent = {name: values[name] for name in model.site_names("latent")}

        def list_densities(moving: dict) -> jax.Array:
            sites = trace_conditioned(model, latent | moving, traced)
            densities = [compute_log_prob(sites[name]).ravel() for name in observed]
            return jnp.concatenate([jnp.zeros(1), *densities])

        return jax.jacfwd(list_densities)({name: latent[name] for name in chosen})

    return compute_scores


def _compute_rank(scores: dict[str, jax.Array]) -> int:
    """
    Return the rank of the scores.

    It is the number of directions of the latent values that the likelihood can determine
    (Rothenberg 1971, Econometrica 39, 577, theorem 1).
    """
    columns = [np.reshape(np.asarray(values), (len(values), -1)) for values in scores.values()]
    if not columns:
        return 0
    matrix = np.column_stack(columns)
    tolerance = RELATIVE_TOLERANCE * np.finfo(matrix.dtype).eps
    matrix = matrix[np.isfinite(matrix).all(axis=1)].astype(float)
    norms = np.linalg.norm(matrix, axis=0)
    matrix = matrix[:, norms > 0] / norms[norms > 0]
    if not matrix.size:
        return 0
    return int(np.linalg.matrix_rank(matrix, tol=tolerance))
