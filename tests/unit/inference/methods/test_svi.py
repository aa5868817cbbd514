"""Variational inference against exact posteriors; convergence, custom guides and minibatches."""

import numpy as np
import pytest
import xarray as xr
from unit.inference.methods.targets import (
    CONJUGATE_LINE,
    KHAT_LIMITS,
    LINE_DATA,
    LINE_X,
    LINE_Y,
    MEAN,
    NORMAL,
    NORMAL_POSTERIOR,
    PRECISION,
    SUBSAMPLED_LINE,
    WIDE_COIN,
    WIDE_COIN_DATA,
    Y,
    compare,
    compare_normal,
    compare_weighted,
    compute_line_posterior,
    get_statistics,
    run,
)

from posterity.config.schema import complete_settings
from posterity.diagnostics.approximation import check_elbo_convergence, check_pareto_k
from posterity.errors import UserError
from posterity.inference.methods import svi
from posterity.runtime.rng import Stream

SVI = complete_settings("svi", steps=4000, step_size=0.05, restarts=20)
RESAMPLED = complete_settings("svi", resample=True)
PRODUCT = """
def model(y):
    a = numpyro.sample("a", dist.LogNormal(0, 0.7))
    b = numpyro.sample("b", dist.LogNormal(0, 0.7))
    numpyro.sample("y", dist.Normal(a * b, 0.3), obs=y)
"""
GUIDES = """
import numpyro
import numpyro.distributions as dist

def guide(y):
    centre = numpyro.param("centre", 0.0)
    width = numpyro.param("width", 1.0, constraint=dist.constraints.positive)
    numpyro.sample("mu", dist.Normal(centre, width))

def without(y):
    numpyro.param("centre", 0.0)

def other(y):
    numpyro.sample("mu", dist.Normal(numpyro.param("centre", 0.0), 1.0))
    numpyro.sample("nu", dist.Normal(0, 1))

def wide(y):
    numpyro.sample("mu", dist.Normal(numpyro.param("centre", 0.0), 1.0).expand([3]).to_event(1))
"""


@pytest.fixture(scope="module")
def line_posterior():
    """Mean and covariance of the conjugate line."""
    return compute_line_posterior()


@pytest.fixture
def line_result(bind_source):
    """The conjugate line by a guide that can be exact."""
    return svi.fit(bind_source(CONJUGATE_LINE, LINE_DATA), SVI, Stream(1, ("a",)))


@pytest.fixture
def bound_with_guides(bind_source, tmp_path):
    """The normal model, with custom guides in the same folder."""
    (tmp_path / "guide.py").write_text(GUIDES)
    return bind_source(NORMAL, y=Y)


@pytest.mark.long
def test_a_gaussian_posterior_is_exact_after_resampling(bind_source):
    compare_normal(bind_source, RESAMPLED)


@pytest.mark.long
@pytest.mark.parametrize("name", ["coin", "counts"])
def test_a_skewed_posterior_is_exact_after_resampling(bind_source, name):
    compare_weighted(bind_source, RESAMPLED, name)


def test_a_gaussian_guide_has_the_moments_of_a_gaussian_posterior(line_result, line_posterior):
    mean, covariance = line_posterior
    draws = line_result.posterior["b"][0]
    sd = np.sqrt(np.diag(covariance))
    assert line_result.sampling == "independent"
    assert draws.shape == (4000, 2)
    assert np.all(np.abs(draws.mean(0) - mean) < 5 * sd / np.sqrt(4000) + 0.03 * sd)
    np.testing.assert_allclose(np.cov(draws.T), covariance, rtol=0.15)


def test_the_checks_of_an_exact_guide_pass(line_result):
    assert check_pareto_k(get_statistics(line_result), KHAT_LIMITS).status == "pass"
    assert check_elbo_convergence(line_result.optimisation, 0.1).status == "pass"


def test_the_loss_of_an_exact_guide_is_minus_the_log_evidence(line_result):
    marginal = 0.25 * np.eye(25) + 100 * (1 + np.outer(LINE_X, LINE_X))
    log_determinant = np.linalg.slogdet(2 * np.pi * marginal)[1]
    log_evidence = -0.5 * (LINE_Y @ np.linalg.solve(marginal, LINE_Y) + log_determinant)
    loss = line_result.optimisation["loss"].values[-200:].mean()
    assert abs(loss + log_evidence) < 0.05


@pytest.mark.long
@pytest.mark.parametrize("guide", ["AutoNormal", "AutoLowRankMultivariateNormal"])
def test_other_guides_have_the_moments_of_the_conjugate_coin(bind_source, guide):
    bound = bind_source(WIDE_COIN, WIDE_COIN_DATA)
    result = svi.fit(bound, SVI | {"guide": guide}, Stream(1, ("coin", guide)))
    draws = result.posterior["f"][0]
    mean = 16 / 30
    sd = np.sqrt(16 * 14 / (30**2 * 31))
    assert abs(draws.mean() - mean) < 0.1 * sd
    assert abs(draws.std() / sd - 1) < 0.1


@pytest.mark.long
def test_a_flow_has_a_smaller_loss_than_a_gaussian(bind_source):
    """The posterior is curved: the mean of y is the product of two numbers."""
    bound = bind_source(PRODUCT, xr.Dataset({"y": ((), 1.5)}))
    losses = {}
    for guide, size in (
        ("AutoNormal", 0.05),
        ("AutoMultivariateNormal", 0.05),
        ("AutoBNAFNormal", 0.02),
    ):
        settings = SVI | {"guide": guide, "step_size": size}
        result = svi.fit(bound, settings, Stream(1, ("product", guide)))
        losses[guide] = result.optimisation["loss"].values[-500:].mean()
    assert losses["AutoNormal"] > losses["AutoMultivariateNormal"] + 0.1
    assert losses["AutoMultivariateNormal"] > losses["AutoBNAFNormal"]


def test_a_flow_of_one_number_is_an_error(bind_source):
    bound = bind_source(WIDE_COIN, WIDE_COIN_DATA)
    with pytest.raises(UserError, match="AutoIAFNormal needs two latent numbers"):
        svi.fit(bound, SVI | {"guide": "AutoIAFNormal"}, Stream(1, ("coin",)))


@pytest.mark.long
def test_a_fit_that_has_not_converged_fails_a_check(bind_source):
    """The settings of the coin's tutorial: Adam with 5e-5 for 2,000 steps hardly moves."""
    settings = SVI | {
        "steps": 2000,
        "step_size": 5e-5,
        "schedule": "constant",
        "particles": 1,
        "restarts": 1,
        "init": "uniform",
    }
    source = WIDE_COIN.replace("Beta(10, 10)", "Beta(1, 1)")
    data = xr.Dataset({"data": ("row", np.repeat([1, 0], [450, 50]))})
    result = svi.fit(bind_source(source, data), settings, Stream(1, ("coin",)))
    statuses = {
        check_pareto_k(get_statistics(result), 0.7).status,
        check_elbo_convergence(result.optimisation, 0.1).status,
    }
    assert "fail" in statuses


@pytest.mark.long
def test_a_loss_that_is_not_finite_is_an_error(bind_source):
    settings = SVI | {"step_size": 1e5, "schedule": "constant", "steps": 500}
    with pytest.raises(UserError, match="the loss is not finite from step"):
        svi.fit(bind_source(CONJUGATE_LINE, LINE_DATA), settings, Stream(1, ("away",)))


@pytest.mark.long
def test_the_steps_end_after_convergence(bind_source):
    result = run(bind_source(NORMAL, y=Y), complete_settings("svi"))
    assert result.stopped == "converged"
    assert len(result.optimisation["loss"]) < 20000
    assert check_elbo_convergence(result.optimisation, 0.1).status == "pass"


@pytest.mark.long
def test_without_a_tolerance_all_steps_are_taken(bind_source):
    result = run(bind_source(NORMAL, y=Y), complete_settings("svi", tolerance=0))
    assert result.stopped == "steps"
    assert len(result.optimisation["loss"]) == 20000


@pytest.mark.long
def test_a_guide_without_width_gives_a_point(bind_source):
    point = run(bind_source(NORMAL, y=Y), complete_settings("svi", guide="AutoDelta"))
    assert point.sampling == "point"
    assert point.point["mu"] == pytest.approx(MEAN, abs=1e-3)


def test_a_custom_guide_is_exact_and_returns_its_parameters(bound_with_guides):
    settings = complete_settings("svi", guide="guide", resample=True)
    result = run(bound_with_guides, settings)
    compare(result.posterior["mu"], NORMAL_POSTERIOR)
    best = result.guide
    sd = PRECISION**-0.5
    assert set(best.data_vars) == {"centre", "width"}
    assert abs(best["centre"] - MEAN) < 0.05 * sd
    assert best["width"] == pytest.approx(sd, rel=0.05)


@pytest.mark.long
def test_an_automatic_guide_returns_no_parameters(bind_source):
    assert not run(bind_source(NORMAL, y=Y), complete_settings("svi", steps=200)).guide


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("without", ["does not match the model", "'mu'", "is not in it"]),
        ("other", ["a site 'nu' that the model does not have"]),
        ("wide", ["'mu' of shape () has shape (3,)"]),
        ("AutoNormel", ["there is no 'AutoNormel'", "did you mean 'AutoNormal'"]),
        ("gide", ["no function 'gide'", "did you mean 'guide'"]),
    ],
)
def test_a_guide_that_does_not_fit_the_model_is_an_error(bound_with_guides, name, parts):
    with pytest.raises(UserError) as error:
        run(bound_with_guides, complete_settings("svi", guide=name))
    assert all(part in str(error.value) for part in parts), error.value


def test_a_guide_without_a_file_is_an_error(bind_source):
    with pytest.raises(UserError, match="there is no such file"):
        run(bind_source(NORMAL, y=Y), complete_settings("svi", guide="guide"))


@pytest.mark.long
def test_minibatches_have_the_posterior_of_all_data(bind_source):
    x = np.linspace(0, 3, 400)
    y = 2 * x + 1 + 0.5 * np.random.default_rng(3).normal(size=400)
    settings = complete_settings(
        "svi", minibatch={"row": 50}, steps=20000, step_size=0.01, tolerance=0
    )
    result = run(bind_source(SUBSAMPLED_LINE, x=x, y=y), settings)
    design = np.stack([x, np.ones(400)], 1)
    covariance = np.linalg.inv(design.T @ design / 0.25 + np.eye(2) / 100)
    mean = covariance @ design.T @ y / 0.25
    for place, site in enumerate(("m", "c")):
        sd = np.sqrt(covariance[place, place])
        assert abs(result.posterior[site].mean() - mean[place]) < 0.3 * sd
        assert result.posterior[site].std() == pytest.approx(sd, rel=0.15)


@pytest.mark.parametrize(
    ("minibatch", "message"),
    [
        ({"rows": 3}, "no plate 'rows': did you mean 'row'"),
        ({"row": 6}, "6 is more than its 5 elements"),
        ({"row": 3}, "cannot be computed on minibatches"),
    ],
)
def test_minibatches_that_do_not_fit_the_model_are_an_error(bind_source, minibatch, message):
    with pytest.raises(UserError) as error:
        run(bind_source(NORMAL, y=Y), complete_settings("svi", minibatch=minibatch))
    assert message in str(error.value)
