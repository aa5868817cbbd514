"""ChEES against exact posteriors."""

import pytest
from unit.inference.methods.targets import (
    CONJUGATE_MODELS,
    SAMPLERS,
    compare_conjugate,
)


@pytest.mark.long
@pytest.mark.parametrize("name", CONJUGATE_MODELS)
def test_conjugate_posteriors_are_exact(bind_source, name):
    compare_conjugate(bind_source, SAMPLERS["chees"], name)
