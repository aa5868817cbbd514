"""Reparametrised sites."""

import jax
import pytest
from numpyro.handlers import seed, trace

from posterity.errors import UserError
from posterity.model.reparam import reparametrise

NORMAL = """
def model(y):
    mu = numpyro.sample("mu", dist.Normal(1, 2))
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", dist.Normal(mu, 1.5), obs=y)
"""


@pytest.fixture
def bound(bind_source):
    return bind_source(NORMAL, y=[0.3, 2.5])


def get_sites(bound, settings):
    function = seed(reparametrise(bound, settings), jax.random.PRNGKey(0))
    return trace(function).get_trace(**bound.traced_arguments)


def test_without_the_setting_the_model_stays_as_it_is(bound):
    assert reparametrise(bound, {}) == bound.full_data


@pytest.mark.parametrize("kind", ["LocScale", {"LocScale": {"centered": 0.0}}])
def test_a_site_becomes_deterministic_in_other_coordinates(bound, kind):
    sites = get_sites(bound, {"reparam": {"mu": kind}})
    assert sites["mu"]["type"] == "deterministic"
    assert sites["mu_decentered"]["type"] == "sample"


@pytest.mark.parametrize(
    ("reparam", "message"),
    [
        ({"mw": "LocScale"}, "reparam: .*no latent site 'mw': known: mu"),
        ({"mu": "Circular"}, "reparam: mu: Circular .*Choose another"),
    ],
)
def test_a_reparametrisation_that_does_not_apply_is_an_error(bound, reparam, message):
    with pytest.raises(UserError, match=message):
        reparametrise(bound, {"reparam": reparam})
