"""Models with known posteriors, and comparisons with them, which the tests of methods share."""

import importlib

import numpy as np
import scipy.stats
import xarray as xr

from posterity.config.schema import complete_settings
from posterity.runtime.rng import Stream
from posterity.stats.arviz_bridge import import_array_stats

# Monte Carlo errors that a comparison allows. With about 300 comparisons, one in 500 runs would
# fail if the seeds were not fixed.
SIGMAS = 4.5
KHAT_LIMITS = {"warn": 0.5, "fail": 0.7}

NORMAL = """
def model(y):
    mu = numpyro.sample("mu", dist.Normal(1, 2))
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", dist.Normal(mu, 1.5), obs=y)
"""
COIN = """
def model(y):
    p = numpyro.sample("p", dist.Beta(2, 3))
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", dist.Bernoulli(p), obs=y)
"""
COUNTS = """
def model(y):
    rate = numpyro.sample("rate", dist.Gamma(2, 0.5))
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", dist.Poisson(rate), obs=y)
"""
Y = np.array([0.3, 2.5, 1.1, 3.0, 2.2])
TOSSES = np.array([1, 0, 1, 1, 0, 1, 1])
NUMBERS = np.array([3, 5, 2, 4])
HEADS = TOSSES.sum()
PRECISION = 1 / 4 + len(Y) / 2.25
MEAN = (1 / 4 + Y.sum() / 2.25) / PRECISION
NORMAL_POSTERIOR = scipy.stats.norm(MEAN, PRECISION**-0.5)
COIN_POSTERIOR = scipy.stats.beta(2 + HEADS, 3 + len(TOSSES) - HEADS)
COUNTS_POSTERIOR = scipy.stats.gamma(2 + NUMBERS.sum(), scale=1 / (0.5 + len(NUMBERS)))
# The model, its data, the name of its site, and the posterior of it.
CONJUGATE_MODELS = {
    "normal": (NORMAL, Y, "mu", NORMAL_POSTERIOR),
    "coin": (COIN, TOSSES, "p", COIN_POSTERIOR),
    "counts": (COUNTS, NUMBERS, "rate", COUNTS_POSTERIOR),
}
GAUSSIAN = """
def model():
    n = SIZE
    place = jnp.arange(n)
    distance = jnp.abs(place[:, None] - place[None, :])
    covariance = 0.9 ** distance * (1 + place[:, None]) * (1 + place[None, :])
    numpyro.sample("x", dist.MultivariateNormal(place * 1.0, covariance))
"""
FUNNEL = """
def model():
    v = numpyro.sample("v", dist.Normal(0, 3))
    with numpyro.plate("place", 9):
        numpyro.sample("x", dist.Normal(0, jnp.exp(v / 2)))
"""
BANANA = """
def model():
    a = numpyro.sample("a", dist.Normal(0, 1))
    numpyro.sample("b", dist.Normal(a**2, 0.5))
"""
SCHOOLS = """
def model(y, sigma):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", 8):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)
"""
# The mean of y is on a straight line; the posterior of b is Gaussian.
CONJUGATE_LINE = """
def model(x, y=None):
    b = numpyro.sample("b", dist.Normal(jnp.zeros(2), 10.0).to_event(1))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Normal(b[0] + b[1] * x, 0.5), obs=y)
"""
LINE_X = np.linspace(0, 3, 25)
LINE_Y = 2 * LINE_X + 1 + 0.5 * np.random.default_rng(7).normal(size=25)
LINE_DATA = xr.Dataset({"x": ("row", LINE_X), "y": ("row", LINE_Y)})
WIDE_COIN = """
def model(data):
    f = numpyro.sample("f", dist.Beta(10, 10))
    with numpyro.plate("row", data.shape[0]):
        numpyro.sample("obs", dist.Bernoulli(f), obs=data)
"""
WIDE_COIN_DATA = xr.Dataset({"data": ("row", np.array([1] * 6 + [0] * 4))})
# Indexed data, so that the likelihood can be computed on a subsample.
SUBSAMPLED_LINE = """
def model(x, y):
    m = numpyro.sample("m", dist.Normal(0, 10))
    c = numpyro.sample("c", dist.Normal(0, 10))
    with numpyro.plate("row", len(x)) as i:
        numpyro.sample("y", dist.Normal(m * x[i] + c, 0.5), obs=y[i])
"""
NO_FINITE_DENSITY = """
def model(y):
    a = numpyro.sample("a", dist.Uniform(0, 1))
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", dist.Uniform(a, a + 1), obs=y)
"""
NO_FINITE_GRADIENT = """
def model(y):
    a = numpyro.sample("a", dist.Normal(0, 1))
    b = numpyro.sample("b", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(a + jnp.sqrt((b - b) ** 2), 1), obs=y)
"""
FAR_DATA = xr.Dataset({"y": ("row", [5.0, 6.0])})
MIXTURE = """
def model(y=None):
    p = numpyro.sample("p", dist.Beta(2, 2))
    with numpyro.plate("row", 30):
        k = numpyro.sample("k", dist.Bernoulli(p))
        centre = numpyro.deterministic("centre", jnp.where(k == 1, 2.0, -1.0))
        numpyro.sample("y", dist.Normal(centre, 1.0), obs=y)
"""
SAMPLERS = {
    "nuts": complete_settings("nuts", warmup=500, draws=2000),
    "hmc": complete_settings("hmc", warmup=500, draws=2000, trajectory_length=1.5),
    "barker": complete_settings("barker", warmup=2000, draws=10000),
    "sa": complete_settings("sa", warmup=10000, draws=20000),
    "aies": complete_settings("aies", chains=20, warmup=1000, draws=3000),
    "ess": complete_settings("ess", chains=20, warmup=1000, draws=2000),
    "chees": complete_settings("chees"),
}


def run(bound, settings, *path):
    """Fit a bound model by the method of its settings."""
    method = importlib.import_module(f"posterity.inference.methods.{settings['method']}")
    return method.fit(bound, settings, Stream(1, path or ("test",)))


def compare(draws, exact, quantiles=(0.05, 0.5, 0.95)):
    """Assert that mean, sd and quantiles of draws, shape (chain, draw), are those of `exact`."""
    array = import_array_stats()
    error = float(array.mcse(draws[None], method="mean")[0])
    assert abs(draws.mean() - exact.mean()) < SIGMAS * error, (draws.mean(), exact.mean(), error)
    error = float(array.mcse(draws[None], method="sd")[0])
    assert abs(draws.std() - exact.std()) < SIGMAS * error, (draws.std(), exact.std(), error)
    for probability in quantiles:
        error = float(array.mcse(draws[None], method="quantile", prob=probability)[0])
        difference = np.quantile(draws, probability) - exact.ppf(probability)
        assert abs(difference) < SIGMAS * error, (probability, difference, error)


def compare_conjugate(bind_source, settings, name):
    """Assert that a sampler draws from a conjugate posterior, and ends after all draws."""
    source, data, site, exact = CONJUGATE_MODELS[name]
    result = run(bind_source(source, y=data), settings, settings["method"], site)
    compare(result.posterior[site], exact)
    assert result.stopped == "draws"
    assert result.warmup == settings["warmup"]


def compare_gaussian(bind_source, settings, size):
    """Assert that a sampler draws from a correlated Gaussian of this many dimensions."""
    draws = run(bind_source(GAUSSIAN.replace("SIZE", str(size))), settings).posterior["x"]
    for place in {0, size // 2, size - 1}:
        compare(draws[..., place], scipy.stats.norm(place, 1 + place))
    # The sum of two neighbours depends on their correlation.
    compare(draws[..., 0] + draws[..., 1], scipy.stats.norm(1, np.sqrt(1 + 4 + 2 * 0.9 * 2)))


def compare_banana(bind_source, settings):
    """Assert that a sampler draws from the banana: b is a squared normal plus a normal."""
    draws = run(bind_source(BANANA), settings).posterior
    compare(draws["a"], scipy.stats.norm(0, 1))
    compare(draws["b"] - draws["a"] ** 2, scipy.stats.norm(0, 0.5))
    error = float(import_array_stats().mcse(draws["b"][None], method="mean")[0])
    assert abs(draws["b"].mean() - 1) < SIGMAS * error


def compare_weighted(bind_source, settings, name):
    """Assert that an approximation has a conjugate posterior after resampling by its weights."""
    source, data, site, exact = CONJUGATE_MODELS[name]
    result = run(bind_source(source, y=data), settings, settings["method"], site)
    compare(result.posterior[site], exact)
    assert result.weighted[site].shape[:2] == result.log_weights.shape


def compare_normal(bind_source, settings):
    """Assert that an approximation has the Gaussian posterior, which is in its family."""
    result = run(bind_source(NORMAL, y=Y), settings, settings["method"])
    draws = result.posterior["mu"]
    assert draws.shape == (1, 4000)
    compare(draws, NORMAL_POSTERIOR)


def compute_line_posterior():
    """Return mean and covariance of the posterior of `CONJUGATE_LINE`."""
    design = np.stack([np.ones_like(LINE_X), LINE_X], axis=1)
    covariance = np.linalg.inv(design.T @ design / 0.25 + np.eye(2) / 100)
    return covariance @ design.T @ LINE_Y / 0.25, covariance


def get_statistics(result):
    """Return the statistics of a result as a Dataset."""
    return xr.Dataset(
        {name: (("chain", "draw"), values) for name, values in result.statistics.items()}
    )
