"""Parameters and observations out of range: the preflight names row, variable and requirement."""

import pytest
from numpyro import distributions
from unit.model.line import LINE, TABLE

from posterity.errors import UserError
from posterity.model.bind import bind_model
from posterity.model.preflight import check_model, find_model_errors
from posterity.model.range_checks import has_fixed_bounds


def test_an_error_bar_of_zero_is_an_error_with_row_and_variable(write_spec):
    table = TABLE.assign(E=("point", [0.5, 0.0, 1.0]))
    message = r"t\.csv: row 5 .*'E' is 0.*scale of Normal at site 'y'.*above 0"
    with pytest.raises(UserError, match=message):
        check_model(bind_model("line", write_spec(LINE), table), table, "t.csv")


def test_positive_error_bars_pass(write_spec):
    check_model(bind_model("line", write_spec(LINE), TABLE), TABLE, "t.csv")


def test_an_observation_outside_the_support_is_an_error(write_spec):
    source = """
def model(n=None):
    rate = numpyro.sample("rate", dist.Gamma(2, 1))
    with numpyro.plate("point", 3):
        numpyro.sample("n", dist.Poisson(rate), obs=n)
"""
    table = TABLE.assign(n=("point", [1, 2, -3]))
    with pytest.raises(UserError, match=r"row 7 .*'n' is -3"):
        check_model(bind_model("counts", write_spec(source), table), table, "t.csv")


def test_a_scale_that_some_prior_draws_make_negative_passes(write_spec):
    source = LINE.replace("dist.Normal(m * X + c, E)", "dist.Normal(c, m * jnp.ones(3))")
    check_model(bind_model("line", write_spec(source), TABLE), TABLE, "t.csv")


def test_several_rows_out_of_range_are_counted(write_spec):
    table = TABLE.assign(E=("point", [0.5, 0.0, 0.0]))
    (message,) = find_model_errors(bind_model("m", write_spec(LINE), table), table, "t.csv")
    assert "(and 1 more rows)" in message


def test_a_parameter_that_is_one_number_is_named(write_spec):
    table = TABLE.assign(E=-1.0)
    (message,) = find_model_errors(bind_model("m", write_spec(LINE), table), table, "t.csv")
    assert "the scale is -1, but the scale of Normal at site 'y' of model m" in message


@pytest.mark.parametrize(
    ("distribution", "fixed"),
    [
        ("Normal", {"loc", "scale"}),
        ("Dirichlet", set()),
        ("Uniform", set()),
        ("CategoricalProbs", {"probs"}),
    ],
)
def test_constraints_that_depend_on_other_parameters_are_not_checked(distribution, fixed):
    constraints = getattr(distributions, distribution).arg_constraints
    checked = {name for name, constraint in constraints.items() if has_fixed_bounds(constraint)}
    assert checked == fixed


@pytest.mark.parametrize(
    ("observed", "words"),
    [
        ("Poisson(m**2), obs=Y.at[1].set(-1.0)", "a whole number, 0 or more"),
        ("Gamma(m**2, 1), obs=Y.at[1].set(-1.0)", "above 0"),
        ("Bernoulli(logits=m), obs=Y.at[1].set(2.0)", "0 or 1"),
        ("Beta(1 + m**2, 1), obs=Y.at[1].set(2.0)", "between 0 and 1"),
    ],
)
def test_the_requirement_of_a_value_is_in_words(write_spec, observed, words):
    data = TABLE.assign(Y=("point", [0.0, 1.0, 0.0]))
    source = f"""
def model(X, Y, E):
    m = numpyro.sample('m', dist.Normal())
    numpyro.sample('y', dist.{observed})
"""
    messages = find_model_errors(bind_model("m", write_spec(source), data), data, "t.csv")
    assert any(f"must be {words}." in message for message in messages), messages
