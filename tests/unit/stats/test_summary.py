import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from conftest import ROOT

from posterity.stats.arviz_bridge import import_array_stats
from posterity.stats.summary import compute_interval, flatten_scalars, summarise_draws

RNG = np.random.default_rng(3)


def test_scalars_have_labels_and_a_limit():
    posterior = xr.Dataset(
        {
            "m": (("chain", "draw"), np.zeros((2, 5))),
            "v": (("chain", "draw", "star", "band"), RNG.normal(size=(2, 5, 3, 2))),
        }
    )
    labels, draws = flatten_scalars(posterior)
    assert labels == ["m", "v[0,0]", "v[0,1]", "v[1,0]", "v[1,1]", "v[2,0]", "v[2,1]"]
    np.testing.assert_array_equal(draws[4], posterior["v"][:, :, 1, 1])
    assert flatten_scalars(posterior, limit=2)[0] == ["m", "v[0,0]", "v[2,1]"]
    assert flatten_scalars(xr.Dataset())[0] == []


def test_summary_of_a_gaussian():
    draws = RNG.normal(5, 2, size=(4, 5000))
    row = summarise_draws(xr.Dataset({"x": (("chain", "draw"), draws)}), "eti", 0.9).sel(
        parameter="x"
    )
    assert abs(row["mean"] - 5) < 4 * row["mcse"]
    assert abs(row["mcse"] / (2 / np.sqrt(20000)) - 1) < 0.1
    assert abs(row["sd"] - 2) < 0.05
    np.testing.assert_allclose(row["interval"], [5 - 1.645 * 2, 5 + 1.645 * 2], atol=0.12)
    assert row["r_hat"] < 1.005
    assert abs(row["ess_bulk"] / 20000 - 1) < 0.1


def test_intervals():
    skewed = RNG.exponential(size=100_000)
    np.testing.assert_allclose(
        compute_interval(skewed, "eti", 0.9), [-np.log(0.95), -np.log(0.05)], atol=0.05
    )
    np.testing.assert_allclose(compute_interval(skewed, "hdi", 0.9), [0, -np.log(0.1)], atol=0.05)
    assert compute_interval(RNG.normal(size=(3, 1000)), "hdi", 0.5).shape == (3, 2)


@pytest.mark.parametrize("probability", [0.5, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("count", [1, 2, 10, 999, 1000])
def test_the_interval_of_highest_density_is_that_of_arviz(count, probability):
    for draws in (
        RNG.gamma(1.5, size=(2, 3, count)),
        RNG.poisson(3, size=(2, 3, count)),
        RNG.random((1, count)) < 0.3,
    ):
        np.testing.assert_array_equal(
            compute_interval(draws, "hdi", probability),
            import_array_stats().hdi(draws, probability, axis=-1),
        )


def test_numpyro_can_be_imported_after_arviz():
    program = f"import sys; sys.path.insert(0, {str(ROOT / 'workflow/lib')!r})\n"
    program += "import posterity.stats.summary, numpyro; numpyro.distributions.distribution.Unit"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("draws", [2, 3, 4])
def test_very_few_draws(draws):
    summary = summarise_draws(
        xr.Dataset({"x": (("chain", "draw"), RNG.normal(size=(1, draws)))}), "hdi", 0.9
    )
    assert summary.sizes["parameter"] == 1
