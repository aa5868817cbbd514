"""The checks of a table before a fit: what they find, and right tables."""

import numpy as np
import pytest
import xarray as xr
from unit.model.tables import ROWS, make_regression, make_table

from posterity.model.data_checks import find_data_problems
from posterity.model.preflight import find_model_errors

RNG = np.random.default_rng(1)
X = RNG.normal(size=ROWS)
Y = X + RNG.normal(size=ROWS)
NORMAL = "dist.Normal(a + b * x, s)"
BINOMIAL = make_regression("dist.Binomial(total_count=n, logits=a)", "n")
COUNTS = RNG.integers(1, 9, ROWS)
TOTAL = np.full(ROWS, 10)


def replace_row(values, position, value):
    changed = values.copy()
    changed[position] = value
    return changed


@pytest.fixture
def find(bind_source):
    """A function that lists what is found in columns by a model."""

    def find(source, **columns):
        table = make_table(**columns)
        bound = bind_source(source, table)
        assert find_model_errors(bound, table, "t.csv") == []
        return find_data_problems(bound, table, "t.csv")

    return find


@pytest.mark.parametrize(
    ("source", "columns", "part"),
    [
        (
            BINOMIAL,
            {"n": TOTAL, "y": replace_row(COUNTS, 3, 12)},
            "row 4 (counted from 1 below the header): 'y' is 12, but BinomialLogits at site 'y' "
            "of model m has values of at least 0 and at most 10",
        ),
        (
            make_regression("dist.Categorical(logits=jnp.stack([a, b, 0.0]))"),
            {"x": X, "y": 1 + np.arange(ROWS) % 3},
            "'y' is 3 (and 7 more rows), but CategoricalLogits",
        ),
        (
            make_regression("dist.OrderedLogistic(b * x, jnp.array([-1.0, 0.0, 1.0]))"),
            {"x": X, "y": 1 + np.arange(ROWS) % 4},
            "at least 0 and at most 3",
        ),
        (
            make_regression("dist.Beta(jnp.exp(a), jnp.exp(b))"),
            {"x": X, "y": replace_row(RNG.beta(2, 2, ROWS), 5, 1.0)},
            "row 6 (counted from 1 below the header): 'y' is 1, but Beta at site 'y' of model m "
            "has values above 0 and below 1",
        ),
        (
            make_regression("dist.TruncatedNormal(a, s, low=-2.0)"),
            {"x": X, "y": replace_row(np.abs(Y), 0, -3.0)},
            "row 1 ",
        ),
    ],
)
def test_an_observation_outside_the_support_fails(find, source, columns, part):
    (finding,) = find(source, **columns)
    assert (finding.kind, finding.status) == ("support", "fail")
    assert part in finding.message


@pytest.mark.parametrize(
    ("source", "columns"),
    [
        (make_regression(NORMAL), {"x": X, "y": Y}),
        (BINOMIAL, {"n": TOTAL, "y": COUNTS}),
        (make_regression("dist.Uniform(-20 - s, 20 + s)"), {"x": X, "y": Y}),
        (make_regression("dist.Poisson(jnp.exp(a + b * x))"), {"x": X, "y": COUNTS}),
        (make_regression("dist.Bernoulli(logits=a)"), {"x": X, "y": np.arange(ROWS) % 2}),
        # Known constants.
        (make_regression("dist.Normal(a + b * x, e)", "x, e"), {"x": X, "e": 0 * X + 2, "y": Y}),
        (
            make_regression("dist.Normal(a * one + b * x, s)", "x, one"),
            {"x": X, "one": np.ones(ROWS), "y": Y},
        ),
    ],
)
def test_a_right_table_has_no_finding(find, source, columns):
    assert find(source, **columns) == []


def test_a_masked_observation_outside_the_support_is_accepted(find):
    source = """
def model(n, y):
    a = numpyro.sample("a", dist.Normal(0, 1))
    with numpyro.handlers.mask(mask=y <= n):
        numpyro.sample("y", dist.Binomial(total_count=n, logits=a), obs=y)
"""
    assert find(source, n=TOTAL, y=replace_row(COUNTS, 3, 12)) == []


def test_a_constant_exposure_is_accepted(find):
    source = make_regression("dist.Poisson(t * jnp.exp(a + b * x))", "x, t")
    assert find(source, x=X, t=0 * X + 3, y=COUNTS) == []


@pytest.mark.parametrize("distribution", [NORMAL, "dist.Poisson(jnp.exp(a + b * x))"])
def test_a_constant_covariate_with_a_slope_warns(find, distribution):
    observed = Y if distribution == NORMAL else COUNTS
    (finding,) = find(make_regression(distribution), x=0 * X + 2, y=observed)
    assert (finding.kind, finding.status) == ("constant", "warn")
    assert "the covariate 'x' is 2 in all 24 rows" in finding.message


def test_constant_observations_warn(find):
    (finding,) = find(make_regression(NORMAL), x=X, y=0 * X + 2)
    assert (finding.kind, finding.status) == ("constant", "warn")
    assert "the observed variable 'y' is 2 in all 24 rows" in finding.message


def test_a_table_with_each_row_twice_is_found(find):
    (finding,) = find(make_regression(NORMAL), x=np.tile(X, 2), y=np.tile(Y, 2))
    assert finding.kind == "duplicates"
    assert finding.value == 1
    assert "100% of the rows have an exact copy in 'x', 'y', as row 1 and row 25" in finding.message


def test_equal_rows_of_discrete_data_are_accepted(find):
    source = make_regression("dist.Bernoulli(logits=a + b * x)")
    assert find(source, x=np.tile(X, 2), y=np.tile(np.arange(ROWS) % 2, 2)) == []


def test_a_factor_warns_by_name(find):
    source = make_regression(NORMAL, statement="numpyro.factor('jacobian', -s)")
    (finding,) = find(source, x=X, y=Y)
    assert (finding.kind, finding.status) == ("factor", "warn")
    assert (
        "the factor 'jacobian', which prior_sensitivity, ppc and loo leave out" in finding.message
    )


def test_a_study_without_data_has_no_finding(bind_source):
    source = "\ndef model():\n    numpyro.sample('a', dist.Normal(0, 1))\n"
    assert find_data_problems(bind_source(source, xr.Dataset()), xr.Dataset(), "no data") == []
