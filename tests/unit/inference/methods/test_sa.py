"""Sample adaptive MCMC against exact posteriors."""

import pytest
from unit.inference.methods.targets import (
    CONJUGATE_MODELS,
    NORMAL,
    SAMPLERS,
    Y,
    compare_conjugate,
    compare_gaussian,
    run,
)

from posterity.errors import UserError


@pytest.mark.long
@pytest.mark.parametrize("name", CONJUGATE_MODELS)
def test_conjugate_posteriors_are_exact(bind_source, name):
    compare_conjugate(bind_source, SAMPLERS["sa"], name)


@pytest.mark.long
def test_a_correlated_gaussian_is_exact(bind_source):
    compare_gaussian(bind_source, SAMPLERS["sa"] | {"draws": 40000}, 2)


def test_a_start_from_pathfinder_is_an_error(bind_source):
    with pytest.raises(UserError, match="sa cannot start from pathfinder"):
        run(bind_source(NORMAL, y=Y), SAMPLERS["sa"] | {"init": "pathfinder"})
