import numpy as np
import pytest
import xarray as xr

from posterity.model.bind import bind_model
from posterity.prediction import groups as groups_module
from posterity.prediction.groups import predict_groups, select_fit_draws
from posterity.runtime.rng import Stream

SOURCE = """
import numpyro
import numpyro.distributions as dist

def model(x, y=None):
    m = numpyro.sample("m", dist.Normal(0, 2))
    c = numpyro.sample("c", dist.Normal(0, 2))
    mu = numpyro.deterministic("mu", m * x + c)
    with numpyro.plate("point", len(x)):
        numpyro.sample("y", dist.Normal(mu, 0.5), obs=y)
"""
DATA = xr.Dataset({"x": ("point", [1.0, 2.0, 3.0]), "y": ("point", [2.0, 4.0, 7.0])})
STREAM = Stream(1, ("study", "m", "fit", "predict"))


def make_site(numbers, role="latent"):
    values = np.array([numbers, 100 + numbers], float) / 100
    coords = {"chain": [0, 1], "draw": numbers}
    return xr.DataArray(values, coords, ("chain", "draw"), attrs={"role": role})


@pytest.fixture
def fit():
    every = np.arange(20)
    return xr.DataTree.from_dict(
        {
            "/posterior": xr.Dataset({"m": make_site(every)}),
            "/posterior_thinned_2": xr.Dataset({"c": make_site(every[::2])}),
            "/sample_stats": xr.Dataset({"lp": make_site(every)}),
        }
    )


@pytest.fixture
def spec(tmp_path):
    file = tmp_path / "model.py"
    file.write_text(SOURCE)
    return {"function": "model", "arguments": {}, "dims": {}, "observed": None, "file": str(file)}


@pytest.fixture
def predict(spec, fit):
    def run(**settings):
        settings = {"draws": 8} | settings
        return predict_groups("m", spec, DATA, fit, settings, STREAM, "here")

    return run


def test_draws_are_thinned_evenly_from_those_of_all_latent_sites(spec, fit):
    draws = select_fit_draws(fit, bind_model("m", spec, DATA), 8)
    assert draws.thin == 3
    assert draws.chains == 2
    assert draws.numbers.tolist() == [0, 6, 12, 18]
    np.testing.assert_allclose(draws.latent["m"][:4], [0, 0.06, 0.12, 0.18])
    np.testing.assert_allclose(draws.latent["c"][4:], [1, 1.06, 1.12, 1.18])


def test_few_draws_are_not_thinned(spec, fit):
    assert select_fit_draws(fit, bind_model("m", spec, DATA), 1000).thin == 1


def test_all_groups_have_the_chosen_draws(predict):
    groups, attributes = predict()
    assert attributes == {"thin": 3, "factors": ""}
    expected = {"posterior_predictive", "log_likelihood", "log_prior", "test_statistics"}
    without_draws = {"observed_data", "constant_data", "prior_conflict", "loo"}
    expected |= without_draws | {"posterior", "sample_stats"}
    assert set(groups) == expected
    for name in expected - without_draws:
        assert groups[name].sizes["chain"] == 2
        assert groups[name].sizes["draw"] == 4


def test_sites_of_the_posterior_are_copied(predict):
    posterior = predict()[0]["posterior"]
    assert set(posterior.data_vars) == {"m", "c"}
    np.testing.assert_allclose(posterior["c"][0], [0, 0.06, 0.12, 0.18])
    assert posterior["draw"].values.tolist() == [0, 1, 2, 3]


def test_large_sites_of_the_posterior_are_not_copied(predict, fit, monkeypatch):
    monkeypatch.setattr(groups_module, "MAX_COPIED_SCALARS", 2)
    vector = make_site(np.arange(20)).expand_dims(k=3, axis=2)
    fit["posterior"] = fit["posterior"].to_dataset().assign(big=vector)
    assert set(predict()[0]["posterior"].data_vars) == {"m", "c"}


def test_densities_are_described(predict):
    groups, _ = predict()
    assert groups["log_likelihood"]["y"].attrs == {"long_name": "log likelihood of y", "units": ""}
    assert groups["log_prior"]["m"].attrs == {"long_name": "log prior density of m", "units": ""}


def test_statistics_of_predictions_and_data_are_those_of_the_same_draw(predict):
    groups, _ = predict()
    statistics = groups["test_statistics"]
    assert statistics["y_statistic"].values.tolist() == ["sum of r²"]  # of three points
    for name, values in (
        ("replicated", groups["posterior_predictive"]["y"]),
        ("realised", DATA["y"]),
    ):
        residuals = (values - groups["posterior"]["m"] * DATA["x"] - groups["posterior"]["c"]) / 0.5
        expected = (residuals**2).mean("point")
        np.testing.assert_allclose(statistics[f"y_{name}"].isel(y_statistic=0), expected)


def test_predictions_at_new_covariates_are_added(predict):
    groups, _ = predict(at={"x": [5.0]})
    predictions = groups["predictions"]
    assert predictions["mu"].shape == (2, 4, 1)
    expected = 5 * groups["posterior"]["m"] + groups["posterior"]["c"]
    np.testing.assert_allclose(predictions["mu"][..., 0], expected)
    assert predictions.attrs["resampled_sites"] == ""
    assert groups["predictions_constant_data"]["x"].values.tolist() == [5]


def test_new_covariates_do_not_change_other_groups(predict):
    plain, _ = predict()
    with_new, _ = predict(at={"x": [5.0]})
    for name, group in plain.items():
        xr.testing.assert_identical(group, with_new[name])
