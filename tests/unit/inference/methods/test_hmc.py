"""HMC against exact posteriors."""

import pytest
from unit.inference.methods.targets import (
    CONJUGATE_MODELS,
    SAMPLERS,
    compare_banana,
    compare_conjugate,
    compare_gaussian,
)


@pytest.mark.long
@pytest.mark.parametrize("name", CONJUGATE_MODELS)
def test_conjugate_posteriors_are_exact(bind_source, name):
    compare_conjugate(bind_source, SAMPLERS["hmc"], name)


@pytest.mark.long
def test_a_correlated_gaussian_is_exact(bind_source):
    compare_gaussian(bind_source, SAMPLERS["hmc"] | {"dense_mass": True}, 10)


@pytest.mark.long
def test_the_banana_is_exact(bind_source):
    compare_banana(bind_source, SAMPLERS["hmc"] | {"draws": 4000, "target_accept": 0.95})
