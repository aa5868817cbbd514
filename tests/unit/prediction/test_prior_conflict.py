"""Distances of prior and data with known values, and bounds that a posterior is pressed to."""

import numpy as np
import pytest
import xarray as xr

from posterity.prediction.prior_conflict import compute_conflict, measure_prior_conflict
from posterity.runtime.rng import Stream

STREAM = Stream(1, ("test",))
DRAWS = 4000
BOUNDED = """
def model(y):
    m = numpyro.sample('m', PRIOR)
    numpyro.sample('y', LIKELIHOOD, obs=y)
"""


def make_rng():
    return np.random.default_rng(7)


def measure(bound, **draws):
    return measure_prior_conflict(bound, bound.continuous_latents, draws, 4, STREAM)


@pytest.mark.parametrize("y", [1.0, 30.0])
def test_the_distance_of_gaussians_is_that_of_estimate_and_prior(bind_source, y):
    source = BOUNDED.replace("PRIOR", "dist.Normal(-2, 3)").replace(
        "LIKELIHOOD", "dist.Normal(m, 4)"
    )
    precision = 1 / 9 + 1 / 16
    mean = (-2 / 9 + y / 16) / precision
    draws = make_rng().normal(mean, precision**-0.5, DRAWS)
    conflict = measure(bind_source(source, y=np.array(y)), m=draws)
    expected = (y + 2) / 5
    assert conflict["d"].item() == pytest.approx(expected, rel=0.05, abs=0.1)
    assert (conflict["p"].item() < 1e-4) == (y == 30)


def test_draws_of_the_prior_replace_a_missing_distribution_function(bind_source):
    source = """
def model(y):
    tau = numpyro.sample('tau', dist.HalfNormal(1))
    m = numpyro.sample('m', dist.MultivariateNormal(jnp.zeros(2), jnp.eye(2)))
    numpyro.sample('y', dist.Normal(m, 1).to_event(1), obs=y)
"""
    draws = make_rng().normal([0, 1.2], 0.5**0.5, (DRAWS, 2))
    tau = np.abs(make_rng().normal(size=DRAWS))
    conflict = measure(bind_source(source, y=np.array([0, 2.4])), m=draws, tau=tau)
    assert conflict["parameter"].values.tolist() == ["tau", "m[0]", "m[1]"]
    np.testing.assert_allclose(conflict["d"], [0, 0, 2.4 / 2**0.5], atol=0.15)


def test_spread_is_that_of_the_posterior_relative_to_the_prior(bind_source):
    source = BOUNDED.replace("PRIOR", "dist.Normal(0, 2)").replace(
        "LIKELIHOOD", "dist.Normal(m, 1)"
    )
    draws = make_rng().normal(1, 0.5, DRAWS)
    conflict = measure(bind_source(source, y=np.array([1.0])), m=draws)
    assert conflict["spread"].item() == pytest.approx(0.25, rel=0.05)


def test_scores_that_vary_as_those_of_the_prior_have_no_distance():
    assert compute_conflict(make_rng().normal(0.3, 1.1, (4, 500))) == 0
    assert compute_conflict(np.full((4, 500), 3.0)) == 3
    assert compute_conflict(np.full((1, 4), np.nan)) == 0


@pytest.mark.parametrize(
    ("prior", "value", "has_tail"),
    [
        ("dist.HalfNormal(10)", 0.001, False),
        ("dist.HalfNormal(10)", 60, True),
        ("dist.HalfCauchy(1)", 1e-4, False),
        ("dist.Exponential(1)", 1e-4, False),
        ("dist.Uniform(0, 10)", 9.98, False),
        ("dist.LogNormal(0, 2)", np.exp(-9), True),
        ("dist.Gamma(3, 1)", 0.02, True),
    ],
)
def test_a_density_that_does_not_vanish_at_a_bound_has_no_tail_there(
    bind_source, prior, value, has_tail
):
    source = BOUNDED.replace("PRIOR", prior).replace("LIKELIHOOD", "dist.Normal(0, m)")
    draws = value * np.exp(1e-4 * make_rng().normal(size=DRAWS))
    conflict = measure(bind_source(source, y=np.array([1.0])), m=draws)
    assert abs(conflict["d"].item()) > 2.5
    assert (conflict["p"].item() < 0.01) == has_tail


# The prior, the likelihood, the draws (of a generator), the least push, and whether it is natural.
PILED = {
    "the truth is below": (
        "dist.Uniform(0, 5)", "dist.Normal(m, 1)", lambda rng: rng.exponential(1 / 45, DRAWS),
        "lower", 0.6, False,
    ),
    "the truth is above": (
        "dist.TruncatedNormal(0, 10, high=1)", "dist.Normal(m, 1)",
        lambda rng: 1 - rng.exponential(1 / 45, DRAWS), "upper", 0.6, False,
    ),
    "a rate without a count": (
        "dist.Uniform(0, 50)", "dist.Poisson(m)",
        lambda rng: rng.exponential(1 / 20, DRAWS), "lower", 0.6, True,
    ),
    "only heads": (
        "dist.Uniform(0, 1)", "dist.Bernoulli(m)",
        lambda rng: rng.beta(21, 1, DRAWS), "upper", 0.6, True,
    ),
}  # fmt: skip
DATA = {
    "the truth is below": np.full(20, -2.25),
    "the truth is above": np.full(20, 3.25),
    "a rate without a count": np.zeros(20),
    "only heads": np.ones(20),
}


@pytest.mark.parametrize("case", PILED)
def test_a_posterior_pressed_to_a_bound_has_a_push(bind_source, case):
    prior, likelihood, draw, side, least, natural = PILED[case]
    source = BOUNDED.replace("PRIOR", prior).replace("LIKELIHOOD", likelihood)
    conflict = measure(bind_source(source, y=DATA[case]), m=draw(make_rng()))
    assert conflict.sizes["bound"] == 1
    bound = conflict.isel(bound=0)
    assert bound["bounded_parameter"].item() == "m"
    assert bound["side"].item() == side
    assert bound["push"].item() > least
    assert bool(bound["natural"]) == natural


def test_a_peak_at_the_bound_has_no_push(bind_source):
    source = BOUNDED.replace("PRIOR", "dist.Uniform(0, 50)").replace(
        "LIKELIHOOD", "dist.Normal(m, 1)"
    )
    draws = np.abs(make_rng().normal(size=DRAWS))
    conflict = measure(bind_source(source, y=np.array([0.0])), m=draws)
    assert conflict["push"].item() == pytest.approx(0.04, abs=0.02)


def test_a_bound_far_from_the_posterior_is_left_out(bind_source):
    source = BOUNDED.replace("PRIOR", "dist.Uniform(-5, 5)").replace(
        "LIKELIHOOD", "dist.Normal(m, 1)"
    )
    conflict = measure(bind_source(source, y=np.array([0.0])), m=make_rng().normal(size=DRAWS))
    assert conflict.sizes["bound"] == 0


def test_without_observations_there_is_nothing_to_measure(bind_source):
    bound = bind_source("\ndef model():\n    numpyro.sample('m', dist.Normal(0, 1))\n")
    assert measure(bound, m=np.zeros(8)).equals(xr.Dataset())


def test_large_sites_are_left_out(bind_source):
    source = BOUNDED.replace("PRIOR", "dist.Normal(0, 1).expand([101])").replace(
        "LIKELIHOOD", "dist.Normal(m[0], 1)"
    )
    conflict = measure(bind_source(source, y=np.array([0.0])), m=np.zeros((8, 101)))
    assert conflict.sizes["parameter"] == 0


def test_improper_priors_are_left_out(bind_source):
    source = BOUNDED.replace(
        "PRIOR", "dist.ImproperUniform(dist.constraints.real, (), ())"
    ).replace("LIKELIHOOD", "dist.Normal(m, 1)")
    conflict = measure(bind_source(source, y=np.array([0.0])), m=make_rng().normal(size=8))
    assert conflict.sizes == {"parameter": 0, "bound": 0}
