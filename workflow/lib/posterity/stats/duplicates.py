"""Rows of a table that have an exact copy, and how many of them chance explains."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_STEPS = 20  # grid steps between two values that count as neighbours
MAX_GRID = 1e12  # steps; values on a finer grid are practically continuous
RELATIVE_NOISE = 1e-9  # of the range: smaller gaps are rounding errors of a computation
MAX_DIVISOR = 6  # the smallest gap is at most so many steps of the grid
MAX_DISTANCE_FROM_GRID = 0.01  # steps
MIN_STEPS = 40  # from the smallest to the largest value; on a coarser grid copies prove nothing
MIN_EVEN_SHARE = 0.8  # of copied rows that occur equally often; chance prefers some values
MIN_DISTINCT_VALUES = 3  # of copies; fewer may be limits of a detector
MAX_CHANCE = 1 / 3  # of the copies: more explained by chance, and the copies prove nothing
HASH_FACTOR = np.uint64(0x9E3779B97F4A7C15)


class Duplicates(NamedTuple):
    """
    Rows that have an exact copy.

    Attributes
    ----------
    share : float
        The share of rows that have a copy.
    copies : int
        The number of rows that could be removed.
    first, second : int
        Positions of the first row that has a copy, and of that copy.
    """

    share: float
    copies: int
    first: int
    second: int


def find_duplicates(observed: NDArray[np.float64], others: NDArray[np.float64]) -> Duplicates:
    """
    Find the rows that have a copy, unless rounding explains the copies.

    Values on a coarse grid are equal by chance. Then neighbours on the grid are as common as equal
    values, among rows that are equal in all other columns. The number of equal pairs by chance is
    therefore estimated as half the number of pairs that are L steps apart, for the L up to 20 at
    which it is largest (observers prefer some digits). Logarithms and roots of such values count as
    well. If other columns repeat, rows with the smallest and largest observation and with zeros do
    not count: these may be limits of a detector.

    Parameters
    ----------
    observed : array of float, shape (row,)
        A continuous observed variable.
    others : array of float, shape (row, column)
        All other columns.

    Returns
    -------
    Duplicates
        `share` and `copies` are 0 if there are no copies, or chance explains them.
    """
    none = Duplicates(0.0, 0, -1, -1)
    row_hash = _hash_columns(np.column_stack([others, observed]))
    if len(np.unique(row_hash)) == len(observed):
        return none
    _, row_group, row_counts = np.unique(row_hash, return_inverse=True, return_counts=True)
    _, other_group = np.unique(_hash_columns(others), return_inverse=True)
    counts_copies = np.ones(len(observed), bool)
    others_repeat = other_group.max() + 1 < len(
        row_counts
    )  # some rows differ in the observation alone
    if others_repeat:
        limits = (observed.min(), observed.max(), 0.0)
        counts_copies = ~np.isin(observed, limits)
    has_copy = (row_counts[row_group] > 1) & counts_copies
    if len(np.unique(observed[has_copy])) < MIN_DISTINCT_VALUES:
        return none
    copied, first_of_group = np.unique(row_group[has_copy], return_index=True)
    if others_repeat:
        counts = row_counts[copied]
        equal_pairs = float((counts * (counts - 1) / 2).sum())
        by_chance = _count_chance_pairs(observed[counts_copies], other_group[counts_copies])
        is_even = (counts == np.median(counts)).mean() >= MIN_EVEN_SHARE
        if not is_even or by_chance > MAX_CHANCE * equal_pairs:
            return none
    first = int(np.flatnonzero(has_copy)[0])
    second = int(np.flatnonzero(row_group == row_group[first])[1])
    copies = int(has_copy.sum()) - len(first_of_group)
    return Duplicates(float(has_copy.mean()), copies, first, second)


def _hash_columns(columns: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Return a hash of each row, shape (row,)."""
    result = np.zeros(len(columns), np.uint64)
    for column in columns.T:
        bits = np.ascontiguousarray(column + 0.0).view(np.uint64)  # -0.0 becomes 0.0
        result = (result ^ (bits + (result << np.uint64(6)))) * HASH_FACTOR
        result ^= result >> np.uint64(29)
    return result


def _count_chance_pairs(values: NDArray[np.float64], groups: NDArray[np.int64]) -> float:
    """Estimate how many pairs within groups are equal by chance, as the largest over scales."""
    scales = [values]
    if np.ptp(values) < np.log(MAX_GRID):
        scales += [np.exp(values - values.max()), 10.0 ** (values - values.max())]
    scales.append(values**2)
    return max(_count_neighbour_pairs(scale, groups) for scale in scales) / 2


def _count_neighbour_pairs(values: NDArray[np.float64], groups: NDArray[np.int64]) -> float:
    """Return the number of pairs within groups that are L grid steps apart, for the best L."""
    distinct = np.unique(values)
    positions = _find_grid_positions(distinct)
    if positions is None:
        return 0.0
    steps = int(positions[-1])
    if steps < MIN_STEPS:
        return np.inf
    span = steps + MAX_STEPS + 1
    if span * (int(groups.max()) + 1) > np.iinfo(np.int64).max:
        return 0.0
    keys = groups * span + positions[np.searchsorted(distinct, values)]
    keys, counts = np.unique(keys, return_counts=True)
    best = 0.0
    for step in range(1, MAX_STEPS + 1):
        found = np.minimum(np.searchsorted(keys, keys + step), len(keys) - 1)
        is_neighbour = keys[found] == keys + step
        best = max(best, float((counts * counts[found])[is_neighbour].sum()))
    return best


def _find_grid_positions(distinct: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """Return sorted values in units of the grid on which they lie; None if there is no grid."""
    gaps = np.diff(distinct)
    gaps = gaps[gaps > RELATIVE_NOISE * (distinct[-1] - distinct[0])]
    if not len(gaps):
        return np.zeros(len(distinct), np.int64)
    for divisor in range(1, MAX_DIVISOR + 1):
        positions = (distinct - distinct[0]) * (divisor / gaps.min())
        if positions[-1] > MAX_GRID:
            return None
        whole = np.rint(positions)
        if np.abs(positions - whole).max() < MAX_DISTANCE_FROM_GRID:
            grid: NDArray[np.int64] = whole.astype(np.int64)
            return grid
    return None
