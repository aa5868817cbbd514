"""Posteriors that are known exactly, for tests of comparisons and their figures."""

import numpy as np
import xarray as xr
from scipy.stats import norm

from posterity.prediction.leave_one_out import LooInputs, make_loo_group

LEAD = ("chain", "draw")
Y = np.random.default_rng(5).normal(1, 1, size=120)


def make_predictive(y, density, sites=None, draws=None):
    """Return a predictive.nc in memory, with one site `y` or with scalar sites of these names."""
    shape = density.shape[:2]
    posterior = {
        "m": (LEAD, draws if draws is not None else np.random.default_rng(0).normal(size=shape))
    }
    if sites:
        observed = {site: ((), value) for site, value in zip(sites, y, strict=True)}
        density = {site: (LEAD, density[:, :, i]) for i, site in enumerate(sites)}
    else:
        observed = {"y": ("point", y)}
        density = {"y": ((*LEAD, "point")[: density.ndim], density)}
    groups = {"posterior": posterior, "log_likelihood": density, "observed_data": observed}
    datasets = {name: xr.Dataset(variables) for name, variables in groups.items()}
    datasets["loo"] = make_loo(datasets)
    return xr.DataTree.from_dict({f"/{name}": group for name, group in datasets.items()})


def make_loo(groups):
    """Return the group `loo` of the groups of a predictive.nc."""
    latent = {name: values.values for name, values in groups["posterior"].items()}
    inputs = LooInputs(groups["observed_data"], groups["log_likelihood"], xr.Dataset(), latent)
    return make_loo_group(inputs, np.random.default_rng(1))


def sample_conjugate(
    y, prior_mean=0.0, sd=1.0, prior_sd=3.0, seed=1, chains=4, draws=1000, sites=None
):
    """
    Return the exact posterior of a mean m ~ N(prior_mean, prior_sd) of y ~ N(m, sd).

    The second value is its exact elpd of leaving one out, by point.
    """

    def update(y):
        precision = 1 / prior_sd**2 + len(y) / sd**2
        return (prior_mean / prior_sd**2 + y.sum() / sd**2) / precision, precision**-0.5

    mean, spread = update(y)
    m = np.random.default_rng(seed).normal(mean, spread, size=(chains, draws))
    without = [update(np.delete(y, i)) for i in range(len(y))]
    exact = [norm.logpdf(y[i], mu, np.hypot(s, sd)) for i, (mu, s) in enumerate(without)]
    density = norm.logpdf(y, m[:, :, None], sd)
    return make_predictive(y, density, sites=sites, draws=m), np.array(exact)


def sample_gaussian(rng, mean=0.0, sd=1.0, chains=4, draws=1000, names=("a", "b")):
    """Return independent Gaussian draws of some sites."""
    return xr.Dataset({name: (LEAD, rng.normal(mean, sd, size=(chains, draws))) for name in names})
