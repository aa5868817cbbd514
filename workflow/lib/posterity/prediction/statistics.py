"""
Test statistics of scaled residuals, of predictions and of the data.

Their values for the data and for predictions are compared at the same draw of the parameters
(Gelman, Meng & Stern 1996, Statistica Sinica 6, 733, section 2.2). They ask what the model does not
fit: the shape of the residuals, and their relation to covariates, groups and order (Gelman et al.
2020, arXiv:2011.01808, section 6.1; Gabry et al. 2019, JRSS A 182, 389, section 5).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from scipy.stats import rankdata

from posterity.model.handlers import unwrap_distribution
from posterity.model.residuals import (
    BINARY,
    CATEGORICAL,
    compute_expectation,
    compute_residuals,
    find_mask,
)

MIN_RESIDUALS = 4  # of a site with fewer residuals only the sum of squares is a statistic
CALIBRATION_BINS = 10  # bins of the predicted probability, of about equal size
SPIKE_FACTOR = 5  # zeros for each occurrence of the second most common value
MIN_LEVELS = 3  # values of a covariate that a curve needs
MAX_LEVELS_PER_POINT = 0.5  # a group has two points or more on average
SHAPE_STATISTICS = ("sum of r²", "skewness of r", "kurtosis of r", "largest |r|")
BINARY_STATISTICS = ("sum of r²", "calibration in bins")
FITTED_STATISTICS = (
    "r against fitted values",
    "r against fitted values²",
    "|r| against fitted values",
)
ZEROS = "share of zeros"
ROW_ORDER = "r of successive rows"

Arrays = dict[str, Any]


@dataclass(frozen=True)
class SiteDesign:
    """
    The test statistics of one observed site.

    Attributes
    ----------
    names : tuple of str
        Names of the statistics.
    is_decisive : tuple of bool
        Whether a statistic may fail the fit. The order of the rows and columns that the model does
        not use may mean nothing: those can only warn.
    is_binary : bool
        Whether the values are 0 or 1.
    has_zeros : bool
        Whether the share of zeros is a statistic.
    has_mean : bool
        Whether the distribution has a mean, the fitted value.
    arrays : dict of str to array
        The covariates, for n residuals: `slopes` and `spreads`, shape (statistic, n), functions of
        covariates with mean 0 and mean square 1, for r and |r|; `orders`, shape (order, n), the
        positions of the residuals in the order of a covariate; `groups`, shape (grouping, n), the
        number of the group of each residual.
    sizes : tuple of int
        The number of groups of each grouping.
    """

    names: tuple[str, ...]
    is_decisive: tuple[bool, ...]
    is_binary: bool
    has_zeros: bool
    has_mean: bool
    arrays: Arrays = field(default_factory=dict)
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Covariate:
    """
    A column that residuals are compared with.

    Attributes
    ----------
    name : str
        Name of the variable.
    values : array, shape (n,)
        One value per residual: numbers, or texts, which are groups.
    is_used : bool
        Whether the model uses it.
    """

    name: str
    values: np.ndarray
    is_used: bool


def design_statistics(
    site: Mapping[str, Any],
    shape: tuple[int, ...],
    covariates: list[Covariate],
    observed: np.ndarray | None = None,
) -> SiteDesign:
    """
    Choose the test statistics of an observed site.

    Parameters
    ----------
    site : dict
        NumPyro's message of the site.
    shape : tuple of int
        Shape of its residuals.
    covariates : list of Covariate
        The columns that vary along the residuals.
    observed : array, optional
        The observations. Continuous ones have the share of zeros as a statistic only if 0 is far
        more common than any other value: values below a limit, recorded as 0.

    Returns
    -------
    SiteDesign
        The names of the statistics, and the arrays that they need.
    """
    base = unwrap_distribution(site["fn"])
    is_binary = isinstance(base, BINARY)
    has_mean = compute_expectation(dict(site)) is not None
    if int(np.prod(shape)) < MIN_RESIDUALS:
        return SiteDesign(SHAPE_STATISTICS[:1], (True,), is_binary, False, has_mean)
    names = list(BINARY_STATISTICS if is_binary else SHAPE_STATISTICS)
    is_count = site["fn"].support.is_discrete and not isinstance(base, (*BINARY, *CATEGORICAL))
    has_zeros = is_count or (not is_binary and observed is not None and has_spike(observed))
    if has_zeros:
        names.append(ZEROS)
    if has_mean:
        names += FITTED_STATISTICS
    is_decisive = [True] * len(names)
    builder = _ArrayBuilder(shape)
    for covariate in covariates:
        builder.add(covariate)
    for group in builder.entries.values():
        names += [name for name, _, _ in group]
        is_decisive += [used for _, used, _ in group]
    arrays, sizes = builder.build()
    design = (is_binary, has_zeros, has_mean, arrays, sizes)
    return SiteDesign(tuple(names), tuple(is_decisive), *design)


def has_spike(values: np.ndarray) -> bool:
    """Return whether 0 is far more common than any other value."""
    levels, counts = np.unique(values, return_counts=True)
    zeros = int(counts[levels == 0].sum())
    others = int(counts[levels != 0].max(initial=1))
    return zeros >= max(MIN_RESIDUALS, SPIKE_FACTOR * others)


class _ArrayBuilder:
    """Collects the arrays of a `SiteDesign`, in the order of its statistics."""

    def __init__(self, shape: tuple[int, ...]):
        self.count = int(np.prod(shape))
        rows = np.arange(self.count).reshape(shape)
        # Successive rows are neighbours along the first dimension.
        neighbours = np.moveaxis(rows, 0, -1).reshape(-1)
        self.entries: dict[str, list[tuple[str, bool, np.ndarray]]] = {
            "slopes": [],
            "spreads": [],
            "orders": [(ROW_ORDER, False, neighbours)],
            "groups": [],
        }
        self.sizes: list[int] = []

    def add(self, covariate: Covariate) -> None:
        """Add the statistics of a covariate."""
        name = covariate.name
        levels, codes = np.unique(covariate.values, return_inverse=True)
        if len(levels) < 2:
            return
        is_number = covariate.values.dtype.kind in "iufb"
        if is_number:
            self._add_curves(covariate, len(levels))
        # A column with missing entries elsewhere may hold its labels as 1.0, 2.0, ...
        is_label = not is_number or not (covariate.values.astype(float) % 1).any()
        if is_label and MIN_LEVELS <= len(levels) <= MAX_LEVELS_PER_POINT * self.count:
            entry = (f"r between groups of {name}", covariate.is_used, codes.ravel())
            self.entries["groups"].append(entry)
            self.sizes.append(len(levels))

    def _add_curves(self, covariate: Covariate, levels: int) -> None:
        name = covariate.name
        linear = _standardise(rankdata(covariate.values))
        self.entries["slopes"].append((f"r against {name}", covariate.is_used, linear))
        self.entries["spreads"].append((f"|r| against {name}", covariate.is_used, linear))
        if levels < MIN_LEVELS:
            return
        square = linear**2
        square = _standardise(square - (square @ linear) / self.count * linear)
        self.entries["slopes"].append((f"r against {name}²", covariate.is_used, square))
        if levels >= max(MIN_RESIDUALS, self.count / 2):
            order = np.argsort(covariate.values, kind="stable")
            self.entries["orders"].append((f"r in order of {name}", covariate.is_used, order))

    def build(self) -> tuple[Arrays, tuple[int, ...]]:
        """Return the arrays, and the number of groups of each grouping."""
        arrays = {
            key: np.stack([values for _, _, values in group])
            for key, group in self.entries.items()
            if group
        }
        return arrays, tuple(self.sizes)


def compute_statistics(site: dict, design: SiteDesign, arrays: Arrays) -> jax.Array:
    """
    Return the test statistics of an observed site at one draw; can be traced.

    Parameters
    ----------
    site : dict
        NumPyro's message of the site, with the values of the data or of a prediction.
    design : SiteDesign
        The statistics of the site.
    arrays : dict of str to array
        `design.arrays`, which a compiled program takes as an input.

    Returns
    -------
    array, shape (statistic,)
        A statistic that is not finite is 0.
    """
    residuals = compute_residuals(site)
    weights = find_mask(site, residuals.shape).ravel().astype(residuals.dtype)
    r = jnp.where(weights > 0, residuals.ravel(), 0.0)
    total = jnp.maximum(weights.sum(), 1)
    squares = (r**2).sum() / total
    if len(design.names) == 1:
        return jnp.nan_to_num(squares[None])
    parts = [squares[None]]
    expectation = compute_expectation(site) if design.has_mean else jnp.zeros(())
    fitted = jnp.broadcast_to(expectation, residuals.shape).ravel()
    if design.is_binary:
        parts.append(_compute_calibration(fitted, r, weights)[None])
    else:
        parts.append(_compute_shape(r, weights))
    if design.has_zeros:
        is_zero = (jnp.ravel(site["value"]) == 0) * weights
        parts.append((is_zero.sum() / total)[None])
    scale = jnp.sqrt(squares)
    spread = jnp.where(weights > 0, jnp.abs(r) - jnp.abs(r).sum() / total, 0.0)
    spread_scale = jnp.sqrt((spread**2).sum() / total)
    if design.has_mean:
        linear, square = _standardise_fitted(fitted, weights, total)
        slopes = jnp.stack([r @ linear, r @ square]) / total / scale
        parts += [slopes, (spread @ linear / total / spread_scale)[None]]
    if "slopes" in arrays:
        parts.append(arrays["slopes"] @ r / total / scale)
        parts.append(arrays["spreads"] @ spread / total / spread_scale)
    parts.append(jax.lax.map(lambda order: _correlate_neighbours(r[order]), arrays["orders"]))
    for row, size in enumerate(design.sizes):
        between = _compute_between_groups(r, weights, arrays["groups"][row], size)
        parts.append((between / (squares * total))[None])
    return jnp.nan_to_num(jnp.concatenate(parts), nan=0.0, posinf=0.0, neginf=0.0)


def _standardise(values: np.ndarray) -> np.ndarray:
    """Return values with mean 0 and mean square 1."""
    centred = np.asarray(values, float) - np.mean(values)
    scale = np.sqrt(np.mean(centred**2))
    return centred / scale if scale > 0 else centred


def _standardise_fitted(
    fitted: jax.Array, weights: jax.Array, total: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return the fitted values, and their squares without the linear part, standardised."""

    def standardise(values: jax.Array) -> jax.Array:
        centred = (values - (values * weights).sum() / total) * weights
        variance = (centred**2).sum() / total
        return centred / jnp.sqrt(jnp.where(variance > 0, variance, 1.0))

    # A bounded function, so that a few extreme fitted values do not decide.
    linear = standardise(jnp.tanh(standardise(fitted)))
    square = linear**2
    return linear, standardise(square - (square @ linear) / total * linear)


def _compute_shape(r: jax.Array, weights: jax.Array) -> jax.Array:
    """Return skewness, kurtosis and the largest absolute value of residuals."""
    total = jnp.maximum(weights.sum(), 1)
    centred = (r - r.sum() / total) * weights
    variance = (centred**2).sum() / total
    skewness = (centred**3).sum() / total / variance**1.5
    kurtosis = (centred**4).sum() / total / variance**2
    return jnp.stack([skewness, kurtosis, jnp.abs(r).max()])


def _compute_calibration(probability: jax.Array, r: jax.Array, weights: jax.Array) -> jax.Array:
    """
    Return the chi-square of observed against predicted shares in bins of the probability.

    The bins have about equal size if the logits are about normal (after Hosmer & Lemeshow 1980,
    Communications in Statistics A 9, 1043).
    """
    tiny = jnp.finfo(probability.dtype).eps
    clipped = jnp.clip(probability, tiny, 1 - tiny)
    logits = jnp.log(clipped) - jnp.log1p(-clipped)
    total = jnp.maximum(weights.sum(), 1)
    centred = logits - (logits * weights).sum() / total
    scale = jnp.sqrt((centred**2 * weights).sum() / total)
    standard = centred / jnp.where(scale > 0, scale, 1.0)
    bins = jnp.clip((ndtr(standard) * CALIBRATION_BINS).astype(int), 0, CALIBRATION_BINS - 1)
    variance = clipped * (1 - clipped) * weights
    excess = jax.ops.segment_sum(r * jnp.sqrt(variance), bins, CALIBRATION_BINS)
    expected = jax.ops.segment_sum(variance, bins, CALIBRATION_BINS)
    return jnp.sum(jnp.where(expected > 0, excess**2 / jnp.where(expected > 0, expected, 1.0), 0.0))


def _correlate_neighbours(r: jax.Array) -> jax.Array:
    """Return the correlation of successive residuals."""
    return (r[1:] * r[:-1]).sum() / (r**2).sum()


def _compute_between_groups(
    r: jax.Array, weights: jax.Array, groups: jax.Array, size: int
) -> jax.Array:
    """Return the sum over groups of (sum of r)² / n."""
    sums = jax.ops.segment_sum(r, groups, size)
    counts = jax.ops.segment_sum(weights, groups, size)
    return (sums**2 / jnp.maximum(counts, 1)).sum()
