"""
Compare black-body colours and temperatures with independent results.

The references for colours are 50-digit arithmetic and the published code, for temperatures
quadrature.
"""

from decimal import Decimal

import jax
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import ROOT, make_spec
from fifty_digits import colour_and_slope

from posterity.config.schema import complete_settings
from posterity.data.load import run_simulator
from posterity.inference.methods import nuts
from posterity.model.bind import bind_model
from posterity.python_files import load_module
from posterity.runtime.rng import Stream
from posterity.stats.arviz_bridge import import_array_stats

FOLDER = ROOT / "workflow/models/colour"
FILTERS = pd.read_csv(ROOT / "resources/speclite/decamDR1.csv")
BANDS = [FILTERS[name].to_numpy() for name in ("wavelength", "g", "r")]
blackbody = load_module(FOLDER / "blackbody.py")


@pytest.mark.parametrize("beta", [*np.logspace(-2, 0, 9), 0.003, 31.0, 5e6])
def test_colour_and_gradient_agree_with_50_digits(beta):
    for found, right in zip(
        blackbody.colours_and_slopes(np.array([beta]), *BANDS),
        colour_and_slope(beta, *BANDS),
        strict=True,
    ):
        right = float(right)
        assert abs(float(found[0]) - right) < 1e-12 * max(1.0, abs(right))


# Results of mpmath 1.3.0, which is not in the environment. The columns are:
# - beta
# - colour, with mp.dps = 50: log10(fsum(g / (lambda**2 * expm1(1 / (lambda * beta)))) / ...)
# - derivative of the colour by beta, with mp.dps = 90: diff(colour, beta, h=1e-25)
MPMATH = [
    (0.01, "-18.67246367406327152314869", "1840.120399139356714936202"),
    (0.05, "-3.84216192553976053286502", "74.24118314201956372875895"),
    (0.4, "-0.5187885003114698764837401", "1.276428199785022597386735"),
    (1.0, "-0.2271827168343213080600608", "0.1747898096172217814236358"),
]


@pytest.mark.parametrize(("beta", "colour", "slope"), MPMATH)
def test_the_50_digit_reference_agrees_with_mpmath(beta, colour, slope):
    for here, there in zip(colour_and_slope(beta, *BANDS), (colour, slope), strict=True):
        assert abs(here / Decimal(there) - 1) < Decimal("1e-19")


def test_colours_of_an_array_equal_those_of_single_values():
    """The number of values is not a multiple of the block size, so the last block is padded."""
    betas = np.logspace(-2, 0, 2 * blackbody.BLOCK + 3)
    values, slopes = blackbody.colours_and_slopes(betas, *BANDS)
    np.testing.assert_array_equal(values, blackbody.colours_and_slopes(betas, *BANDS)[0])
    np.testing.assert_allclose(values, blackbody.colours(betas, *BANDS), rtol=1e-14, atol=1e-14)
    one = jax.vmap(lambda beta: blackbody.colour(beta, *BANDS))
    np.testing.assert_allclose(values, one(betas), rtol=1e-13, atol=1e-14)
    by_reverse = jax.vmap(jax.grad(lambda beta: blackbody.colour(beta, *BANDS)))
    np.testing.assert_allclose(slopes, by_reverse(betas), rtol=1e-12)
    assert (np.diff(values) > 0).all() and (np.asarray(slopes) > 0).all()


def test_colours_agree_with_the_published_code():
    """The published NumPy code loses few digits by exp(x) - 1 at these temperatures."""
    LAM, g_fil, r_fil = BANDS
    betas = np.logspace(-2, 0, 20)
    out_numpy = np.zeros(len(betas))
    for i in range(len(betas)):
        beta = betas[i]
        bb_spec = 1 / LAM**2 * (np.exp(1 / LAM / beta) - 1) ** -1
        g_flux = (g_fil * bb_spec).sum()
        r_flux = (r_fil * bb_spec).sum()
        out_numpy[i] = np.log10(g_flux / r_flux)
    np.testing.assert_allclose(blackbody.colours(betas, *BANDS), out_numpy, rtol=1e-12, atol=1e-12)


TRUTH = {"temperature": [2500.0, 5772.0, 20000.0]}
DESIGN = {
    "filters": str(ROOT / "resources/speclite/decamDR1.csv"),
    "error": 0.02,
    "beta": [-2, 0.5, 20],
}


@pytest.fixture(scope="module")
def stars():
    return load_module(FOLDER / "simulate.py").simulate(np.random.default_rng(3), TRUTH, DESIGN)


def test_simulated_colours_agree_with_the_true_temperatures(stars):
    right = [
        float(colour_and_slope(kelvin / blackbody.KELVIN, *BANDS)[0])
        for kelvin in TRUTH["temperature"]
    ]
    assert (np.abs(stars["g_r"].values - right) < 5 * 0.02).all()
    again = load_module(FOLDER / "simulate.py").simulate(
        np.random.default_rng(3), TRUTH, DESIGN | {"error": 1e-9}
    )
    np.testing.assert_allclose(again["g_r"], right, atol=1e-8)


@pytest.mark.long
def test_temperatures_agree_with_quadrature(stars):
    """
    The stars are independent.

    The reference for each star sums a log-uniform prior times a Gaussian in the colour over a grid.
    """
    spec = make_spec(FOLDER / "model.py")
    bound = bind_model("colour", spec, stars)
    assert (bound.site_names("latent"), bound.site_names("observed")) == (["temperature"], ["g_r"])
    draws = nuts.fit(
        bound, complete_settings("nuts", warmup=1000, draws=4000), Stream(1, ("colour",))
    ).posterior["temperature"]
    grid = np.linspace(np.log(1500), np.log(50000), 20001)
    g_r = np.asarray(blackbody.colours(np.exp(grid) / blackbody.KELVIN, *BANDS))
    kelvin = np.exp(grid)
    for star, measured in enumerate(stars["g_r"].values):
        weight = np.exp(-0.5 * ((measured - g_r) / 0.02) ** 2)
        weight /= weight.sum()
        cumulated, mine = np.cumsum(weight), draws[..., star]
        mean = (weight * kelvin).sum()
        sd = np.sqrt((weight * (kelvin - mean) ** 2).sum())
        array = import_array_stats()
        assert abs(mine.mean() - mean) < 4.5 * float(array.mcse(mine[None], method="mean")[0])
        assert abs(mine.std() - sd) < 4.5 * float(array.mcse(mine[None], method="sd")[0])
        for probability in (0.05, 0.5, 0.95):
            error = float(array.mcse(mine[None], method="quantile", prob=probability)[0])
            right = kelvin[np.searchsorted(cumulated, probability)]
            assert abs(np.quantile(mine, probability) - right) < 4.5 * error + 1e-4 * right


def test_the_filters_agree_with_those_of_speclite():
    """
    The wavelengths are evenly spaced and the response is zero outside the band.

    The largest responses are those of the package's files.
    """
    np.testing.assert_allclose(np.diff(FILTERS["wavelength"]), 0.0005, rtol=1e-9)
    for name, low, high, largest in (
        ("g", 0.38, 0.565, 0.377563),
        ("r", 0.54, 0.735, 0.494758),
        ("i", 0.675, 0.87, 0.568131),
    ):
        outside = (FILTERS["wavelength"] <= low) | (FILTERS["wavelength"] >= high)
        assert (FILTERS[name][outside] == 0).all() and (FILTERS[name][~outside] > 0).all()
        assert FILTERS[name].max() == largest


def test_figures_use_the_constant_of_the_model_without_jax():
    figures = load_module(FOLDER / "figures.py")
    assert figures.KELVIN == blackbody.KELVIN and not hasattr(figures, "jax")


def test_the_truth_may_be_a_vector():
    spec = {"simulate": {"model": "colour", "truth": TRUTH, "design": DESIGN, "seed": 1}}
    values, truth = run_simulator(spec, {"file": str(FOLDER / "model.py")}, "float64", 1, "here")
    assert truth["temperature"].dims == ("temperature_dim_0",)
    assert truth["temperature"].values.tolist() == TRUTH["temperature"]
    assert isinstance(values, xr.Dataset)
