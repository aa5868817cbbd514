"""What ensemble samplers share."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpyro.infer.util import potential_energy

from posterity.errors import UserError
from posterity.inference.initial_values import choose_init_strategy, nonfinite_start_error
from posterity.inference.result import FitResult
from posterity.inference.run import (
    ChunkedProgram,
    RunOptions,
    RunResult,
    compute_max_draws,
    run_chunks,
)
from posterity.model.model import BoundModel
from posterity.model.reparam import reparametrise
from posterity.runtime.compile_cache import load_or_compile
from posterity.runtime.rng import Stream

CHUNK_BYTES = 32e6  # bytes of draws that a chunk may have


@dataclass(frozen=True)
class KernelSpec:
    """
    A kernel of NumPyro's for a model, with what it is to be driven by.

    `kernel()` makes it anew for each trace. `fields` maps names to functions of its state. `evaluations` names the field that
    counts gradient evaluations, if there is one. `ensemble`: all chains are one state. `made_from` are the settings that the
    compiled program depends on.
    """

    kernel: Callable
    fields: dict[str, Callable]
    made_from: list
    evaluations: str = ""
    ensemble: bool = False


@dataclass(frozen=True)
class ChainResult:
    """
    What came out: how it was driven, gradient evaluations, and seconds.

    The records are the draws by site, and the statistics with a name that begins with a dot.
    """

    driven: RunResult
    evaluations: int
    compile_seconds: float


def run_kernel(
    sampler: KernelSpec,
    model,
    keys: np.ndarray,
    warmup: int,
    draws: int,
    keep: dict[str, int],
    options: RunOptions,
    failed: Callable,
    positions: dict[str, np.ndarray] | None = None,
) -> ChainResult:
    """
    Run chains of a kernel: `warmup` adapting iterations, then at most `draws`.

    `model` is a bound `posterity.model.Model`, `keys` are raw keys, one per chain, `keep` maps the sites whose draws are kept to
    every how many-th of them, `positions` gives the places in unconstrained space where the chains start, if they are given. Raises
    what `failed()` makes, if some chain has no finite density and gradient to start.
    """
    traced, chains = model.traced_arguments, len(keys)
    places = ChainSharding(chains, sampler.ensemble)
    lanes = (
        jax.tree.map(lambda one: one[None], (keys, positions))
        if sampler.ensemble
        else (keys, positions)
    )

    def init(key, traced, position=None):
        with jax.ensure_compile_time_eval():  # a kernel looks at its settings
            kernel = sampler.kernel()
        state = kernel.init(key, warmup, position, (), traced)
        return kernel, state

    def start(lane, traced):
        kernel, state = init(lane[0], traced, lane[1])

        def energy(z):
            return potential_energy(kernel.model, (), traced, z)

        if "potential_energy" in state._fields:
            potential = state.potential_energy
        else:
            potential = (jax.vmap(energy) if sampler.ensemble else energy)(state.z)
        if "z_grad" in state._fields:
            smooth = jnp.stack(
                [jnp.isfinite(slope).all() for slope in jax.tree.leaves(state.z_grad)]
            ).all()
            potential = jnp.where(smooth, potential, jnp.nan)
        return (state, jnp.zeros((), int)), potential

    def advance(carry, traced, count, recording):
        kernel, _ = init(
            jnp.zeros((chains, 2) if sampler.ensemble else 2, jnp.uint32), traced
        )  # the kernel sees the model
        constrain = kernel.postprocess_fn((), traced)
        state, evaluations = carry

        def taken(state):
            return state.z, {f".{name}": take(state) for name, take in sampler.fields.items()}

        kept = jax.tree.map(
            lambda one: jnp.zeros((size, *one.shape), one.dtype), jax.eval_shape(taken, state)
        )

        def step(iteration, carry):
            state, kept, evaluations = carry
            state = kernel.sample(state, (), traced)
            kept = jax.tree.map(lambda all, one: all.at[iteration].set(one), kept, taken(state))
            if sampler.evaluations:
                evaluations = evaluations + sampler.fields[sampler.evaluations](state)
            return state, kept, evaluations

        state, (unconstrained, statistics), evaluations = jax.lax.fori_loop(
            0, count, step, (state, kept, evaluations)
        )

        def constrained(unconstrained):
            mapped = jax.vmap(jax.vmap(constrain)) if sampler.ensemble else jax.vmap(constrain)
            return {name: value for name, value in mapped(unconstrained).items() if name in keep}

        nothing = jax.tree.map(
            lambda one: jnp.zeros(one.shape, one.dtype), jax.eval_shape(constrained, unconstrained)
        )
        sites = jax.lax.cond(recording, constrained, lambda _: nothing, unconstrained)
        return (state, evaluations), sites | statistics

    def plan():
        begun = jax.jit(places.over(start, 1)).trace(lanes, traced)
        return [
            begun,
            jax.jit(places.over(advance, 3)).trace(placed(begun.out_info[0]), traced, 0, True),
        ], begun.out_info[0]

    def placed(shapes):
        return jax.tree.map(
            lambda one: jax.ShapeDtypeStruct(one.shape, one.dtype, sharding=places.sharding), shapes
        )

    numbers = sum(int(np.prod(model.sites[name].shape)) for name in keep) + len(sampler.fields)
    size = int(max(1, min(draws, CHUNK_BYTES // (8 * numbers * chains))))
    made_from = [model.fingerprint, sampler.made_from, warmup, size, sorted(keep), places.count]
    programs = load_or_compile((lanes, traced), made_from, plan, places.count, quick=(0,))
    first, program = programs.run

    def begin():
        state, potential = first(lanes, traced)
        potential = np.asarray(potential).reshape(-1)
        if not np.isfinite(potential).all():
            raise failed()
        return state

    def go(state, count, recording):
        state, values = program(state, traced, count, recording)
        if sampler.ensemble:  # (1, draw, chain, ...) to (chain, draw, ...); what is one number for the ensemble is each chain's
            whole = {
                name: value[0] if value.ndim > 2 else jnp.repeat(value[0, :, None], chains, 1)
                for name, value in values.items()
            }
            values = {name: jnp.swapaxes(value, 0, 1) for name, value in whole.items()}
        return state, values

    def cut_warmup(carry):
        state, evaluations = carry
        return state._replace(i=jnp.full_like(state.i, warmup - 1)), evaluations

    work = ChunkedProgram(
        start=begin,
        advance=go,
        like=placed(programs.notes),
        warmup=warmup,
        draws=draws,
        size=size,
        cut_warmup=(lambda carry: carry) if sampler.ensemble else cut_warmup,
        evaluations=(lambda carry: int(np.sum(carry[1])))
        if sampler.evaluations
        else lambda carry: 0,
        thin=keep,
        watch=tuple(name for name in keep if model.sites[name].role == "latent"),
        chains=chains,
    )
    driven = run_chunks(work, options)
    return ChainResult(driven, int(np.sum(driven.state[1])), programs.seconds)


class ChainSharding:
    """Where chains run: one by one on a device, side by side on as many devices as divide their number, batched on a GPU."""

    def __init__(self, chains: int, ensemble: bool):
        available = jax.devices()
        self.batched = available[0].platform == "gpu"
        self.count = (
            1
            if ensemble
            else max(count for count in range(1, len(available) + 1) if chains % count == 0)
        )
        self.mesh = Mesh(np.array(available[: self.count]), ("chain",))
        self.sharding = NamedSharding(self.mesh, PartitionSpec("chain"))

    def over(self, function: Callable, shared: int) -> Callable:
        """Map a function over its first argument's leading axis, the chains."""

        def one_by_one(inputs, *others):
            def one(each):
                return function(each, *others)

            return jax.vmap(one)(inputs) if self.batched else jax.lax.map(one, inputs)

        split, whole = PartitionSpec("chain"), PartitionSpec()
        return jax.shard_map(
            one_by_one,
            mesh=self.mesh,
            in_specs=(split, *[whole] * shared),
            out_specs=split,
            check_vma=False,
        )


def sample_chains(
    model: BoundModel,
    settings: dict,
    stream: Stream,
    options: RunOptions,
    kernel: Callable,
    fields: dict[str, Callable],
    evaluations: str = "",
    ensemble: bool = False,
) -> tuple[FitResult, dict[str, np.ndarray]]:
    """
    Sample by a kernel: `kernel(function, init_strategy)` makes it.

    Returns the result without statistics, and the `fields` of the kernel's state, shape (chain, draw). Raises UserError for
    settings that name no site of the model, and where the density is not finite at the start of a chain.
    """
    function, start = reparametrise(model, settings), choose_init_strategy(model, settings)
    if model.discrete_latents:
        from posterity.inference.enumeration import marginalise_discrete, sample_discrete

        function = marginalise_discrete(function, model, list(settings.get("reparam", {})))
    sampler = KernelSpec(
        kernel=lambda: kernel(function, start),
        fields=fields,
        made_from=[
            value for name, value in sorted(settings.items()) if name not in ("draws", "stop_when")
        ],
        evaluations=evaluations,
        ensemble=ensemble,
    )
    keys = stream.keys("chain", settings["chains"])
    until = settings.get("stop_when", {})
    draws = compute_max_draws(settings)
    keep, wanted = options.recorded_sites(model), []
    if model.discrete_latents:  # these, and what may depend on them, are computed at the end
        wanted = [
            name
            for name in keep
            if model.sites[name].discrete or model.sites[name].role == "deterministic"
        ]
        keep = {name: 1 for name in model.site_names("latent") if not model.sites[name].discrete}
    positions = None
    if settings["init"] == "pathfinder":
        from posterity.inference.methods.pathfinder import (
            find_start_positions,  # blackjax takes a second, for those who ask
        )

        positions = find_start_positions(model, function, start, keys)
    drawn = run_kernel(
        sampler,
        model,
        keys,
        settings["warmup"],
        draws,
        keep,
        replace(options, stop_when=until),
        lambda: nonfinite_start_error(model),
        positions,
    )
    records = drawn.driven.records
    posterior = {name: records.stream(name) for name in records.names() if not name.startswith(".")}
    compiled = ran = 0.0
    if model.discrete_latents:
        whole = {name: records[name] for name in posterior}
        found, compiled, ran = sample_discrete(model, whole, wanted, stream.key("discrete"))
        posterior |= found
    result = FitResult(
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


def check_walkers(model: BoundModel, settings: dict) -> None:
    """Raise UserError unless there are walkers enough: an even number, and more than there are latent numbers."""
    if isinstance(settings["init"], dict):
        raise UserError(
            f"{model.name}: {settings['method']}: init: walkers that all start at one value never leave it, as each moves along "
            "others; take uniform, sample or pathfinder"
        )
    size = sum(int(np.prod(model.sites[name].shape)) for name in model.site_names("latent"))
    if settings["chains"] % 2 or settings["chains"] < size + 2:
        raise UserError(
            f"{model.name}: {settings['method']}: chains: {settings['chains']} walkers for {size} latent numbers; their number is "
            f"even and at least {size + 2 + size % 2}, and twice the latent numbers, {2 * size}, or more is better"
        )
