"""Barker's Metropolis-Hastings against exact posteriors."""

import pytest
from unit.inference.methods.targets import (
    CONJUGATE_MODELS,
    SAMPLERS,
    compare_conjugate,
    compare_gaussian,
)


@pytest.mark.long
@pytest.mark.parametrize("name", CONJUGATE_MODELS)
def test_conjugate_posteriors_are_exact(bind_source, name):
    compare_conjugate(bind_source, SAMPLERS["barker"], name)


@pytest.mark.long
def test_a_correlated_gaussian_is_exact(bind_source):
    compare_gaussian(bind_source, SAMPLERS["barker"] | {"dense_mass": True, "draws": 30000}, 2)
