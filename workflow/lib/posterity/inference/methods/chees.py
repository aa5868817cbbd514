"""ChEES: HMC of many chains, which learn one trajectory length together (Hoffman, Radul & Sountsov 2021, PMLR 130, 3907)."""

from dataclasses import replace

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
import optax
from blackjax.mcmc import dynamic_hmc
from numpyro.infer.util import initialize_model

from posterity.inference.initial_values import INIT_STRATEGIES, nonfinite_start_error
from posterity.inference.result import FitResult
from posterity.inference.run import ChunkedProgram, RunOptions, compute_max_draws, run_chunks
from posterity.model.model import BoundModel
from posterity.runtime.compile_cache import load_or_compile
from posterity.runtime.rng import Stream

HALTON_BITS = 20  # of the numbers that vary the trajectories: they repeat after a million draws
CHUNK_BYTES = 32e6  # bytes of draws that a chunk may have


def fit(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions = RunOptions()
) -> FitResult:
    """
    Sample the posterior by many short chains in one batch, as GPUs like it.

    `settings` are those of `chees` in the schema. The warm-up, in which all chains adapt together, is one chunk. Raises UserError
    if the density is not finite at a start.
    """
    chains = settings["chains"]
    recorded = options.recorded_sites(model)
    numbers = sum(int(np.prod(model.sites[name].shape)) for name in recorded)
    size = int(max(1, min(settings["draws"], CHUNK_BYTES // (8 * chains * (numbers + 5)))))

    def pose(key, traced):
        start = INIT_STRATEGIES[settings["init"]]
        info = initialize_model(
            key, model.full_data, init_strategy=start, dynamic_args=True, model_kwargs=traced
        )
        potential = info.potential_fn(**traced)
        return info.param_info.z, (lambda z: -potential(z)), info.postprocess_fn(**traced)

    def start(keys, traced):
        positions = jax.lax.map(lambda one: pose(one, traced)[0], keys[1:])
        _, density, _ = pose(keys[0], traced)
        first, slopes = jax.vmap(jax.value_and_grad(density))(positions)
        for slope in jax.tree.leaves(slopes):
            first = jnp.where(jnp.isfinite(slope).reshape(chains, -1).all(1), first, jnp.nan)
        adaptation = blackjax.chees_adaptation(
            density,
            chains,
            mass_matrix_estimation="diagonal",
            target_acceptance_rate=settings["target_accept"],
        )
        result, _ = adaptation.run(keys[0], positions, 0.1, optax.adam(0.05), settings["warmup"])
        tuned = result.parameters
        carry = (
            result.state,
            (
                tuned["step_size"],
                tuned["inverse_mass_matrix"],
                tuned["integration_steps_params"][0],
            ),
        )
        return (*carry, jax.random.split(keys[0])[1], jnp.zeros((), int)), first

    def advance(state, traced, count):
        _, density, constrain = pose(jnp.zeros(2, jnp.uint32), traced)
        _, (step_size, mass, leapfrogs), *_ = state

        def steps(index, length):
            return jnp.asarray(
                jnp.ceil(dynamic_hmc.halton_sequence(index, HALTON_BITS) * length), int
            )

        kernel = dynamic_hmc.build_kernel(
            next_random_arg_fn=lambda index: index + 1, integration_steps_fn=steps
        )

        def one(key, inside):
            return kernel(key, inside, density, step_size, mass, (leapfrogs,))

        def taken(inside, info):
            fields = {
                ".acceptance_rate": info.acceptance_rate,
                ".diverging": info.is_divergent,
                ".energy": info.energy,
                ".lp": inside.logdensity,
                ".n_steps": info.num_integration_steps,
            }
            return inside.position, fields

        keys = jnp.zeros((chains, 2), jnp.uint32)
        shapes = jax.eval_shape(lambda inside: taken(*jax.vmap(one)(keys, inside)), state[0])
        kept = jax.tree.map(lambda shape: jnp.zeros((size, *shape.shape), shape.dtype), shapes)

        def step(index, carry):
            (inside, tuned, key, evaluations), kept = carry
            key, now = jax.random.split(key)
            inside, info = jax.vmap(one)(jax.random.split(now, chains), inside)
            kept = jax.tree.map(lambda all, new: all.at[index].set(new), kept, taken(inside, info))
            return (inside, tuned, key, evaluations + jnp.sum(info.num_integration_steps)), kept

        state, (positions, fields) = jax.lax.fori_loop(0, count, step, (state, kept))
        sites = jax.lax.map(jax.vmap(constrain), positions)
        values = {name: sites[name] for name in recorded} | fields
        return state, jax.tree.map(lambda value: jnp.swapaxes(value, 0, 1), values)

    def plan():
        begun = jax.jit(start).trace(keys, model.traced_arguments)
        return [
            begun,
            jax.jit(advance).trace(begun.out_info[0], model.traced_arguments, 0),
        ], begun.out_info[0]

    keys = np.stack([stream.key("all"), *(stream.key("chain", chain) for chain in range(chains))])
    programs = load_or_compile(
        (keys, model.traced_arguments),
        ["chees", model.fingerprint, list(recorded), settings],
        plan,
    )
    begin, go = programs.run
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])

    def first():
        state, density = begin(keys, model.traced_arguments)
        if not np.isfinite(density).all():
            raise nonfinite_start_error(model)
        return state

    work = ChunkedProgram(
        start=first,
        advance=lambda state, count, recording: go(state, model.traced_arguments, count),
        like=jax.tree.map(
            lambda shape: jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=here),
            programs.notes,
        ),
        warmup=0,
        draws=compute_max_draws(settings),
        size=size,
        evaluations=lambda state: int(state[3]),
        thin=recorded,
        watch=tuple(model.site_names("latent")),
        chains=chains,
    )
    driven = run_chunks(work, replace(options, stop_when=settings["stop_when"]))
    take = driven.records
    records = {
        name: take[name] if name.startswith(".") else take.stream(name) for name in take.names()
    }
    step_size = np.full(records[".lp"].shape, float(driven.state[1][0]))
    return FitResult(
        sampling="chains",
        gradient_evaluations=int(driven.state[3]),
        compile_seconds=programs.seconds,
        run_seconds=driven.seconds,
        posterior={name: records[name] for name in recorded},
        recorded=recorded,
        statistics={name[1:]: values for name, values in records.items() if name.startswith(".")}
        | {"step_size": step_size},
        stopped=driven.stopped,
        warmup=settings["warmup"],
    )
