"""
The methods of fitting, a module each.

A module has one function

    fit(model, settings, seed, names, run) -> Result

with a bound `posterity.model.Model`, the settings of the study file, seed and names for the keys, and how it is driven (a
`posterity.driving.Run`: checkpoints, progress). The methods are listed in `posterity.catalogue`, their settings in the schema.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from numpyro.infer import init_to_median, init_to_sample, init_to_uniform

from posterity.errors import UserError
from posterity.model import Model, conditioned, predictive
from posterity.programs import build
from posterity.randomness import key

GOALS = 20  # times the draws of the fit, at most, where `until` has goals and no number of draws
TRIES = 100  # draws of the prior, to find which site has no finite density
STARTS = {"uniform": init_to_uniform, "median": init_to_median, "sample": init_to_sample}


@dataclass(frozen=True)
class Result:
    """
    What a method gives back.

    `sampling` says what the draws are: `chains` (of a Markov chain), `independent`, or `point` (there are none).
    `posterior`: values by site, shape (chain, draw, ...); `recorded`: every how many-th draw these are, by site, where not each.
    `statistics`: values by name as in ArviZ's `sample_stats`, shape (chain, draw).
    `point`: values by site of a point estimate. `weighted`: draws by site that count by `log_weights`.
    `evidence`: ln Z and its error. `optimisation`: what an optimiser did, over `step` or `start`.
    `guide`: the best parameters of a guide of the user's own, by name.
    `gradient_evaluations`, `compile_seconds`, `run_seconds`: what it took. `stopped`: why it ended. `warmup`: iterations dropped.
    """

    sampling: str
    gradient_evaluations: int
    compile_seconds: float
    run_seconds: float
    posterior: dict = field(default_factory=dict)
    recorded: dict = field(default_factory=dict)
    statistics: dict = field(default_factory=dict)
    point: dict = field(default_factory=dict)
    weighted: dict = field(default_factory=dict)
    log_weights: np.ndarray | None = None
    evidence: xr.Dataset = field(default_factory=xr.Dataset)
    optimisation: xr.Dataset = field(default_factory=xr.Dataset)
    guide: xr.Dataset = field(default_factory=xr.Dataset)
    stopped: str = ""
    warmup: int = 0


def longest(settings: dict) -> int:
    """Give the draws per chain that a fit has at most: those of `until`, or its own, with a goal twenty times those."""
    until = settings["until"]
    return until.get("draws", settings["draws"] * (GOALS if "ess" in until or "rhat" in until else 1))


def timed(function: Callable, arguments: tuple, made_from: list) -> tuple:
    """
    Compile a function, or take it from the cache (see `posterity.programs`), and run it.

    Returns what it gives back, as NumPy arrays, and the seconds of compilation and of the run.
    """
    programs = build(arguments, made_from, lambda: ([jax.jit(function).trace(*arguments)], None))
    started = time.perf_counter()
    values = jax.tree.map(np.asarray, jax.block_until_ready(programs.run[0](*arguments)))
    return values, programs.seconds, time.perf_counter() - started


def no_start(model: Model, otherwise: str = "") -> UserError:
    """
    Say that the log density, or its gradient, is not finite wherever the method may start, and which site is to blame.

    `otherwise` is the sentence where there is a finite density to start from and a finite gradient.
    """

    def run(key, traced):
        latent = {name: site["value"] for name, site in predictive(model, key, {}, traced).items() if name in model.names("latent")}

        def density(latent):
            sites = conditioned(model, latent, traced)
            each = {name: jnp.sum(site["fn"].log_prob(site["value"])) for name, site in sites.items() if site["type"] == "sample"}
            return sum(each.values()), {name: each[name] for name in model.names("observed")}

        (_, each), gradient = jax.value_and_grad(lambda moving: density(latent | moving), has_aux=True)(
            {name: latent[name] for name in latent if name not in model.summed}
        )
        return each, {name: jnp.isfinite(value).all() for name, value in gradient.items()}

    keys = np.stack([key(0, "start", draw) for draw in range(TRIES)])
    draws, smooth = jax.jit(jax.vmap(run, in_axes=(0, None)))(keys, model.traced)
    steep = [name for name, values in smooth.items() if not values.any()]
    if steep and all(np.isfinite(values).any() for values in draws.values()):
        return UserError(
            f"{model.file}: the log density has no finite gradient in '{steep[0]}', at none of {TRIES} draws of the prior; look "
            "for a square root or a power at 0, or a jnp.where with a side that is not finite (both have to be, for gradients)"
        )
    if otherwise:
        return UserError(otherwise)
    finite = {name: int(np.isfinite(values).sum()) for name, values in draws.items()}
    worst = min(finite, key=finite.get, default=None)
    blame = f" (the log likelihood of site '{worst}' is finite in {finite[worst]} of {TRIES} draws of the prior)" if worst else ""
    if worst and finite[worst] == TRIES:
        blame = " (though the likelihood is finite at draws of the prior: look at numpyro.factor, and at what depends on bounds)"
    return UserError(
        f"{model.file}: the log density is not finite at any start that was tried{blame}; "
        "look at priors and data: can these data come from this model? Another `init` of the fit may help"
    )
