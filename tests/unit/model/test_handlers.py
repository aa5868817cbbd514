"""Effect handlers: full plates, subsamples, masked and replicated observations."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.handlers import seed, trace

from posterity.model.handlers import (
    FullPlates,
    InitImproper,
    MaskObserved,
    ReplicateObserved,
    SubsamplePlates,
    unwrap_distribution,
)

Y = np.array([1.0, 2.0, 3.0, 4.0])


def model():
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    with numpyro.plate("row", 4, subsample_size=2) as i:
        numpyro.sample("y", dist.Normal(mu, 1), obs=jnp.asarray(Y)[i])


def one_mean():
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(mu, 1), obs=jnp.asarray(Y))


def get_sites(function):
    return trace(seed(function, jax.random.PRNGKey(1))).get_trace()


def test_full_plates_use_all_elements_in_order():
    np.testing.assert_array_equal(get_sites(FullPlates(model))["y"]["value"], Y)


def test_subsample_plates_use_as_many_elements_as_given():
    assert get_sites(SubsamplePlates(model, {"row": 3}))["y"]["value"].shape == (3,)


def test_subsample_plates_never_use_more_than_all_elements():
    assert get_sites(SubsamplePlates(model, {"row": 9}))["y"]["value"].shape == (4,)


def test_masked_observations_have_no_density():
    site = get_sites(MaskObserved(one_mean, ["y"]))["y"]
    np.testing.assert_array_equal(site["fn"].log_prob(site["value"]), np.zeros(4))


def test_one_mean_gives_a_replicate_of_each_observation():
    site = get_sites(ReplicateObserved(one_mean))["y"]
    assert site["value"].shape == (4,)
    assert len(np.unique(site["value"])) == 4


@pytest.mark.parametrize(
    ("support", "event", "is_valid"),
    [
        (dist.constraints.real, (), lambda value: -2 < value < 2),
        (dist.constraints.positive, (), lambda value: value > 0),
        (dist.constraints.simplex, (3,), lambda value: np.isclose(value.sum(), 1)),
    ],
)
def test_a_site_with_an_improper_prior_starts_in_its_support(support, event, is_valid):
    def flat():
        numpyro.sample("a", dist.ImproperUniform(support, (), event))

    value = np.asarray(
        trace(InitImproper(seed(flat, jax.random.PRNGKey(1)))).get_trace()["a"]["value"]
    )
    assert value.shape == event
    assert is_valid(value)


def test_a_distribution_is_found_inside_its_wrappers():
    wrapped = dist.Normal(0, 1).expand([3]).to_event(1).mask(True)
    assert isinstance(unwrap_distribution(wrapped), dist.Normal)
