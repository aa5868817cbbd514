"""Logistic regression, 1,000 rows and 20 covariates: 21 latent values."""

import numpy as np
import numpyro
import numpyro.distributions as dist


def data():
    """Simulate the data."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(1000, 20))
    probability = 1 / (1 + np.exp(-(0.5 + x @ rng.normal(size=20) * 0.5)))
    return {"x": x, "y": (rng.random(1000) < probability).astype(int)}


def model(x, y=None):
    """Model the outcomes."""
    a = numpyro.sample("a", dist.Normal(0, 1))
    b = numpyro.sample("b", dist.Normal(0, 1).expand([x.shape[1]]).to_event(1))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Bernoulli(logits=a + x @ b), obs=y)


def in_pymc(pm, x, y):
    """Define the same model in PyMC."""
    a = pm.Normal("a", 0, 1)
    b = pm.Normal("b", 0, 1, shape=x.shape[1])
    pm.Bernoulli("y", logit_p=a + pm.math.dot(x, b), observed=y)
