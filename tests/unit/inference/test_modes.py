"""The search for modes: bimodal densities, ridges, and what a fit keeps."""

import numpy as np
import pytest
from unit.inference.methods.targets import NORMAL, Y, run

from posterity.config.schema import complete_settings
from posterity.diagnostics.modes import check_modes
from posterity.inference.modes import explain_skipped_search, find_best_draw

THRESHOLD = {"warn": -3, "fail": 3}
SQUARE = """
def model(y):
    theta = numpyro.sample("theta", dist.Normal(0, 5))
    numpyro.sample("y", dist.Normal(theta**2, 0.5), obs=y)
"""
# The median of the prior lies in the lower mode; the other is about 8 nats higher.
UNEQUAL = """
import jax
def model():
    theta = numpyro.sample("theta", dist.Normal(-3, 1.5))
    logits = jnp.array([0.0, 16.0])
    modes = dist.Normal(jnp.array([-3.0, 3.0]), 0.2).log_prob(theta)
    numpyro.factor("modes", jax.nn.logsumexp(modes + logits))
"""
CENTRED = """
def model(y):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfNormal(5))
    with numpyro.plate("group", len(y)):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, 1.0), obs=y)
"""
RIDGE = """
def model(y):
    c = numpyro.sample("c", dist.Normal(0, 10))
    w = numpyro.sample("w", dist.Uniform(0, 1))
    numpyro.sample("y", dist.Normal(c + w, 0.1), obs=y)
"""
SETTINGS = {
    "map": {"restarts": 2, "init": "median"},
    "mle": {"restarts": 2, "init": "median"},
    "laplace": {"restarts": 2, "init": "median"},
    "svi": {"steps": 500, "init": "median", "restarts": 1, "draws": 100},
    "pathfinder": {"paths": 2, "init": "median", "draws": 100},
}


def find_modes(bound, method, **changes):
    result = run(bound, complete_settings(method, **SETTINGS[method] | changes))
    skipped = result.attributes.get("modes_skipped", "")
    return result, check_modes(result.modes, skipped, THRESHOLD, {})


@pytest.mark.parametrize(
    "method",
    [
        method if method == "map" else pytest.param(method, marks=pytest.mark.long)
        for method in SETTINGS
    ],
)
def test_two_modes_warn_with_every_method_that_searches(bind_source, method):
    result, check = find_modes(bind_source(SQUARE, y=np.array(9.0)), method)
    assert check.status == "warn", check
    assert check.value == pytest.approx(0, abs=1e-3)
    assert "theta = " in check.message
    here = result.modes["value"].values[0, 0]
    assert abs(here) == pytest.approx(3, abs=0.02)
    # Standard deviation of theta at a mode: 0.5 / (2 * 3).
    distance = result.modes["distance"].max()
    assert float(distance) == pytest.approx(6 / (0.5 / 6), rel=0.05)


def test_a_fit_in_the_lower_mode_fails(bind_source):
    _, check = find_modes(bind_source(UNEQUAL), "laplace")
    assert check.status == "fail", check
    assert "the fit is in a lower mode" in check.message


def test_one_mode_passes_and_the_search_is_recorded(bind_source):
    result, check = find_modes(bind_source(NORMAL, y=Y), "laplace")
    assert check.status == "pass"
    modes = result.modes
    origins = modes["origin"].values.tolist()
    assert origins == ["fit", "restart", *["uniform"] * 8, *["prior"] * 8]
    assert modes["parameter"].values.tolist() == ["mu"]
    assert modes.attrs["gradient_evaluations"] >= len(origins)
    np.testing.assert_allclose(modes["value"], modes["value"][0, 0], rtol=1e-4)


@pytest.mark.long
def test_a_density_without_bound_has_no_modes(bind_source):
    """The groups are alike, so that the density grows as tau goes to 0."""
    bound = bind_source(CENTRED, y=np.array([0.1, 0.0, -0.1, 0.05]))
    _, check = find_modes(bound, "pathfinder")
    assert check.status in ("pass", "n/a")


@pytest.mark.long
def test_a_ridge_along_which_the_density_hardly_changes_is_one_mode(bind_source):
    """Only the sum of c and w is known, and w is bounded."""
    bound = bind_source(RIDGE, y=np.array([1.2, 0.9, 1.1, 1.3, 0.8, 1.0]))
    result, check = find_modes(bound, "map", init="sample", restarts=8)
    assert check.status == "pass", check
    assert float(result.modes["barrier"].max()) < 1


def test_models_that_are_too_large_are_not_searched(bind_source):
    wide = bind_source("""
def model():
    numpyro.sample("x", dist.Normal(jnp.zeros(2001), 1))
""")
    assert "2001 latent scalars" in explain_skipped_search(wide, {})
    assert "minibatches" in explain_skipped_search(
        bind_source(NORMAL, y=Y), {"minibatch": {"a": 1}}
    )
    assert explain_skipped_search(bind_source(NORMAL, y=Y), {"minibatch": {}}) == ""


def test_the_best_draw_is_that_of_the_largest_density(bind_source):
    bound = bind_source(NORMAL, y=Y)
    draws = {"mu": np.array([[1.0, 2.0], [3.0, 4.0]])}
    solution = find_best_draw(bound, draws, np.array([[0.0, np.nan], [1.0, -np.inf]]))
    assert solution.points["mu"].tolist() == [3.0]
    assert solution.is_constrained
