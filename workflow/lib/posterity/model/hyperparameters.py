"""
List the hyperparameters of a model: the sites whose priors are choices.

They do not include the standardised latent sites of a non-centred form, such as z in
theta = mu + tau z. The form fixes their prior (mean 0, scale 1). A symmetry of the model shows it,
not a name: the density of the data is unchanged if z shrinks by a factor while another site s, its
scale, grows by a power of this factor (a sd, variance or precision) or shifts by a multiple of its
logarithm (the logarithm of one). So at every point the derivative along a scaling of s is the same
multiple of that along a scaling of z.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from numpy.typing import NDArray
from numpyro.handlers import seed, substitute, trace
from numpyro.infer import init_to_uniform

from posterity.model.dependencies import list_top_level_sites
from posterity.model.handlers import unwrap_distribution
from posterity.model.model import (
    BoundModel,
    compute_log_prob,
    trace_conditioned,
    trace_model,
)
from posterity.runtime.compile_cache import load_or_compile
from posterity.runtime.rng import Stream

LOCATION_SCALE_FAMILIES = (
    dist.Normal,
    dist.StudentT,
    dist.Cauchy,
    dist.Laplace,
    dist.Logistic,
    dist.MultivariateNormal,
    dist.GaussianRandomWalk,
    dist.ZeroSumNormal,
)
MIN_POINTS = 12  # random points at which the derivatives are compared
# Largest relative difference of derivatives that are equal. Jitter on the diagonal of a Gaussian
# process breaks the symmetry by about the square root of the jitter; other pairs differ by 1.
MAX_DIFFERENCE = 0.05
MIN_SHARE = 0.05  # smallest share of a site in a symmetry of several sites
DATA = "data"  # the density of all observed sites and factors


class SiteDerivatives(NamedTuple):
    """
    Derivatives of log densities along the changes of one site, each of shape (point,).

    Attributes
    ----------
    scaling, shift : array
        Along a common scaling, and a common shift, of all elements.
    size : array
        Sum of the absolute contributions of the elements to `scaling`.
    """

    scaling: Any
    shift: Any
    size: Any


def list_hyperparameters(model: BoundModel) -> list[str]:
    """
    List the continuous latent sites whose priors are choices.

    These are the sites that `PRIORS` of the model's file names. Without it they are those at the
    top level, except standardised latents of a non-centred form. Checks of the prior concern these
    (Kallioinen et al. 2024, Statistics and Computing 34, 57, section 4).
    """
    if model.priors is not None:
        return [name for name in model.continuous_latents if name in model.priors]
    top_level = list_top_level_sites(model)
    excluded = find_standardised_sites(model, top_level)
    return [name for name in top_level if name in model.continuous_latents and name not in excluded]


def find_standardised_sites(model: BoundModel, top_level: list[str]) -> set[str]:
    """
    Find the sites of `top_level` that are standardised latents of a non-centred form.

    Such a site has a location-scale distribution with location 0 and scale 1, and the scale is
    another latent site: see the module. Of two standard sites that multiply each other the larger
    one counts as standardised. Evaluates gradients of the model at a few random points.
    """
    continuous = model.continuous_latents
    candidates = [name for name in top_level if name in _list_possibly_standard(model)]
    if not candidates or len(continuous) < 2:
        return set()
    below = [name for name in model.site_names("latent") if name not in top_level]
    values = _evaluate(model, candidates, below)
    standard = [name for name in candidates if np.all(values["deviation"][name] == 0)]
    found: set[str] = set()
    for scale in continuous:
        derivatives = _sum_derivatives(values["derivatives"], scale)
        smaller = [
            name
            for name in standard
            if name != scale
            and (scale not in standard or _count(model, name) > _count(model, scale))
        ]
        found |= _match_site(derivatives, scale, smaller)
    return found


def _count(model: BoundModel, name: str) -> int:
    return int(np.prod(model.sites[name].shape))


def _list_possibly_standard(model: BoundModel) -> list[str]:
    """List the latent sites whose location and scale are, or may be, 0 and 1."""
    chosen: list[str] = []

    def run(traced: dict) -> dict[str, jax.Array]:
        messages, values = trace_model(model, traced)
        for name in model.continuous_latents:
            deviation = _compute_deviation(messages[name]["fn"])
            if deviation is not None and not _is_nonzero(deviation):
                chosen.append(name)
        return values

    jax.eval_shape(run, model.traced_arguments)
    return chosen


def _is_nonzero(deviation: Any) -> bool:
    return not isinstance(deviation, jax.core.Tracer) and bool(np.asarray(deviation) != 0)


def _compute_deviation(distribution: dist.Distribution) -> Any:
    """Return how far location and scale are from 0 and 1; None for other families."""
    base = unwrap_distribution(distribution)
    if not isinstance(base, LOCATION_SCALE_FAMILIES):
        return None
    location = getattr(base, "loc", 0.0)
    if isinstance(base, dist.MultivariateNormal):
        spread = base.scale_tril
        unit: Any = np.eye(spread.shape[-1])
    else:
        spread, unit = base.scale, 1.0
    numbers = (location, spread)
    if any(isinstance(number, jax.core.Tracer) for number in numbers):
        unit = jnp.broadcast_to(unit, jnp.shape(spread))
        return jnp.abs(location).max() + jnp.abs(spread - unit).max()
    unit = np.broadcast_to(unit, np.shape(spread))
    return np.abs(location).max() + np.abs(np.asarray(spread) - unit).max()


def _evaluate(model: BoundModel, candidates: list[str], below: list[str]) -> dict[str, Any]:
    """
    Evaluate the model at random points.

    Returns `deviation` of each candidate, and `derivatives`: by density (`DATA`, and the sites
    `below` the top level) and site.
    """

    def run(key: jax.Array, traced: dict) -> dict[str, Any]:
        function = substitute(seed(model.full_data, key), substitute_fn=init_to_uniform(radius=2))
        messages = trace(function).get_trace(**traced)
        values = {name: messages[name]["value"] for name in model.site_names("latent")}
        moving = {name: values[name] for name in model.continuous_latents}

        def density(moving: dict[str, jax.Array]) -> dict[str, jax.Array]:
            return _sum_densities(trace_conditioned(model, values | moving, traced), below)

        gradients = jax.jacrev(density)(moving)
        return {
            "deviation": {name: _compute_deviation(messages[name]["fn"]) for name in candidates},
            "derivatives": {
                term: {name: _derive(moving[name], gradient[name]) for name in moving}
                for term, gradient in gradients.items()
            },
        }

    keys = np.asarray(Stream(0).keys("symmetry", MIN_POINTS + 2 * len(candidates)))
    # One point after the other, so that the memory is that of one gradient.
    mapped = jax.jit(lambda keys, traced: jax.lax.map(lambda key: run(key, traced), keys))
    program = load_or_compile(
        (keys, model.traced_arguments),
        ["symmetry", model.fingerprint],
        lambda: ([mapped.trace(keys, model.traced_arguments)], None),
        low_effort=(0,),
    ).run[0]
    values: dict[str, Any] = jax.tree.map(np.asarray, program(keys, model.traced_arguments))
    return values


def _sum_densities(messages: dict[str, dict], below: list[str]) -> dict[str, jax.Array]:
    """Return the log density of the data with all factors, and of each site below the top level."""
    sampled = {name: site for name, site in messages.items() if site["type"] == "sample"}
    terms = {name: jnp.sum(compute_log_prob(sampled[name])) for name in below}
    observed = [jnp.sum(compute_log_prob(site)) for site in sampled.values() if site["is_observed"]]
    return terms | {DATA: sum(observed, jnp.zeros(()))}


def _derive(value: jax.Array, gradient: jax.Array) -> SiteDerivatives:
    parts = value * gradient
    return SiteDerivatives(jnp.sum(parts), jnp.sum(gradient), jnp.sum(jnp.abs(parts)))


def _sum_derivatives(
    derivatives: dict[str, dict[str, SiteDerivatives]], scale: str
) -> dict[str, SiteDerivatives]:
    """Return the derivatives of all densities but that of the site `scale` itself, by site."""
    terms = [by_site for term, by_site in derivatives.items() if term != scale]
    return {
        name: SiteDerivatives(*np.sum([by_site[name] for by_site in terms], axis=0))
        for name in terms[0]
    }


def _match_site(
    derivatives: dict[str, SiteDerivatives], scale: str, candidates: list[str]
) -> set[str]:
    """Return the candidates whose scaling is, alone or together, that of the site `scale`."""
    found: set[str] = set()
    for target in (derivatives[scale].scaling, derivatives[scale].shift):
        alone = {name for name in candidates if _match(derivatives, [name], target)}
        found |= alone or _match(derivatives, candidates, target)
    return found


def _match(
    derivatives: dict[str, SiteDerivatives], names: list[str], target: NDArray[np.float64]
) -> set[str]:
    """Return the sites of a linear combination of scalings that equals the target, if one does."""
    if not names:
        return set()
    size = np.sum([derivatives[name].size for name in names], 0)
    columns = np.stack([derivatives[name].scaling for name in names], 1)
    used = np.isfinite(columns).all(1) & np.isfinite(target) & np.isfinite(size) & (size > 0)
    if used.sum() < len(names) + MIN_POINTS // 2:
        return set()
    columns = columns[used] / size[used, None]
    target = target[used] / size[used]
    length = np.linalg.norm(target)
    if length == 0:
        return set()
    weights = np.linalg.lstsq(columns, target, rcond=None)[0]
    if np.linalg.norm(columns @ weights - target) > MAX_DIFFERENCE * length:
        return set()
    shares = np.abs(weights) * np.linalg.norm(columns, axis=0) / length
    return {name for name, share in zip(names, shares, strict=True) if share > MIN_SHARE}
