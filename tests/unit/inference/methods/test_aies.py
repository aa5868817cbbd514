"""Affine-invariant ensemble sampling against exact posteriors."""

import pytest
from unit.inference.methods.targets import (
    CONJUGATE_MODELS,
    NORMAL,
    SAMPLERS,
    Y,
    compare_banana,
    compare_conjugate,
    compare_gaussian,
    run,
)

from posterity.errors import UserError


@pytest.mark.long
@pytest.mark.parametrize("name", CONJUGATE_MODELS)
def test_conjugate_posteriors_are_exact(bind_source, name):
    compare_conjugate(bind_source, SAMPLERS["aies"], name)


@pytest.mark.long
def test_a_correlated_gaussian_is_exact(bind_source):
    compare_gaussian(bind_source, SAMPLERS["aies"], 2)


@pytest.mark.long
def test_the_banana_is_exact(bind_source):
    compare_banana(bind_source, SAMPLERS["aies"] | {"draws": 10000})


@pytest.mark.parametrize(
    ("chains", "parts"),
    [
        (5, ["chains: 5 walkers for 1 latent", "even"]),
        (2, ["chains: 2 walkers", "at least 4"]),
    ],
)
def test_too_few_or_odd_walkers_are_an_error(bind_source, chains, parts):
    with pytest.raises(UserError) as error:
        run(bind_source(NORMAL, y=Y), SAMPLERS["aies"] | {"chains": chains})
    assert all(part in str(error.value) for part in parts), error.value


def test_walkers_that_all_start_at_one_value_are_an_error(bind_source):
    with pytest.raises(UserError, match=r"walkers that all start at one value.*uniform"):
        run(bind_source(NORMAL, y=Y), SAMPLERS["aies"] | {"init": {"mu": 1.0}})
