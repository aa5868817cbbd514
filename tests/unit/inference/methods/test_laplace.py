"""Laplace's approximation against exact posteriors, and where it fails."""

import numpy as np
import pytest
import scipy.stats
from unit.inference.methods.targets import (
    COIN,
    FUNNEL,
    HEADS,
    KHAT_LIMITS,
    TOSSES,
    compare,
    compare_normal,
    get_statistics,
    run,
)

from posterity.config.schema import complete_settings
from posterity.diagnostics.approximation import check_pareto_k
from posterity.errors import UserError

LAPLACE = complete_settings("laplace", restarts=8)
FLAT = """
def model():
    numpyro.sample('a', dist.ImproperUniform(dist.constraints.real, (), ()))
    numpyro.sample('b', dist.Normal(0, 1))
"""


def test_a_gaussian_posterior_is_exact(bind_source):
    compare_normal(bind_source, LAPLACE)


@pytest.mark.long
def test_mode_and_curvature_are_those_in_unconstrained_space(bind_source):
    """For Beta(a, b), with the Jacobian: the logit of a / (a + b), and the variance 1/a + 1/b."""
    a = 2 + HEADS
    b = 3 + len(TOSSES) - HEADS
    result = run(bind_source(COIN, y=TOSSES), LAPLACE)
    logit = np.log(result.posterior["p"] / (1 - result.posterior["p"]))
    compare(logit, scipy.stats.norm(np.log(a / b), np.sqrt(1 / a + 1 / b)))
    assert check_pareto_k(get_statistics(result), KHAT_LIMITS).status == "pass"


@pytest.mark.long
def test_the_funnel_is_refused_or_fails_by_khat(bind_source):
    """Its density may have no maximum with a peak."""
    try:
        result = run(bind_source(FUNNEL), LAPLACE, "laplace")
    except UserError as error:
        assert "no peak" in str(error)
    else:
        assert check_pareto_k(get_statistics(result), KHAT_LIMITS).status == "fail"


def test_a_density_without_a_peak_is_an_error(bind_source):
    with pytest.raises(UserError, match="no peak at its maximum"):
        run(bind_source(FLAT), complete_settings("laplace"))
