"""Pathfinder against exact posteriors, and its k-hat where it fails."""

import pytest
from unit.inference.methods.targets import (
    FUNNEL,
    KHAT_LIMITS,
    compare_normal,
    compare_weighted,
    get_statistics,
    run,
)

from posterity.config.schema import complete_settings
from posterity.diagnostics.approximation import check_pareto_k

PATHFINDER = complete_settings("pathfinder", paths=4)


@pytest.mark.long
def test_a_gaussian_posterior_is_exact(bind_source):
    compare_normal(bind_source, PATHFINDER)


@pytest.mark.long
@pytest.mark.parametrize("name", ["coin", "counts"])
def test_a_skewed_posterior_is_exact_after_resampling(bind_source, name):
    compare_weighted(bind_source, PATHFINDER, name)


@pytest.mark.long
def test_khat_fails_for_the_funnel(bind_source):
    result = run(bind_source(FUNNEL), PATHFINDER | {"resample": False}, "pathfinder")
    assert check_pareto_k(get_statistics(result), KHAT_LIMITS).status == "fail"
