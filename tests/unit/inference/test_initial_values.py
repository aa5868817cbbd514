"""Initial values: strategies, values by site, and densities that are finite nowhere."""

import jax
import numpy as np
import pytest
from numpyro.infer import init_to_median, init_to_uniform
from unit.inference.methods.targets import (
    COIN,
    FAR_DATA,
    MIXTURE,
    NO_FINITE_DENSITY,
    NO_FINITE_GRADIENT,
    NORMAL,
    SAMPLERS,
    TOSSES,
    Y,
    run,
)

from posterity.config.schema import complete_settings
from posterity.errors import UserError
from posterity.inference.initial_values import (
    choose_init_strategy,
    nonfinite_start_error,
    unconstrain_model,
)

SVI = complete_settings("svi", steps=4000, step_size=0.05, restarts=20)
MAP = complete_settings("map", restarts=8, steps=500)


@pytest.mark.parametrize(
    ("init", "strategy"),
    [("median", init_to_median), ("uniform", init_to_uniform), ("pathfinder", init_to_uniform)],
)
def test_a_name_chooses_a_strategy_of_numpyro(bind_source, init, strategy):
    bound = bind_source(NORMAL, y=Y)
    assert choose_init_strategy(bound, {"init": init, "method": "nuts"}) is strategy


def test_one_number_becomes_the_value_of_all_elements(bind_source):
    source = "\ndef model():\n    numpyro.sample('a', dist.Normal(jnp.zeros(3), 1.0))\n"
    strategy = choose_init_strategy(bind_source(source), {"init": {"a": 2}, "method": "nuts"})
    np.testing.assert_array_equal(strategy.keywords["values"]["a"], np.full(3, 2.0))


@pytest.mark.parametrize(
    ("init", "parts"),
    [
        ({"a": 1.0}, ["init", "no latent site 'a'", "known: mu"]),
        ({"mu": [1.0, 2.0]}, ["init: mu", "shape ()", "(2,)"]),
    ],
)
def test_values_that_do_not_fit_the_model_are_an_error(bind_source, init, parts):
    with pytest.raises(UserError) as error:
        run(bind_source(NORMAL, y=Y), SAMPLERS["nuts"] | {"init": init})
    assert all(part in str(error.value) for part in parts), error.value


def test_a_value_of_a_discrete_site_is_an_error(bind_source):
    with pytest.raises(UserError, match="'k' is discrete, and marginalised"):
        run(bind_source(MIXTURE, y=np.zeros(30)), complete_settings("nuts", init={"k": 1}))


@pytest.mark.parametrize("settings", [pytest.param(SVI, marks=pytest.mark.long), MAP])
def test_a_density_that_is_finite_nowhere_is_an_error_with_the_site(bind_source, settings):
    message = r"not finite at any start.*site 'y' is finite in 0 of 100"
    with pytest.raises(UserError, match=message):
        run(bind_source(NO_FINITE_DENSITY, FAR_DATA), settings, "a")


@pytest.mark.parametrize("method", ["nuts", pytest.param("svi", marks=pytest.mark.long), "map"])
def test_a_gradient_that_is_finite_nowhere_is_an_error_with_the_site(bind_source, method):
    message = "no finite gradient in 'b', at none of 100 draws"
    with pytest.raises(UserError, match=message):
        run(bind_source(NO_FINITE_GRADIENT, FAR_DATA), complete_settings(method), "a")


def test_a_factor_that_is_finite_nowhere_is_an_error_that_names_it(bind_source):
    source = NORMAL + "    numpyro.factor('f', jnp.where(mu > -1e9, -jnp.inf, 0.0))\n"
    assert "check numpyro.factor" in str(nonfinite_start_error(bind_source(source, y=Y)))


def test_the_callers_message_is_used_for_a_model_with_a_finite_gradient(bind_source):
    assert str(nonfinite_start_error(bind_source(NORMAL, y=Y), "too large")) == "too large"


@pytest.mark.long
def test_an_unconstrained_model_has_the_density_with_its_jacobian(bind_source):
    bound = bind_source(COIN, y=TOSSES)
    key = jax.random.PRNGKey(0)
    unconstrained = unconstrain_model(bound.full_data, init_to_median, key, bound.traced_arguments)
    logit = 0.3
    p = 1 / (1 + np.exp(-logit))
    heads = TOSSES.sum()
    tails = len(TOSSES) - heads
    prior = np.log(12) + np.log(p) + 2 * np.log(1 - p)  # Beta(2, 3)
    exact = prior + heads * np.log(p) + tails * np.log(1 - p) + np.log(p * (1 - p))
    assert float(unconstrained.potential({"p": logit})) == pytest.approx(-exact)
    assert float(unconstrained.constrain({"p": logit})["p"]) == pytest.approx(p)
    assert set(unconstrained.start) == {"p"}
