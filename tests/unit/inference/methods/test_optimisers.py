"""Methods of fitting against exact answers."""

import importlib

import numpy as np
import pytest
import xarray as xr

from posterity.config.schema import complete_settings
from posterity.diagnostics.approximation import (
    check_elbo_convergence,
    check_optimum,
    check_pareto_k,
)
from posterity.diagnostics.prior_sensitivity import check_sensitivity, measure_sensitivity
from posterity.errors import UserError
from posterity.inference.methods import map, svi
from posterity.model.bind import bind_model
from posterity.model.dependencies import list_top_level_sites
from posterity.prediction.predict import make_draws_dataset, predict_posterior
from posterity.runtime.rng import Stream

SPEC = {"function": "model", "arguments": {}, "dims": {}, "observed": None, "figures": []}
HEADER = "import jax.numpy as jnp, numpyro\nimport numpyro.distributions as dist\n\n"
SVI = complete_settings("svi", steps=4000, step_size=0.05, restarts=20)
MAP = complete_settings("map", restarts=8, steps=500)
RNG = np.random.default_rng(7)
X = np.linspace(0, 3, 25)
LINE = xr.Dataset({"x": ("row", X), "y": ("row", 2 * X + 1 + 0.5 * RNG.normal(size=25))})


@pytest.fixture
def bound(tmp_path):
    def bind(source, data):
        file = tmp_path / "model.py"
        file.write_text(HEADER + source)
        return bind_model("m", SPEC | {"file": str(file)}, data)

    return bind


CONJUGATE = """
def model(x, y=None):
    b = numpyro.sample("b", dist.Normal(jnp.zeros(2), 10.0).to_event(1))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Normal(b[0] + b[1] * x, 0.5), obs=y)
"""


def exact_line():
    """Mean and covariance of the conjugate posterior of `CONJUGATE`."""
    design = np.stack([np.ones_like(X), X], axis=1)
    covariance = np.linalg.inv(design.T @ design / 0.25 + np.eye(2) / 100)
    return covariance @ design.T @ LINE["y"].values / 0.25, covariance


COIN = """
def model(data):
    f = numpyro.sample("f", dist.Beta(10, 10))
    with numpyro.plate("row", data.shape[0]):
        numpyro.sample("obs", dist.Bernoulli(f), obs=data)
"""
TOSSES = xr.Dataset({"data": ("row", np.array([1] * 6 + [0] * 4))})


def test_svi_finds_a_gaussian_posterior(bound):
    """The guide can be exact, and then k-hat is small, the loss is minus the log evidence, and the moments are right."""
    result = svi.fit(bound(CONJUGATE, LINE), SVI, Stream(1, ("a",)))
    mean, covariance = exact_line()
    draws = result.posterior["b"][0]
    sd = np.sqrt(np.diag(covariance))
    assert result.sampling == "independent"
    assert draws.shape == (4000, 2)
    assert np.all(np.abs(draws.mean(0) - mean) < 5 * sd / np.sqrt(4000) + 0.03 * sd)
    np.testing.assert_allclose(np.cov(draws.T), covariance, rtol=0.15)
    statistics = xr.Dataset(
        {name: (("chain", "draw"), values) for name, values in result.statistics.items()}
    )
    assert check_pareto_k(statistics, {"warn": 0.5, "fail": 0.7}).status == "pass"
    assert check_elbo_convergence(result.optimisation, 0.1).status == "pass"
    marginal = 0.25 * np.eye(25) + 100 * (1 + np.outer(X, X))
    residual = LINE["y"].values
    log_evidence = -0.5 * (
        residual @ np.linalg.solve(marginal, residual) + np.linalg.slogdet(2 * np.pi * marginal)[1]
    )
    assert abs(result.optimisation["loss"].values[-200:].mean() + log_evidence) < 0.05


@pytest.mark.long
@pytest.mark.parametrize(
    ("guide", "settings"), [("AutoNormal", {}), ("AutoLowRankMultivariateNormal", {})]
)
def test_the_guides_hit_the_conjugate_coin(bound, guide, settings):
    result = svi.fit(
        bound(COIN, TOSSES), SVI | settings | {"guide": guide}, Stream(1, ("coin", guide))
    )
    draws = result.posterior["f"][0]
    exact = 16 / 30, np.sqrt(16 * 14 / (30**2 * 31))
    assert abs(draws.mean() - exact[0]) < 0.1 * exact[1]
    assert abs(draws.std() / exact[1] - 1) < 0.1


@pytest.mark.long
def test_a_flow_comes_closer_than_a_gaussian(bound):
    """A curved posterior: the mean of y is the product of two numbers."""
    source = """
def model(y):
    a = numpyro.sample("a", dist.LogNormal(0, 0.7))
    b = numpyro.sample("b", dist.LogNormal(0, 0.7))
    numpyro.sample("y", dist.Normal(a * b, 0.3), obs=y)
"""
    one = bound(source, xr.Dataset({"y": ((), 1.5)}))
    losses = {}
    for guide, size in (
        ("AutoNormal", 0.05),
        ("AutoMultivariateNormal", 0.05),
        ("AutoBNAFNormal", 0.02),
    ):
        result = svi.fit(
            one, SVI | {"guide": guide, "step_size": size}, Stream(1, ("product", guide))
        )
        losses[guide] = result.optimisation["loss"].values[-500:].mean()
    assert (
        losses["AutoNormal"]
        > losses["AutoMultivariateNormal"] + 0.1
        > losses["AutoBNAFNormal"] + 0.1
    )


def test_a_flow_of_one_number_is_refused(bound):
    with pytest.raises(UserError, match="AutoIAFNormal needs two latent numbers"):
        svi.fit(bound(COIN, TOSSES), SVI | {"guide": "AutoIAFNormal"}, Stream(1, ("coin",)))


def test_svi_that_has_not_converged_is_caught(bound):
    """The settings of the page that the coin comes from: Adam with 5e-5 for 2,000 steps cannot move."""
    page = SVI | {
        "steps": 2000,
        "step_size": 5e-5,
        "schedule": "constant",
        "particles": 1,
        "restarts": 1,
        "init": "uniform",
    }
    wide = COIN.replace("Beta(10, 10)", "Beta(1, 1)")
    data = xr.Dataset({"data": ("row", np.repeat([1, 0], [450, 50]))})
    result = svi.fit(bound(wide, data), page, Stream(1, ("coin",)))
    statistics = xr.Dataset(
        {name: (("chain", "draw"), values) for name, values in result.statistics.items()}
    )
    assert "fail" in {
        check_pareto_k(statistics, 0.7).status,
        check_elbo_convergence(result.optimisation, 0.1).status,
    }


def test_svi_that_runs_away_is_told(bound):
    with pytest.raises(UserError, match="the loss is not finite from step"):
        svi.fit(
            bound(CONJUGATE, LINE),
            SVI | {"step_size": 1e5, "schedule": "constant", "steps": 500},
            Stream(1, ("away",)),
        )


def test_the_check_of_the_loss_sees_a_fall_and_forgives_noise():
    rng = np.random.default_rng(3)
    size = xr.DataArray(np.full(5000, 0.1), dims="step")
    still = [10 + rng.normal(0, 0.5, 5000) for _ in range(200)]
    statuses = [
        check_elbo_convergence(xr.Dataset({"loss": ("step", loss), "step_size": size}), 0.1).status
        for loss in still
    ]
    assert set(statuses) == {"pass"}
    falling = still[0] - np.linspace(0, 5, 5000)
    assert (
        check_elbo_convergence(
            xr.Dataset({"loss": ("step", falling), "step_size": size}), 0.1
        ).status
        == "fail"
    )
    rising = still[0] + np.linspace(0, 5, 5000)
    found = check_elbo_convergence(xr.Dataset({"loss": ("step", rising), "step_size": size}), 0.1)
    assert found.status == "fail"
    assert "smaller step_size" in found.message
    broken = np.where(np.arange(5000) > 3000, np.nan, still[0])
    assert (
        check_elbo_convergence(
            xr.Dataset({"loss": ("step", broken), "step_size": size}), 0.1
        ).status
        == "fail"
    )


def test_map_is_the_maximum_of_the_density_of_the_parameters(bound):
    """No Jacobian: the mode of a Beta posterior, and that of a Gaussian one."""
    result = map.fit(bound(COIN, TOSSES), MAP, Stream(1, ("coin",)))
    assert result.sampling == "point"
    assert not result.posterior
    assert result.point["f"] == pytest.approx(15 / 28, abs=1e-6)
    mean, _ = exact_line()
    result = map.fit(bound(CONJUGATE, LINE), MAP, Stream(1, ("line",)))
    np.testing.assert_allclose(result.point["b"], mean, rtol=1e-6)
    assert check_optimum(result.optimisation, {"warn": 2}).status == "pass"


def test_map_comes_to_rest_whatever_the_size_of_the_density(bound):
    """Error bars that are much too small make a density of -1e7, beside which a weak parameter must not be forgotten."""
    source = """
def model(x, z, y):
    b = numpyro.sample("b", dist.Normal(0, 10))
    m = numpyro.sample("m", dist.Normal(0, 1))
    numpyro.sample("z", dist.Normal(m, 1), obs=z)
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Normal(b * x, 0.003), obs=y)
"""
    x = np.linspace(1, 2, 1000)
    data = xr.Dataset(
        {
            "x": ("row", x),
            "y": ("row", 2 * x + np.random.default_rng(1).normal(0, 0.5, 1000)),
            "z": 2.0,
        }
    )
    result = map.fit(bound(source, data), MAP, Stream(1, ("weak",)))
    assert result.optimisation["log_density"].values.max() < -1e7
    assert result.point["m"] == pytest.approx(1.0, abs=1e-3)
    assert check_optimum(result.optimisation, {"warn": 2}).status == "pass"


def test_map_of_several_maxima_is_the_highest(bound):
    source = """
def model(y):
    a = numpyro.sample("a", dist.Uniform(-10, 10))
    numpyro.deterministic("twice", 2 * a)
    mixture = dist.MixtureSameFamily(dist.Categorical(jnp.array([0.3, 0.7])), dist.Normal(jnp.stack([a + 4, a - 4]), 0.5))
    numpyro.sample("y", mixture, obs=y)
"""
    result = map.fit(
        bound(source, xr.Dataset({"y": ((), 0.0)})), MAP | {"restarts": 16}, Stream(1, ("two",))
    )
    assert result.point["a"] == pytest.approx(4, abs=1e-4)
    assert result.point["twice"] == pytest.approx(8, abs=1e-3)
    reached = result.optimisation["log_density"].values
    assert np.ptp(reached) > 0.5, "both maxima are found from some starts"


def test_an_optimum_that_is_none_fails():
    optimisation = xr.Dataset(
        {
            "log_density": ("start", [-5.0, -3.0]),
            "rise": ("start", [0.0, 2.0]),
            "gradient": ("start", [0.0, 0.0]),
            "steps": ("start", [3, 9]),
        }
    )
    assert check_optimum(optimisation, {"warn": 2}).status == "fail"
    optimisation["rise"][1] = 1e-9
    assert check_optimum(optimisation, {"warn": 2}).status == "warn"
    optimisation["log_density"][0] = -3.001
    assert check_optimum(optimisation, {"warn": 2}).status == "pass"


@pytest.mark.parametrize(("method", "settings"), [(svi, SVI), (map, MAP)])
def test_a_density_that_is_nowhere_finite_is_told_with_the_site(bound, method, settings):
    source = """
def model(y):
    a = numpyro.sample("a", dist.Uniform(0, 1))
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", dist.Uniform(a, a + 1), obs=y)
"""
    with pytest.raises(UserError, match=r"not finite at any start.*site 'y' is finite in 0 of 100"):
        method.fit(
            bound(source, xr.Dataset({"y": ("row", [5.0, 6.0])})), settings, Stream(1, ("a",))
        )


@pytest.mark.parametrize("method", ["nuts", pytest.param("svi", marks=pytest.mark.long), "map"])
def test_a_gradient_that_is_nowhere_finite_is_told_with_the_site(bound, method):
    source = """
def model(y):
    a = numpyro.sample("a", dist.Normal(0, 1))
    b = numpyro.sample("b", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(a + jnp.sqrt((b - b) ** 2), 1), obs=y)
"""
    one, fit = (
        bound(source, xr.Dataset({"y": ("row", [5.0, 6.0])})),
        importlib.import_module(f"posterity.inference.methods.{method}").fit,
    )
    with pytest.raises(UserError, match="no finite gradient in 'b', at none of 100 draws"):
        fit(one, complete_settings(method), Stream(1, ("a",)))


def test_an_improper_prior_has_no_draws_but_all_else(bound):
    """Flat in the mean and known errors: the posterior is N(mean, sd / sqrt(n)), for svi and map as well."""
    source = """
from numpyro.distributions import constraints
def model(y):
    mu = numpyro.sample("mu", dist.ImproperUniform(constraints.real, (), ()))
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", dist.Normal(mu, 2.0), obs=y)
"""
    y = np.array([1.0, 2.0, 6.0])
    one = bound(source, xr.Dataset({"y": ("row", y)}))
    assert one.improper_sites == ["mu"]
    assert map.fit(one, MAP, Stream(1, ("a",))).point["mu"] == pytest.approx(3)
    values = predict_posterior(one, {"mu": np.array([3.0, 4.0])}, Stream(1))
    assert values["log_prior"]["mu"].tolist() == [0, 0]
    assert list_top_level_sites(one) == ["mu"]


def datasets(result, one, values):
    return (
        one.to_dataset(result, ("chain", "draw"), xr.Dataset()),
        *(
            make_draws_dataset(one, values[group], 4, xr.Dataset())
            for group in ("log_prior", "log_likelihood")
        ),
    )


def test_sensitivity_is_arvizs_and_sees_a_strong_prior(bound):
    """A prior that says as much as the data moves the mean; one that is wide does not; a flat one is n/a."""
    import arviz_stats

    rng = np.random.default_rng(5)
    y = xr.Dataset({"y": ("row", rng.normal(3, 1, 10))})
    source = "\ndef model(y):\n    mu = numpyro.sample('mu', PRIOR)\n    with numpyro.plate('row', 10):\n        numpyro.sample('y', dist.Normal(mu, 1), obs=y)\n"
    found = {}
    for name, prior, precision in (
        ("strong", "dist.Normal(0, 0.3)", 1 / 0.09),
        ("wide", "dist.Normal(0, 100)", 1e-4),
        ("flat", "dist.Uniform(-50, 50)", 0),
    ):
        one = bound(source.replace("PRIOR", prior), y)
        variance = 1 / (10 + precision)
        draws = variance * y["y"].values.sum() + np.sqrt(variance) * rng.normal(size=(4, 1000))
        values = predict_posterior(one, {"mu": draws.reshape(-1)}, Stream(1))
        posterior, log_prior, log_likelihood = datasets({"mu": draws}, one, values)
        found[name] = measure_sensitivity(posterior, log_prior, log_likelihood, 100)
        if name != "flat":
            tree = xr.DataTree.from_dict(
                {"posterior": posterior, "log_prior": log_prior, "log_likelihood": log_likelihood}
            )
            table = arviz_stats.psense_summary(tree, round_to=12)
            assert float(found[name]["prior"][0]) == pytest.approx(
                table.loc["mu", "prior"], rel=1e-6
            )
            assert float(found[name]["likelihood"][0]) == pytest.approx(
                table.loc["mu", "likelihood"], rel=1e-6
            )
    status = {
        name: check_sensitivity(values, {"warn": 0.05}).status for name, values in found.items()
    }
    assert status == {"strong": "warn", "wide": "pass", "flat": "n/a"}


def test_a_model_of_large_sites_alone_has_no_sensitivity():
    found = measure_sensitivity(xr.Dataset(), xr.Dataset(), xr.Dataset(), 100)
    assert found.sizes["parameter"] == 0
    assert check_sensitivity(found, 0.05).status == "n/a"
