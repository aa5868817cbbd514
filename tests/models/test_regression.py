"""
Compare the regression with independent results.

The references are a formula for the density, quadrature for the posterior and a computation for
each draw for the predictions.
"""

from functools import cache

import jax.numpy as jnp
import numpy as np
import scipy.stats
from conftest import ROOT, make_spec
from numpyro.infer.util import log_density

from posterity.config.schema import complete_settings
from posterity.data.simulate import simulate_model
from posterity.inference.methods import nuts
from posterity.model.bind import bind_model, load_model_file
from posterity.prediction.new_data import bind_new_data, predict_new_data
from posterity.prediction.predict import sample_prior
from posterity.python_files import load_module
from posterity.runtime.rng import Stream
from posterity.stats.summary import summarise_draws

SPEC = make_spec("workflow/models/regression/model.py")
TRUTH = {"b": 0.1, "w": 0.6, "sigma": 0.3}
DESIGN = {"u": {"linspace": [-1.5, 1.5, 40]}}


@cache
def points():
    return simulate_model("regression", SPEC, TRUTH, DESIGN, "point", 1, "the test")


@cache
def fitted():
    """Return the bound model and its posterior by NUTS, with the settings of the study."""
    data, _ = points()
    bound = bind_model("regression", SPEC, data)
    return bound, bound.to_dataset(
        nuts.fit(
            bound, complete_settings("nuts", draws=2000), Stream(1, ("regression",))
        ).posterior,
        ("chain", "draw"),
        data,
    )


def quadrature(u, y):
    """
    Return mean and sd of b, w and sigma.

    Given sigma, (b, w) is Gaussian. The integral over sigma is a sum over a grid. The prior of
    (b, w) is N(0, P), and the data given sigma are N(X (b, w), sigma^2).
    """
    design, prior = np.stack([np.ones_like(u), u], axis=1), np.diag([0.2**2, 0.5**2])
    sigmas = np.geomspace(0.02, 5, 4000)
    log_weight, means, variances = [], [], []
    for sigma in sigmas:
        covariance = np.linalg.inv(np.linalg.inv(prior) + design.T @ design / sigma**2)
        means.append(covariance @ design.T @ y / sigma**2)
        variances.append(np.diag(covariance))
        marginal = scipy.stats.multivariate_normal(
            cov=sigma**2 * np.eye(u.size) + design @ prior @ design.T
        )
        # The grid is even in log sigma.
        log_weight.append(marginal.logpdf(y) - sigma + np.log(sigma))
    weight = np.exp(np.array(log_weight) - max(log_weight))
    weight /= weight.sum()
    means, variances = np.array(means), np.array(variances)
    mean = weight @ means
    sd = np.sqrt(weight @ (variances + (means - mean) ** 2))
    centre = weight @ sigmas
    return {
        "b": (mean[0], sd[0]),
        "w": (mean[1], sd[1]),
        "sigma": (centre, np.sqrt(weight @ (sigmas - centre) ** 2)),
    }


def test_the_density_agrees_with_an_independent_formula():
    rng = np.random.default_rng(1)
    u, y = rng.normal(size=(2, 7))
    b, w, sigma = 0.3, -0.4, 0.7
    found = log_density(
        load_model_file(SPEC).function,
        (jnp.array(u), jnp.array(y)),
        {},
        {"b": b, "w": w, "sigma": sigma},
    )[0]
    norm = scipy.stats.norm
    exact = (
        norm(0, 0.2).logpdf(b)
        + norm(0, 0.5).logpdf(w)
        - sigma
        + norm(w * u + b, sigma).logpdf(y).sum()
    )
    np.testing.assert_allclose(found, exact, rtol=1e-12)


def test_nuts_agrees_with_quadrature():
    data, _ = points()
    summary = summarise_draws(fitted()[1][["b", "w", "sigma"]], "hdi", 0.9)
    for name, (mean, sd) in quadrature(data["u"].values, data["y"].values).items():
        row = summary.sel(parameter=name)
        assert abs(row["mean"] - mean) < 5 * row["mcse"], name
        # The sd of a skewed density is noisier than that of a Gaussian.
        assert abs(row["sd"] / sd - 1) < 5 / np.sqrt(float(row["ess_tail"])), name


def test_the_mean_of_each_point_is_the_line_of_the_same_draw():
    """The deterministic site `mu` equals w u + b for each draw."""
    data, truth = points()
    _, posterior = fitted()
    by_hand = posterior["w"] * data["u"] + posterior["b"]
    np.testing.assert_allclose(
        posterior["mu"], by_hand.transpose(*posterior["mu"].dims), rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(truth["mu"], 0.6 * data["u"] + 0.1, rtol=1e-12)


def test_the_mean_is_predicted_at_new_covariates():
    """At new u, `mu` is w u + b for each draw, and y has mean `mu` and sd sigma."""
    data, _ = points()
    _, posterior = fitted()
    latent = {name: posterior[name].values[:, ::4].reshape(-1) for name in ("b", "w", "sigma")}
    there = bind_new_data("regression", SPEC, {"u": {"linspace": [-3, 3, 13]}}, data, 1, "the test")
    values = predict_new_data(
        there,
        latent,
        Stream(1, ("regression", "at")),
    )
    u = np.linspace(-3, 3, 13)
    np.testing.assert_array_equal(there.covariates["u"], u)
    assert set(values) == {"mu", "y"} and not there.resampled_sites
    np.testing.assert_allclose(
        values["mu"], latent["w"][:, None] * u + latent["b"][:, None], rtol=1e-12, atol=1e-12
    )
    standard = (values["y"] - values["mu"]) / latent["sigma"][:, None]
    assert abs(standard.mean()) < 5 / np.sqrt(standard.size)
    assert abs(standard.std() - 1) < 5 / np.sqrt(2 * standard.size)


def test_each_prior_draw_is_a_line():
    """`mu` is the line of each draw, and b, w and sigma follow their priors."""
    data, _ = points()
    bound = bind_model("regression", SPEC, data)
    prior = sample_prior(bound, 100, Stream(1, ("regression",)))
    assert prior["mu"].shape == prior["y"].shape == (100, 40)
    line = prior["w"][:, None] * data["u"].values + prior["b"][:, None]
    np.testing.assert_allclose(prior["mu"], line, rtol=1e-12, atol=1e-12)
    many = sample_prior(bound, 4000, Stream(1, ("regression",)))
    for name, exact in (
        ("b", scipy.stats.norm(0, 0.2)),
        ("w", scipy.stats.norm(0, 0.5)),
        ("sigma", scipy.stats.expon()),
    ):
        assert scipy.stats.kstest(many[name], exact.cdf).pvalue > 1e-4, name


def test_curve_is_the_mean_of_the_model():
    curve = load_module(str(ROOT / "workflow/models/regression/figures.py")).curve
    assert curve(u=2.0, w=0.5, b=0.25) == 1.25
