"""The rounding error of a log density in float32."""

import jax
import numpy as np
import pytest
from unit.model.tables import make_regression, make_table

from posterity.inference.precision import find_lost_digits, measure_precision

ROWS = 50
RNG = np.random.default_rng(1)
X = RNG.normal(size=ROWS)
POISSON = make_regression("dist.Poisson(jnp.exp(a + b * x))").replace(
    '"a", dist.Normal(0, 1)', '"a", dist.Normal(0, 30)'
)


@pytest.fixture
def measure(bind_source):
    """A function that measures a model and its columns in float32."""

    def measure(source, **columns):
        return measure_precision(bind_source(source, make_table(**columns)))

    with jax.enable_x64(False):
        yield measure


def test_counts_of_billions_exceed_float32_and_counts_of_hundreds_do_not(measure):
    found = measure(POISSON, x=X, y=RNG.poisson(1e9, ROWS))  # the program serves both
    assert found["rounding"] > 100
    assert found["site"] == "y"
    assert measure(POISSON, x=X, y=RNG.poisson(300, ROWS))["rounding"] < 5e-3
    assert not jax.config.jax_enable_x64


def test_digits_that_float32_loses_are_found(bind_source):
    source = make_regression("dist.Normal(a + b * (x - 2450000.0), s)")
    bound = bind_source(source, make_table(x=2450000 + X, y=X))
    column, lost = find_lost_digits(bound)
    assert column == "x"
    assert 0.01 < lost < 0.2
    assert find_lost_digits(bind_source(source, make_table(x=X, y=X)))[1] < 1e-6


def test_float64_has_no_result(bind_source):
    source = make_regression("dist.Normal(a + b * x, s)")
    assert not measure_precision(bind_source(source, make_table(x=X, y=X))).data_vars
