"""The preflight: names, shapes and discrete sites."""

import numpy as np
import pytest
import xarray as xr
from numpyro.distributions import Normal
from unit.model.line import LINE, TABLE

from posterity.errors import UserError
from posterity.model.bind import bind_model
from posterity.model.datasets import make_data_groups
from posterity.model.preflight import check_model, find_model_errors, find_shape_errors
from posterity.prediction.predict import make_draws_dataset, predict_posterior
from posterity.runtime.rng import Stream

PLATE = 'with numpyro.plate("data", len(X)):'
POISSON = """
def model(X, Y):
    k = numpyro.sample('k', dist.Poisson(3))
    numpyro.sample('y', dist.Normal(k, 1), obs=Y)
"""
BERNOULLI = POISSON.replace("Poisson(3)", "Bernoulli(0.5)")
SOFT = LINE + "    numpyro.sample('soft', dist.Normal(jnp.ones(4) * m, 1), obs=0.0)\n"


@pytest.fixture
def list_errors(write_spec):
    """A function that lists the errors of a source with the table."""

    def list_errors(source, *methods):
        bound = bind_model("m", write_spec(source), TABLE)
        return find_model_errors(bound, TABLE, "t.csv", methods)

    return list_errors


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        (POISSON, ["'k' (Poisson, shape ())", "discrete", "no method can marginalise it"]),
        (
            LINE.replace("m * X + c", "(m * X + c)[:, None]").replace(PLATE, "if True:"),
            ["'y'", "(3,)", "(3, 3)", "compared 3 x 3 times"],
        ),
        (LINE.replace('"m"', '"draw"'), ["'draw'", "Rename it"]),
    ],
)
def test_check_model_raises_the_error(write_spec, source, parts):
    bound = bind_model("m", write_spec(source), TABLE)
    with pytest.raises(UserError) as error:
        check_model(bound, TABLE, "t.csv")
    for part in parts:
        assert part in str(error.value)


def test_shapes_that_do_not_broadcast_are_an_error_when_the_model_is_bound(write_spec):
    source = LINE.replace("c, E)", "c, E[:2])").replace(PLATE, "if True:")
    with pytest.raises(UserError, match=r"line 9.*cannot be evaluated"):
        bind_model("m", write_spec(source), TABLE)


def test_all_errors_are_listed(list_errors):
    assert len(list_errors(LINE.replace('"m"', '"chain"').replace('"c"', '"draw"'))) == 2


def test_check_model_counts_the_errors_that_it_does_not_show(write_spec):
    source = LINE.replace('"m"', '"chain"').replace('"c"', '"draw"')
    with pytest.raises(UserError, match=r"\(1 more: `make check` lists them\)"):
        check_model(bind_model("m", write_spec(source), TABLE), TABLE, "t.csv")


def test_a_sound_model_has_no_errors(list_errors):
    assert list_errors(LINE, "nuts", "svi") == []


def test_a_method_that_cannot_marginalise_refuses_discrete_sites(list_errors):
    source = BERNOULLI.replace("k, 1)", "k + m, 1)").replace(
        "    k =", "    m = numpyro.sample('m', dist.Normal(0, 1))\n    k ="
    )
    assert list_errors(source, "nuts") == []
    (message,) = list_errors(source, "nuts", "svi")
    assert "'k'" in message
    assert "which svi cannot fit. Use nuts or hmc" in message


def test_a_model_of_discrete_sites_alone_is_an_error(list_errors):
    (message,) = list_errors(BERNOULLI)
    assert "all latent sites are discrete" in message


def test_a_model_without_latent_sites_is_an_error(list_errors):
    (message,) = list_errors("\ndef model(X, Y):\n    numpyro.sample('y', dist.Normal(X), obs=Y)\n")
    assert "no latent site" in message


def test_an_argument_that_is_not_finite_is_an_error_with_its_entry(write_spec):
    table = TABLE.assign(X=("point", [0.0, np.nan, 2.0]))
    bound = bind_model("m", write_spec(LINE), table)
    (message,) = find_model_errors(bound, table, "t.csv")
    assert "t.csv: the argument 'X' of m is nan, entry 2" in message


def test_an_observation_of_the_wrong_rank_is_an_error(bind_source):
    source = """
def model():
    m = numpyro.sample('m', dist.Normal(0, 1))
    numpyro.sample('y', dist.MultivariateNormal(m * jnp.ones(4), jnp.eye(4)), obs=0.0)
"""
    (message,) = find_shape_errors(bind_source(source, xr.Dataset()))
    assert "do not fit MultivariateNormal" in message


def test_one_observation_of_a_vector_is_accepted(write_spec):
    bound = bind_model("m", write_spec(SOFT), TABLE)
    check_model(bound, TABLE, "t.csv")
    assert bound.sites["soft"].shape == (4,)


def test_one_observation_of_a_vector_counts_for_each_element(write_spec):
    bound = bind_model("m", write_spec(SOFT), TABLE)
    latent = {"m": np.array([1.0, 2.0]), "c": np.array([0.0, 1.0])}
    values = predict_posterior(bound, latent, Stream(1))
    exact = Normal(np.array([[1.0], [2.0]]) * np.ones((1, 4)), 1).log_prob(0.0)
    np.testing.assert_allclose(values["log_likelihood"]["soft"], exact)
    assert make_draws_dataset(bound, values["predicted"], 1, TABLE)["soft"].shape == (1, 2, 4)
    assert make_data_groups(bound, TABLE)["observed_data"]["soft"].values.tolist() == [0] * 4
