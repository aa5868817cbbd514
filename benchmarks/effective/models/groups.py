"""A line for each of 200 groups of 10 points, hierarchical: 405 latent values."""

import numpy as np
import numpyro
import numpyro.distributions as dist


def data():
    """Simulate the data."""
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(200), 10)
    x = rng.uniform(-2, 2, size=2000)
    slope = 1 + 0.5 * rng.normal(size=200)
    offset = 2 * rng.normal(size=200)
    return {
        "x": x,
        "group": group,
        "y": slope[group] * x + offset[group] + 0.5 * rng.normal(size=2000),
    }


def model(x, group, y=None):
    """Model the points."""
    mean = numpyro.sample("mean", dist.Normal(0, 5).expand([2]).to_event(1))
    sd = numpyro.sample("sd", dist.HalfNormal(2).expand([2]).to_event(1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1))
    with numpyro.plate("groups", 200):
        slope = numpyro.sample("slope", dist.Normal(mean[0], sd[0]))
        offset = numpyro.sample("offset", dist.Normal(mean[1], sd[1]))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Normal(slope[group] * x + offset[group], sigma), obs=y)


def in_pymc(pm, x, group, y):
    """Define the same model in PyMC."""
    mean = pm.Normal("mean", 0, 5, shape=2)
    sd = pm.HalfNormal("sd", 2, shape=2)
    sigma = pm.HalfNormal("sigma", 1)
    slope = pm.Normal("slope", mean[0], sd[0], shape=200)
    offset = pm.Normal("offset", mean[1], sd[1], shape=200)
    pm.Normal("y", slope[group] * x + offset[group], sigma, observed=y)
