import numpy as np
import pytest

from posterity.stats.tails import compute_shape_limit, compute_tail_shapes

SIZE = (40, 4, 1000)
SIZES = np.full(40, 4000.0)


@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [
        ("normal", -0.1, 0.05),
        ("exponential", -0.02, 0.1),
        ("t3", 0.28, 0.42),
        ("cauchy", 0.9, 1.15),
    ],
)
def test_shape_of_a_known_tail(name, lowest, highest):
    rng = np.random.default_rng(1)
    draws = {
        "normal": lambda: rng.normal(size=SIZE),
        "exponential": lambda: rng.exponential(size=SIZE),
        "t3": lambda: rng.standard_t(3, size=SIZE),
        "cauchy": lambda: rng.standard_cauchy(size=SIZE),
    }[name]()
    shapes = compute_tail_shapes(draws, SIZES)
    assert lowest < np.median(shapes) < highest
    np.testing.assert_allclose(compute_tail_shapes(-1e200 * draws, SIZES), shapes, rtol=1e-6)


def test_limit_allows_for_chance_and_cauchy_draws_exceed_it():
    rng = np.random.default_rng(1)
    limit = compute_shape_limit(SIZES, 40)
    assert 0.8 < limit[0] < 0.9
    assert not (compute_tail_shapes(rng.standard_t(2, size=SIZE), SIZES) > limit).any()
    assert (compute_tail_shapes(rng.standard_cauchy(SIZE), SIZES) > limit).mean() > 0.8


def test_limit_is_larger_for_fewer_draws_and_more_scalars():
    assert compute_shape_limit(np.array([400.0]), 1) > compute_shape_limit(np.array([4000.0]), 1)
    assert compute_shape_limit(np.array([4000.0]), 99) > compute_shape_limit(np.array([4000.0]), 1)


def test_tails_of_equal_draws_have_no_shape():
    draws = np.where(np.arange(4000).reshape(1, 4, 1000) % 2, 0.25, 0.75)
    assert np.isnan(compute_tail_shapes(draws, SIZES[:1])).all()


def test_probabilities_have_all_moments():
    rng = np.random.default_rng(8)
    draws = np.minimum(np.abs(1e-4 * rng.standard_cauchy((1, 4, 1000))), 1)
    assert np.isnan(compute_tail_shapes(draws, np.array([4000.0])))[0]
    assert compute_tail_shapes(1e4 * draws, np.array([4000.0]))[0] > 0.7
