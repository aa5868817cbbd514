import numpy as np
import pytest
import xarray as xr
from scipy.stats import multivariate_normal
from synthetic_fits import LEAD

from posterity.model.bind import bind_model
from posterity.prediction import leave_one_out
from posterity.prediction.leave_one_out import (
    LooInputs,
    flatten_points,
    make_loo_group,
    make_matcher,
)

SOURCE = """
import numpyro
import numpyro.distributions as dist

def model(x, y=None):
    m = numpyro.sample("m", dist.Normal(0, 2))
    c = numpyro.sample("c", dist.Uniform(-20, 20).expand([1]))
    group = (0 * x).astype(int)
    with numpyro.plate("point", len(x)):
        numpyro.sample("y", dist.Normal(m * x + c[group], 1), obs=y)
"""
N = 25
X = np.linspace(-1, 1, N)
DRAWS = 4000


@pytest.fixture(scope="module")
def outlier():
    """Data with an outlier, exact posterior draws of the line, and its exact log density."""
    rng = np.random.default_rng(1)
    y = X + 1 + rng.normal(size=N)
    y[3] += 15
    design = np.c_[X, np.ones(N)]
    precision = design.T @ design + np.diag([0.25, 0])  # the uniform prior is far wider
    covariance = np.linalg.inv(precision)
    draws = rng.multivariate_normal(covariance @ design.T @ y, covariance, size=DRAWS)
    # Exact: the point given all others
    others = np.delete(np.arange(N), 3)
    part = design[others]
    without = np.linalg.inv(part.T @ part + np.diag([0.25, 0]))
    mean = without @ part.T @ y[others]
    variance = 1 + design[3] @ without @ design[3]
    exact = multivariate_normal.logpdf(y[3], design[3] @ mean, variance)
    return y, {"m": draws[:, 0], "c": draws[:, 1]}, exact


def make_inputs(y, latent, **fields):
    mean = latent["m"][:, None] * X + latent["c"][:, None]
    likelihood = -0.5 * (y - mean) ** 2 - 0.5 * np.log(2 * np.pi)
    replicated = mean + np.random.default_rng(2).normal(size=mean.shape)
    shape = (4, DRAWS // 4, N)
    dims = (*LEAD, "point")
    return LooInputs(
        observed=xr.Dataset({"y": ("point", y)}),
        likelihood=xr.Dataset({"y": (dims, likelihood.reshape(shape))}),
        replicated=xr.Dataset({"y": (dims, replicated.reshape(shape))}),
        latent={name: values.reshape(4, -1) for name, values in latent.items()},
        **fields,
    )


def test_group_has_points_and_totals(outlier):
    y, latent, _ = outlier
    loo = make_loo_group(make_inputs(y, latent), np.random.default_rng(3))
    assert set(loo.data_vars) == {"elpd", "pareto_k", "pit", "p_loo"}
    assert loo.attrs["elpd"] == pytest.approx(float(loo["elpd"].sum()))
    assert loo.attrs["p_loo"] == pytest.approx(float(loo["p_loo"].sum()))
    assert (loo.attrs["parameters"], loo.attrs["points"], loo.attrs["draws"]) == (2, N, DRAWS)
    assert loo["pareto_k"].values.argmax() == 3
    assert loo.attrs["unmatched_bad"] == 1
    assert loo.attrs["matched"] == 0
    assert loo["pit"][3] > 0.95


def test_moment_matching_brings_the_outlier_to_the_exact_elpd(outlier, tmp_path):
    y, latent, exact = outlier
    file = tmp_path / "model.py"
    file.write_text(SOURCE)
    spec = {"function": "model", "arguments": {}, "dims": {}, "observed": None, "file": str(file)}
    data = xr.Dataset({"x": ("point", X), "y": ("point", y)})
    vectors = latent | {"c": latent["c"][:, None]}
    match = make_matcher(bind_model("m", spec, data), vectors, 4)
    loo = make_loo_group(make_inputs(y, latent, match=match), np.random.default_rng(3))
    assert loo.attrs["matched"] == 1
    assert loo["pareto_k"][3] < 0.7
    assert loo["elpd"][3] == pytest.approx(exact, abs=0.1)


def test_many_bad_points_are_not_matched(outlier, monkeypatch):
    y, latent, _ = outlier
    monkeypatch.setattr(leave_one_out, "MAX_MATCHED_POINTS", 0)
    inputs = make_inputs(y, latent, match=lambda point, good_k: (0.0, 0.0))
    assert make_loo_group(inputs, np.random.default_rng(3)).attrs["matched"] == 0


def test_close_approximation_is_not_corrected_and_a_far_one_has_a_reason(outlier):
    y, latent, _ = outlier
    equal = make_inputs(y, latent, log_ratio=np.zeros((4, DRAWS // 4)))
    loo = make_loo_group(equal, np.random.default_rng(3))
    plain = make_loo_group(make_inputs(y, latent), np.random.default_rng(3))
    np.testing.assert_allclose(loo["elpd"], plain["elpd"], atol=0.01)
    heavy = np.random.default_rng(4).standard_cauchy((4, DRAWS // 4))
    far = make_loo_group(make_inputs(y, latent, log_ratio=heavy), np.random.default_rng(3))
    assert "too far from the posterior" in far.attrs["reason"]
    lost = make_loo_group(
        make_inputs(y, latent, log_ratio=np.full((4, DRAWS // 4), -np.inf)),
        np.random.default_rng(3),
    )
    assert "no draw of the approximation" in lost.attrs["reason"]


def test_too_many_points_are_thinned_and_totals_scaled(outlier, monkeypatch):
    y, latent, _ = outlier
    monkeypatch.setattr(leave_one_out, "MAX_LOO_POINTS", 13)
    loo = make_loo_group(make_inputs(y, latent), np.random.default_rng(3))
    assert loo.sizes["point"] == 13
    assert loo.attrs["points"] == N
    assert loo.attrs["elpd"] == pytest.approx(float(loo["elpd"].sum()) * N / 13)


def test_sites_are_joined_in_their_order(outlier):
    y, latent, _ = outlier
    one = make_inputs(y, latent)
    inputs = LooInputs(
        observed=xr.Dataset({"b": ("point", y), "a": ((), 2.0)}),
        likelihood=one.likelihood.rename(y="b").assign(a=(LEAD, np.zeros((4, DRAWS // 4)))),
        replicated=xr.Dataset(),
        latent=one.latent,
    )
    observed, likelihood, replicated, sites = flatten_points(inputs)
    assert observed.tolist() == [*y, 2.0]
    assert likelihood.shape == replicated.shape == (DRAWS, N + 1)
    assert np.isnan(replicated).all()
    assert sites.tolist() == ["b"] * N + ["a"]


def test_reasons_are_stored_and_nothing_raises(outlier):
    y, latent, _ = outlier
    inputs = make_inputs(y, latent)
    rng = np.random.default_rng(3)
    joint = LooInputs(inputs.observed, inputs.likelihood.sum("point"), inputs.replicated, latent)
    assert "that of their joint distribution" in make_loo_group(joint, rng).attrs["reason"]
    nothing = LooInputs(xr.Dataset(), xr.Dataset(), xr.Dataset(), inputs.latent)
    assert make_loo_group(nothing, rng).attrs == {
        "reason": "the model observes nothing",
        "points": 0,
    }
    missing = LooInputs(inputs.observed, xr.Dataset(), xr.Dataset(), inputs.latent)
    assert "has no log-likelihood" in make_loo_group(missing, rng).attrs["reason"]
