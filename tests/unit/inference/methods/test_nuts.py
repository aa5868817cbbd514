"""NUTS against exact posteriors, and checks that notice where it fails."""

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from conftest import LIMITS
from unit.inference.methods.targets import (
    CONJUGATE_MODELS,
    FUNNEL,
    SAMPLERS,
    SCHOOLS,
    SIGMAS,
    SUBSAMPLED_LINE,
    compare,
    compare_banana,
    compare_conjugate,
    compare_gaussian,
    run,
)

from posterity.config.schema import complete_settings
from posterity.diagnostics.convergence import check_convergence, check_sampler
from posterity.model.datasets import make_sample_stats
from posterity.stats.arviz_bridge import import_array_stats
from posterity.stats.summary import summarise_draws

NUTS = SAMPLERS["nuts"]
ISLANDS = """
def model():
    weights = jnp.array([2, 2, 2, 1]) / 7
    centres = jnp.array([[-1.5, 0.0], [0.0, 1.5], [0.0, -1.5], [1.5, 0.0]]) * jnp.sqrt(2.0)
    islands = dist.Normal(centres, 0.25).to_event(1)
    numpyro.sample("x", dist.MixtureSameFamily(dist.Categorical(weights), islands))
"""


def get_statuses(bound, result, settings):
    """Return the status of each check of a fit."""
    draws = bound.to_dataset(result.posterior, ("chain", "draw"), xr.Dataset())
    summary = summarise_draws(draws, "hdi", 0.9)
    latent = set(bound.site_names("latent"))
    checks = check_convergence(summary, settings["chains"], LIMITS, latent)
    checks += check_sampler(make_sample_stats(result.statistics), settings, LIMITS)
    return {check.name: check.status for check in checks}


@pytest.mark.parametrize("name", CONJUGATE_MODELS)
def test_conjugate_posteriors_are_exact(bind_source, name):
    compare_conjugate(bind_source, NUTS, name)


@pytest.mark.parametrize(
    ("size", "changes"),
    [
        (2, {}),
        pytest.param(
            100, {"dense_mass": True, "warmup": 1000, "draws": 1000}, marks=pytest.mark.long
        ),
    ],
)
def test_a_correlated_gaussian_is_exact(bind_source, size, changes):
    compare_gaussian(bind_source, NUTS | changes, size)


@pytest.mark.long
def test_the_banana_is_exact(bind_source):
    compare_banana(bind_source, NUTS | {"draws": 4000, "target_accept": 0.95})


@pytest.mark.long
def test_a_check_fails_for_neals_funnel_in_its_own_coordinates(bind_source):
    bound = bind_source(FUNNEL)
    assert "fail" in get_statuses(bound, run(bound, NUTS), NUTS).values()


@pytest.mark.long
def test_neals_funnel_is_exact_when_reparametrised(bind_source):
    """The draws come back in the model's own coordinates."""
    bound = bind_source(FUNNEL)
    settings = NUTS | {"reparam": {"x": "LocScale"}}
    result = run(bound, settings)
    assert set(result.posterior) == {"v", "x"}
    assert "fail" not in get_statuses(bound, result, settings).values()
    compare(result.posterior["v"], scipy.stats.norm(0, 3))
    scaled = result.posterior["x"][..., 4] / np.exp(result.posterior["v"] / 2)
    compare(scaled, scipy.stats.norm(0, 1))


@pytest.mark.long
def test_rhat_fails_for_chains_on_separate_islands(bind_source):
    bound = bind_source(ISLANDS)
    assert get_statuses(bound, run(bound, NUTS), NUTS)["rhat"] == "fail"


@pytest.mark.long
def test_eight_schools_agree_with_quadrature(bind_source):
    """The effects integrate out: mu and tau by a sum over a fine grid."""
    y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
    sigma = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    changes = {
        "draws": 5000,
        "warmup": 1000,
        "target_accept": 0.95,
        "reparam": {"theta": "LocScale"},
    }
    result = run(bind_source(SCHOOLS, y=y, sigma=sigma), NUTS | changes)
    mu = np.linspace(-25, 35, 601)[:, None]
    # Even in the probability of the prior.
    tau = (np.tan(np.linspace(0, np.pi / 2, 4001)[1:-1]) * 5)[None, :]
    log = scipy.stats.norm.logpdf(mu, 0, 5)
    for value, error in zip(y, sigma, strict=True):
        log = log + scipy.stats.norm.logpdf(value, mu, np.sqrt(error**2 + tau**2))
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    array = import_array_stats()
    for draws, exact in (
        (result.posterior["mu"], (weight * mu).sum()),
        (np.log(result.posterior["tau"]), (weight * np.log(tau)).sum()),
    ):
        error = float(array.mcse(draws[None], method="mean")[0])
        assert abs(draws.mean() - exact) < SIGMAS * error, (draws.mean(), exact, error)


@pytest.mark.long
def test_a_plate_with_a_subsample_size_has_all_its_elements(bind_source):
    subsampled = SUBSAMPLED_LINE.replace("len(x))", "len(x), subsample_size=10)")
    x = np.linspace(0, 3, 40)
    y = 2 * x + 1
    settings = complete_settings("nuts", draws=200)
    draws = run(bind_source(subsampled, x=x, y=y), settings).posterior["m"]
    all_draws = run(bind_source(SUBSAMPLED_LINE, x=x, y=y), settings).posterior["m"]
    assert np.array_equal(draws, all_draws)
