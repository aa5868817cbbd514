"""What the methods by a Markov chain kernel of NumPyro's share: where chains start, reparametrised sites, and the result."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import jax
import numpy as np
from numpyro.handlers import reparam, seed, trace
from numpyro.infer import init_to_value
from numpyro.infer import reparam as reparametrisations

from posterity.driving import Run
from posterity.errors import UserError, hint
from posterity.methods import STARTS, Result, longest, no_start
from posterity.model import Model
from posterity.randomness import key
from posterity.sampling import Sampler, sample


def chains(
    model: Model,
    settings: dict,
    seed: int,
    names: tuple[str, ...],
    run: Run,
    kernel: Callable,
    fields: dict[str, Callable],
    evaluations: str = "",
    ensemble: bool = False,
) -> tuple[Result, dict[str, np.ndarray]]:
    """
    Sample by a kernel: `kernel(function, init_strategy)` makes it.

    Returns the result without statistics, and the `fields` of the kernel's state, shape (chain, draw). Raises UserError for
    settings that name no site of the model, and where the density is not finite at the start of a chain.
    """
    function, start = posed(model, settings), starting(model, settings)
    if model.summed:
        from posterity.methods.summing import completed, enumerated  # funsor takes a second, for those who need it

        function = enumerated(function, model, list(settings.get("reparam", {})))
    sampler = Sampler(
        kernel=lambda: kernel(function, start),
        fields=fields,
        made_from=[value for name, value in sorted(settings.items()) if name not in ("draws", "until")],
        evaluations=evaluations,
        ensemble=ensemble,
    )
    keys = np.stack([key(seed, *names, "chain", chain) for chain in range(settings["chains"])])
    until = settings.get("until", {})
    draws = longest(settings)
    keep, wanted = run.kept_of(model), []
    if model.summed:  # these, and what may depend on them, are computed at the end
        wanted = [name for name in keep if model.sites[name].discrete or model.sites[name].role == "deterministic"]
        keep = {name: 1 for name in model.names("latent") if not model.sites[name].discrete}
    positions = None
    if settings["init"] == "pathfinder":
        from posterity.methods.pathfinder import starts  # blackjax takes a second, for those who ask

        positions = starts(model, function, start, keys)
    drawn = sample(
        sampler,
        model,
        keys,
        settings["warmup"],
        draws,
        keep,
        replace(run, until=until),
        lambda: no_start(model),
        positions,
    )
    records = drawn.driven.records
    posterior = {name: records.stream(name) for name in records.names() if not name.startswith(".")}
    compiled = ran = 0.0
    if model.summed:
        whole = {name: records[name] for name in posterior}
        found, compiled, ran = completed(model, whole, wanted, key(seed, *names, "discrete"))
        posterior |= found
    result = Result(
        sampling="chains",
        gradient_evaluations=drawn.evaluations,
        compile_seconds=drawn.compile_seconds + compiled,
        run_seconds=drawn.driven.seconds + ran,
        posterior=posterior,
        recorded=keep,
        stopped=drawn.driven.stopped,
        warmup=drawn.driven.warmup,
    )
    return result, {name: records[f".{name}"] for name in fields}


def starting(model: Model, settings: dict) -> Callable:
    """Choose where chains start: a strategy by its name, or values by site."""
    init = settings["init"]
    if init == "pathfinder" and settings["method"] in ("barker", "sa"):  # NumPyro's kernels start from their own strategy alone
        raise UserError(f"init: {settings['method']} cannot start from pathfinder; take median, or values by site")
    if isinstance(init, str):
        return STARTS["uniform" if init == "pathfinder" else init]
    for site, value in init.items():
        if site in model.summed:
            raise UserError(f"init: the site '{site}' is discrete and summed out; it has no start: leave it out")
        if site not in model.names("latent"):
            raise UserError(f"init: model {model.name} has no latent site '{site}': {hint(site, model.names('latent'))}")
        if np.shape(value) not in ((), model.sites[site].shape):
            raise UserError(
                f"init: {site}: the site has shape {model.sites[site].shape}, not {np.shape(value)}; give so many values"
            )
    values = {site: np.broadcast_to(np.asarray(value, float), model.sites[site].shape) for site, value in init.items()}
    return init_to_value(values=values)


def posed(model: Model, settings: dict) -> Callable:
    """Give the model with the sites of `reparam` in other coordinates (Gorinova, Moore & Hoffman 2020, PMLR 119, 3648)."""
    chosen = {}
    for site, kind in settings.get("reparam", {}).items():
        if site not in model.names("latent"):
            raise UserError(f"reparam: model {model.name} has no latent site '{site}': {hint(site, model.names('latent'))}")
        kind, options = next(iter(kind.items())) if isinstance(kind, dict) else (kind, {})
        options = {"centered": 0.0} | options if kind == "LocScale" else options
        chosen[site] = getattr(reparametrisations, f"{kind}Reparam")(**options)
        posed = reparam(model.closed, config={site: chosen[site]})
        try:
            jax.eval_shape(partial(_traced, posed), model.traced)
        except (AssertionError, ValueError, TypeError, AttributeError) as error:
            why = " ".join(str(error).split()) or "it refuses it"
            raise UserError(
                f"reparam: {site}: {kind} is not made for {model.sites[site].distribution} ({why}); take another, or leave it out"
            ) from None
    return reparam(model.closed, config=chosen) if chosen else model.closed


def _traced(function: Callable, traced: dict) -> int:
    trace(seed(function, jax.random.PRNGKey(0))).get_trace(**traced)
    return 0
