"""
Fit a straight line by the code of the tutorial that the study `line` repeats.

The source is H. McDougall, "Getting Started with NumPyro". Added are the 4 chains of the fit
`nuts`, float64 as in Posterity, and ArviZ, which saves the draws.

    python seed_line.py <output.nc>
"""

import sys

import arviz
import jax
import numpy as np
import numpyro

numpyro.enable_x64()
numpyro.set_platform("cpu")

m_true, c_true = 2, 3.5
ebar, escatter = 1.5, 10
np.random.seed(123)  # noqa: NPY002 - the tutorial's generator
X = np.linspace(0, 10, 32)
E = np.random.poisson(lam=escatter, size=len(X)) / escatter * ebar  # noqa: NPY002
Y = m_true * X + c_true + E * np.random.normal(size=len(X))  # noqa: NPY002


def model(X, Y, E):
    m = numpyro.sample("m", numpyro.distributions.Uniform(-5, 5))
    c = numpyro.sample("c", numpyro.distributions.Uniform(-10, 10))
    with numpyro.plate("data", len(X)):
        y_model = m * X + c
        numpyro.sample("y", numpyro.distributions.Normal(y_model, E), obs=Y)


sampler = numpyro.infer.MCMC(
    numpyro.infer.NUTS(model), num_chains=4, num_samples=5000, num_warmup=500, progress_bar=False
)
sampler.run(
    jax.random.PRNGKey(1),
    X,
    Y,
    E,
    extra_fields=(
        "energy",
        "num_steps",
        "accept_prob",
        "potential_energy",
        "adapt_state.step_size",
    ),
)
arviz.from_numpyro(sampler).to_netcdf(sys.argv[1])
