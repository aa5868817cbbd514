"""Rows with a copy are found; values that rounding makes equal are not."""

import numpy as np
import pytest

from posterity.stats.duplicates import find_duplicates

ROWS = 100


def make_rng(seed=0):
    return np.random.default_rng(seed)


def repeat_rows(observed, others, positions):
    rows = np.concatenate([np.arange(len(observed)), positions])
    return observed[rows], others[rows]


def make_line(rng, decimals=6):
    x = np.round(rng.normal(size=(ROWS, 1)), decimals)
    return np.round(x[:, 0] + rng.normal(size=ROWS), decimals), x


@pytest.mark.parametrize("decimals", [2, 6])
def test_a_table_with_each_row_twice_has_only_copies(decimals):
    found = find_duplicates(*repeat_rows(*make_line(make_rng(), decimals), np.arange(ROWS)))
    assert found.share >= 0.98  # if x repeats, the smallest and the largest y do not count
    assert found.copies >= ROWS - 2
    assert (found.first, found.second) == (0, ROWS)


def test_some_copies_are_counted():
    found = find_duplicates(*repeat_rows(*make_line(make_rng()), np.arange(5)))
    assert found.copies == 5
    assert found.share == pytest.approx(10 / (ROWS + 5))


def test_copies_are_found_without_another_column():
    observed = make_rng().normal(size=ROWS)
    found = find_duplicates(*repeat_rows(observed, np.empty((ROWS, 0)), np.arange(ROWS)))
    assert found.copies >= ROWS - 2  # the smallest and the largest value do not count


def make_rounded(rng, decimals):
    return np.round(rng.normal(5, 1, ROWS), decimals), np.empty((ROWS, 0))


def make_design(rng):
    x = rng.integers(0, 5, (ROWS, 1)).astype(float)
    return np.round(x[:, 0] + rng.normal(size=ROWS), 1), x


def make_logarithms(rng):
    return np.log(np.round(np.exp(rng.normal(3, 0.5, ROWS)))), np.empty((ROWS, 0))


def make_clipped(rng):
    x = rng.integers(0, 4, (ROWS, 1)).astype(float)
    return np.maximum(np.round(rng.normal(size=ROWS), 2), 0), x


def make_preferred_digits(rng):
    pressure = rng.normal(120, 15, ROWS)
    is_coarse = rng.random(ROWS) < 0.6
    rounded = np.where(is_coarse, np.round(pressure, -1), np.round(pressure))
    return rounded, np.empty((ROWS, 0))


@pytest.mark.parametrize(
    "make",
    [
        make_line,
        lambda rng: make_rounded(rng, 0),
        lambda rng: make_rounded(rng, 1),
        lambda rng: make_rounded(rng, 2),
        make_design,
        make_logarithms,
        make_clipped,
        make_preferred_digits,
    ],
)
def test_values_that_are_equal_by_chance_are_accepted(make):
    shares = [find_duplicates(*make(make_rng(seed))) for seed in range(40)]
    assert sum(found.copies > 3 for found in shares) == 0


def test_constant_observations_are_accepted():
    assert find_duplicates(np.ones(ROWS), np.empty((ROWS, 0))).copies == 0
