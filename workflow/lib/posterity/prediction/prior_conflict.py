"""
Measure conflicts of prior and data: a posterior in the prior's tails, or pressed to a bound.

The distance d of a scalar is mean(u) / sqrt(1 - var(u)), with u the normal scores of its posterior
draws in the distribution function of its prior. For Gaussians it is exact: the distance of the
data's estimate from the mean of the prior, in units of the sd of their difference. That difference
is the prior predictive check of Box (1980, JRSS A 143, 383) and of Evans & Moshonov (2006, Bayesian
Analysis 1, 893, section 3).
"""

import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import norm

from posterity.model.dependencies import list_top_level_sites
from posterity.model.handlers import unwrap_distribution
from posterity.model.model import (
    BoundModel,
    compute_log_prob,
    trace_conditioned,
    trace_predictive,
)
from posterity.prediction.predict import Values, map_draws, split_keys
from posterity.runtime.compile_cache import load_or_compile
from posterity.runtime.rng import Stream
from posterity.stats.summary import label_scalars

PRIOR_DRAWS = 20_000
MAX_SCALARS = 100  # of a site; larger ones are left out, as in the copy of the posterior
BATCHES = 20  # of draws, for the Monte Carlo error of a mean
ERRORS = 2  # Monte Carlo errors that a distance allows for
# A prior has no tail at a bound if its density there is at least this part of that at its median.
MIN_EDGE_DENSITY = 0.5
EDGE_OFFSET = 1e-30  # distance from a bound of 0 at which the density is that of the bound
BOUNDED_DISTRIBUTIONS = (
    "Uniform",
    "LogUniform",
    "LeftTruncatedDistribution",
    "RightTruncatedDistribution",
    "TwoSidedTruncatedDistribution",
)
CENTRAL_QUANTILES = (0.05, 0.95)  # of the prior: its central range
MAX_RELATIVE_DISTANCE = 0.1  # of the posterior from a bound, in the central range
GRADIENT_DRAWS = 1000
NEAREST_SHARE = 0.1  # of the draws, nearest to the bound


class PriorOfSite(NamedTuple):
    """
    The prior of a site at the top level, each of the shape of the site but `cdf`.

    Attributes
    ----------
    cdf : array, shape (draws, ...), or None
        Distribution function at the draws; None if NumPyro does not have it.
    lower, upper : array
        Bounds of the support.
    density_lower, density_upper : array
        Log density at the bounds, relative to that at the median.
    """

    cdf: Any
    lower: Any
    upper: Any
    density_lower: Any
    density_upper: Any


class Bound(NamedTuple):
    """
    A bound of a scalar's prior with a posterior near it.

    Attributes
    ----------
    site : str
        Name of the site.
    position : int
        Flat position of the scalar in its site.
    edge : float
        The bound.
    outward : int
        1 for an upper bound, -1 for a lower one.
    distance : float
        Median distance of the posterior's draws from the bound.
    """

    site: str
    position: int
    edge: float
    outward: int
    distance: float


def measure_prior_conflict(
    model: BoundModel, hyperparameters: list[str], latent: Values, chains: int, stream: Stream
) -> xr.Dataset:
    """
    Measure how far the posterior lies in the tails of the prior, and which bounds it is pressed to.

    Parameters
    ----------
    model : BoundModel
        The model, bound to the data.
    hyperparameters : list of str
        The sites whose priors are choices. Sites with an improper prior, or with more than 100
        scalars, are left out.
    latent : dict of str to array
        Draws of the latent sites, each of shape (chains * draws, ...).
    chains : int
        Number of chains.
    stream : Stream
        Random stream of the prior draws.

    Returns
    -------
    xarray.Dataset
        Over `parameter`: `d`, and `p`, its two-sided p-value; p is 1 if the prior has no tail on
        the side of the posterior: its density does not vanish at a bound; `spread`, the sd of the
        normal scores of the draws in the prior. Over `bound` (a bound of a uniform or truncated
        prior with a posterior near it): `bounded_parameter`, `edge`, `side`, `distance` (median,
        from the bound), `push` (mean outward gradient of the log density without the prior at the
        draws nearest to the bound, times `distance`; an exponential has ln 2, a half-normal 0.04, a
        half-Cauchy 0.16) and `natural` (1 if the model is invalid beyond the bound). Empty if
        nothing is observed.
    """
    if not model.site_names("observed"):
        return xr.Dataset()
    proper = set(hyperparameters) - set(model.improper_sites)
    sites = [
        name
        for name in model.continuous_latents
        if name in proper and np.prod(model.sites[name].shape) <= MAX_SCALARS
    ]
    prior_draws = _draw_prior(model, sites, stream)
    priors = _describe_priors(model, sites, latent, prior_draws)
    labels = []
    columns: dict[str, list[float]] = {"d": [], "p": [], "spread": []}
    for name in sites:
        shape = model.sites[name].shape
        count = int(np.prod(shape))
        labels += label_scalars(name, np.arange(count), shape)
        for position in range(count):
            scores = _compute_scores(name, position, latent, prior_draws, priors)
            d = compute_conflict(scores.reshape(chains, -1))
            has_tail = _has_tail(priors.get(name), position, d)
            columns["d"].append(d)
            columns["p"].append(2 * norm.sf(abs(d)) if has_tail else 1.0)
            columns["spread"].append(float(scores.std()))
    bounds = list(_find_near_bounds(model, priors, latent, prior_draws))
    parameters = xr.Dataset(
        {name: ("parameter", np.array(values, float)) for name, values in columns.items()},
        {"parameter": np.array(labels, dtype=object)},
    )
    return xr.merge([parameters, _measure_bounds(model, bounds, latent)])


def _draw_prior(model: BoundModel, sites: list[str], stream: Stream) -> Values:
    """Return draws of the sites from the prior, each of shape (PRIOR_DRAWS, ...)."""
    if not sites:
        return {}

    def run(key: jax.Array, traced: dict[str, Any]) -> dict[str, Any]:
        messages = trace_predictive(model, key, {}, traced)
        return {name: messages[name]["value"] for name in sites}

    draws: Values = map_draws("hyperprior", run, split_keys(PRIOR_DRAWS, stream), model)
    return draws


def _describe_priors(
    model: BoundModel, sites: list[str], latent: Values, prior_draws: Values
) -> dict[str, PriorOfSite]:
    """Describe the priors of the sites that depend on no other latent site, one number each."""
    chosen = [name for name in list_top_level_sites(model) if name in sites]
    if not chosen:
        return {}
    medians = {name: np.nanmedian(prior_draws[name], axis=0) for name in chosen}

    def run(latent: Values, medians: Values, traced: dict[str, Any]) -> dict[str, PriorOfSite]:
        first = jax.tree.map(lambda values: values[0], latent)
        messages = trace_conditioned(model, first, traced)
        return {
            name: _describe_prior(messages[name]["fn"], latent[name], medians[name])
            for name in chosen
            if messages[name]["fn"].event_dim == 0 or _is_expanded(messages[name]["fn"])
        }

    inputs = (latent, medians, model.traced_arguments)
    program = load_or_compile(
        inputs,
        ["prior of sites", model.fingerprint, chosen],
        lambda: ([jax.jit(run).trace(*inputs)], None),
        low_effort=(0,),
    ).run[0]
    priors: dict[str, PriorOfSite] = jax.tree.map(np.asarray, program(*inputs))
    return priors


def _is_expanded(distribution: Any) -> bool:
    """Return whether `to_event` made the event of a distribution of single numbers."""
    return bool(unwrap_distribution(distribution).event_dim == 0)


def _describe_prior(distribution: Any, draws: Any, median: Any) -> PriorOfSite:
    base = unwrap_distribution(distribution)
    shape = jnp.shape(median)
    lower, upper = (
        jnp.broadcast_to(jnp.asarray(getattr(base.support, name, infinite), float), shape)
        for name, infinite in (("lower_bound", -jnp.inf), ("upper_bound", jnp.inf))
    )
    try:
        cdf = base.cdf(draws)
    except NotImplementedError:
        cdf = None
    at_median = base.log_prob(median)

    def compare(edge: jax.Array, outward: float) -> jax.Array:
        # The next number inside; near 0 a far smaller one, where a log-normal density vanishes.
        inside = jnp.where(edge == 0, -outward * EDGE_OFFSET, jnp.nextafter(edge, median))
        return base.log_prob(jnp.where(jnp.isfinite(edge), inside, median)) - at_median

    return PriorOfSite(cdf, lower, upper, compare(lower, -1.0), compare(upper, 1.0))


def _compute_scores(
    name: str,
    position: int,
    latent: Values,
    prior_draws: Values,
    priors: dict[str, PriorOfSite],
) -> NDArray[np.float64]:
    """Return the normal scores of a scalar's draws in its prior, shape (draw,)."""
    prior = priors.get(name)
    if prior is None or prior.cdf is None:
        ordered = np.sort(_take_scalar(prior_draws[name], position))
        ranks = np.searchsorted(ordered, _take_scalar(latent[name], position))
        probabilities = (ranks + 0.5) / (len(ordered) + 1)
    else:
        probabilities = _take_scalar(prior.cdf, position)
    smallest = np.finfo(np.asarray(latent[name]).dtype).eps
    return np.asarray(ndtri(np.clip(probabilities.astype(float), smallest, 1 - smallest)))


def _take_scalar(values: NDArray[Any], position: int) -> NDArray[Any]:
    return np.asarray(values).reshape(len(values), -1)[:, position]


def compute_conflict(scores: NDArray[np.float64]) -> float:
    """
    Return the distance d of prior and data from normal scores, shape (chain, draw).

    The mean is reduced by two Monte Carlo errors, from means of batches. If the scores vary as much
    as those of the prior, the data say nothing, and d is 0.
    """
    variance = float(scores.var())
    if not np.isfinite(scores).all() or variance >= 1:
        return 0.0
    count = min(BATCHES, scores.size)
    # Transposed, so that each batch holds a stretch of all chains.
    means = [batch.mean() for batch in np.array_split(scores.T.ravel(), count)]
    error = float(np.std(means, ddof=1) / np.sqrt(count)) if count > 1 else 0.0
    mean = float(scores.mean())
    size = max(0.0, abs(mean) - ERRORS * error)
    return float(np.sign(mean) * size / np.sqrt(1 - variance))


def _has_tail(prior: PriorOfSite | None, position: int, d: float) -> bool:
    """Return whether the prior has a tail on the side where the posterior lies."""
    if prior is None:
        return True
    edge, density = (
        (prior.upper, prior.density_upper) if d > 0 else (prior.lower, prior.density_lower)
    )
    is_bounded = np.isfinite(edge.ravel()[position])
    return not (is_bounded and density.ravel()[position] >= np.log(MIN_EDGE_DENSITY))


def _find_near_bounds(
    model: BoundModel, priors: dict[str, PriorOfSite], latent: Values, prior_draws: Values
) -> Iterator[Bound]:
    """Find the bounds of uniform and truncated priors that the posterior is near to."""
    for name, prior in priors.items():
        if model.sites[name].distribution not in BOUNDED_DISTRIBUTIONS:
            continue
        for position in range(prior.lower.size):
            low, high = np.quantile(_take_scalar(prior_draws[name], position), CENTRAL_QUANTILES)
            draws = _take_scalar(latent[name], position)
            for edges, outward in ((prior.lower, -1), (prior.upper, 1)):
                edge = float(edges.ravel()[position])
                if not np.isfinite(edge):
                    continue
                distance = float(np.median(np.abs(edge - draws)))
                if distance < MAX_RELATIVE_DISTANCE * (high - low):
                    yield Bound(name, position, edge, outward, distance)


def _measure_bounds(model: BoundModel, bounds: list[Bound], latent: Values) -> xr.Dataset:
    """Return the columns over `bound`."""
    gradients = _compute_gradients(model, bounds, latent) if bounds else {}
    rows: dict[str, list] = {
        name: [] for name in ("bounded_parameter", "edge", "side", "distance", "push", "natural")
    }
    for bound in bounds:
        position = np.array([bound.position])
        label = label_scalars(bound.site, position, model.sites[bound.site].shape)[0]
        rows["bounded_parameter"].append(label)
        rows["edge"].append(bound.edge)
        rows["side"].append("upper" if bound.outward > 0 else "lower")
        rows["distance"].append(bound.distance)
        rows["push"].append(_compute_push(bound, latent, gradients))
        rows["natural"].append(int(_is_natural(model, bound, latent)))
    types = {"bounded_parameter": object, "side": object, "natural": np.int8}
    columns = {
        name: ("bound", np.array(values, dtype=types.get(name, float)))
        for name, values in rows.items()
    }
    return xr.Dataset(columns, {"bound": np.arange(len(bounds))})


def _choose_draws(latent: Values) -> Values:
    """Return at most GRADIENT_DRAWS draws, evenly spaced."""
    step = max(1, -(-len(next(iter(latent.values()))) // GRADIENT_DRAWS))
    return {name: values[::step] for name, values in latent.items()}


def _compute_gradients(model: BoundModel, bounds: list[Bound], latent: Values) -> Values:
    """Return gradients of the log density without the priors of the sites, by site with bounds."""
    sites = list(dict.fromkeys(bound.site for bound in bounds))

    def run(values: dict[str, jax.Array], traced: dict[str, Any]) -> dict[str, jax.Array]:
        moving = {name: values[name] for name in sites}
        return jax.grad(lambda moving: _sum_density(model, values | moving, sites, traced))(moving)

    name = f"bounds of {', '.join(sites)}"
    gradients: Values = map_draws(name, run, _choose_draws(latent), model)
    return gradients


def _sum_density(
    model: BoundModel, values: dict[str, Any], without: list[str], traced: dict[str, Any]
) -> jax.Array:
    """Return the log density of all sites but some."""
    messages = trace_conditioned(model, values, traced)
    terms = [
        jnp.sum(compute_log_prob(site))
        for name, site in messages.items()
        if site["type"] == "sample" and name not in without
    ]
    return sum(terms, jnp.zeros(()))


def _compute_push(bound: Bound, latent: Values, gradients: Values) -> float:
    draws = _take_scalar(_choose_draws(latent)[bound.site], bound.position)
    gradient = _take_scalar(gradients[bound.site], bound.position)
    distances = np.abs(bound.edge - draws)
    nearest = np.argsort(distances, kind="stable")[: max(1, round(NEAREST_SHARE * len(draws)))]
    return float(bound.outward * gradient[nearest].mean() * bound.distance)


def _is_natural(model: BoundModel, bound: Bound, latent: Values) -> bool:
    """
    Return whether the model is invalid beyond a bound, as a negative rate is.

    A parameter of a distribution is then out of its range, or a density is not finite. The value
    lies as far beyond the bound as the posterior lies within it.
    """
    draws = _take_scalar(latent[bound.site], bound.position)
    nearest = int(np.argmin(np.abs(bound.edge - draws)))
    values = {name: np.array(array[nearest]) for name, array in latent.items()}
    changed = values[bound.site].reshape(-1)
    changed[bound.position] = bound.edge + bound.outward * bound.distance
    values[bound.site] = changed.reshape(values[bound.site].shape)
    try:
        # Without compilation, since NumPyro does not validate abstract values.
        with numpyro.validation_enabled(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            density = _sum_density(model, values, [bound.site], model.traced_arguments)
    except Exception:  # whatever a model raises for an invalid value
        return True
    return not np.isfinite(float(density))
