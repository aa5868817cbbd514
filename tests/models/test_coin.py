"""Compare fits of the coin with its conjugate posterior, Beta(10 + heads, 10 + tails)."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xarray as xr
from conftest import ROOT, make_spec
from numpyro.infer import Predictive

from posterity.config.schema import complete_settings
from posterity.config.yaml import read_yaml
from posterity.diagnostics.approximation import check_elbo_convergence, check_pareto_k
from posterity.inference.methods import nuts, svi
from posterity.model.bind import bind_model, load_model_file
from posterity.prediction.predict import predict_posterior
from posterity.python_files import load_module
from posterity.runtime.rng import Stream

FOLDER = ROOT / "workflow/models/coin"
SPEC = make_spec(FOLDER / "model.py", arguments={"data": "heads"})
FITS = read_yaml(ROOT / "config/studies/coin.yaml")["fits"]
EXACT = scipy.stats.beta(16, 14)
DRAWS = 20000


def tosses():
    return xr.Dataset(
        {"heads": ("toss", pd.read_csv(ROOT / "resources/coin/flips.csv")["heads"].to_numpy())}
    )


@cache
def fitted(name, draws=None):
    """Return the bound model and a fit of the study with the settings of the study."""
    given = FITS[name] | ({"draws": draws} if draws else {})
    method = {"svi": svi, "nuts": nuts}[given["method"]]
    bound = bind_model("coin", SPEC, tosses())
    return bound, method.fit(bound, complete_settings(**given), Stream(1, ("coin", "coin", name)))


def statistics_of(result):
    return xr.Dataset(
        {name: (("chain", "draw"), values) for name, values in result.statistics.items()}
    )


def test_the_tosses_are_six_heads_and_four_tails():
    assert tosses()["heads"].values.tolist() == [1] * 6 + [0] * 4


@pytest.mark.long
def test_svi_agrees_with_the_conjugate_posterior():
    """
    The guide contains the posterior.

    Its parameters are close to 16 and 14, and the loss is close to minus the log evidence.
    """
    _, result = fitted("svi", DRAWS)
    np.testing.assert_allclose(
        [result.guide["alpha_q"], result.guide["beta_q"]], [16, 14], rtol=0.05
    )
    draws = result.posterior["latent_fairness"].ravel()
    assert (
        scipy.stats.kstest(
            draws, scipy.stats.beta(result.guide["alpha_q"], result.guide["beta_q"]).cdf
        ).pvalue
        > 1e-4
    )
    assert abs(draws.mean() - EXACT.mean()) < 0.02 * EXACT.std() + 5 * EXACT.std() / np.sqrt(DRAWS)
    assert abs(draws.std() / EXACT.std() - 1) < 0.03 + 5 / np.sqrt(2 * DRAWS)
    log_evidence = scipy.special.betaln(16, 14) - scipy.special.betaln(10, 10)
    assert abs(result.optimisation["loss"].values[-200:].mean() + log_evidence) < 0.02
    assert check_pareto_k(statistics_of(result), {"warn": 0.5, "fail": 0.7}).status == "pass"
    assert check_elbo_convergence(result.optimisation, 0.1).status == "pass"


def test_nuts_agrees_with_the_conjugate_posterior():
    draws = fitted("nuts", 5000)[1].posterior["latent_fairness"]
    ess = float(draws.size / 5)  # well below the effective sample size
    assert abs(draws.mean() - EXACT.mean()) < 5 * EXACT.std() / np.sqrt(ess)
    assert abs(draws.std() / EXACT.std() - 1) < 5 / np.sqrt(2 * ess)


@pytest.mark.long
def test_checks_fail_when_the_published_optimiser_does_not_converge():
    """
    The published optimiser takes 2,000 steps of 5e-5.

    They move the logarithm of a parameter by 0.1, which is too little to reach the optimum.
    """
    _, result = fitted("published")
    assert abs(np.log(result.guide["alpha_q"] / 15)) < 0.11
    assert result.guide["beta_q"] < 10
    assert check_pareto_k(statistics_of(result), {"warn": 0.5, "fail": 0.7}).status == "fail"
    assert check_elbo_convergence(result.optimisation, 0.1).status != "pass"


@pytest.mark.long
@pytest.mark.parametrize("fit", ["svi", "published"])
def test_predictive_and_the_stages_agree_for_any_guide(fit):
    """
    Predictive takes guide and model, the guide alone, or the model with posterior samples.

    Its draws agree with those of the stages fit and predict, for a guide that has converged and for
    one that has not.
    """
    bound, result = fitted(fit, DRAWS)
    draws = result.posterior["latent_fairness"].ravel()
    predicted = predict_posterior(bound, {"latent_fairness": draws}, Stream(1, ("coin",)))[
        "predicted"
    ]["obs"]
    model, guide = load_model_file(SPEC).function, load_module(str(FOLDER / "guide.py")).guide
    params, key = (
        {name: jnp.array(value.values) for name, value in result.guide.items()},
        jax.random.PRNGKey(1),
    )
    both = Predictive(model, guide=guide, params=params, num_samples=DRAWS)(key, data=None)
    alone = Predictive(guide, params=params, num_samples=DRAWS)(key, data=None)
    given = Predictive(model, {"latent_fairness": jnp.array(draws)})(key, data=None)
    assert both["obs"].shape == given["obs"].shape == predicted.shape == (DRAWS, 10)
    assert scipy.stats.ks_2samp(draws, np.asarray(alone["latent_fairness"])).pvalue > 1e-4
    q = scipy.stats.beta(float(params["alpha_q"]), float(params["beta_q"]))
    exact = scipy.stats.betabinom(10, *q.args).pmf(np.arange(11))
    for one in (predicted, both["obs"], given["obs"]):
        shares = np.bincount(np.asarray(one).sum(1).astype(int), minlength=11) / DRAWS
        np.testing.assert_array_less(
            np.abs(shares - exact), 5 * np.sqrt(exact * (1 - exact) / DRAWS) + 5 / DRAWS
        )


def test_figure_and_model_have_the_same_prior():
    bound = bind_model("coin", SPEC, tosses())
    a, b = load_module(str(FOLDER / "figures.py")).PRIOR
    at = np.linspace(0.05, 0.95, 7)
    found = predict_posterior(bound, {"latent_fairness": at}, Stream(1, ("coin",)))["log_prior"][
        "latent_fairness"
    ]
    np.testing.assert_allclose(found, scipy.stats.beta(a, b).logpdf(at), rtol=1e-10)
