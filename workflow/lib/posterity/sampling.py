"""
Drive a NumPyro kernel as one compiled program over all chains.

NumPyro's kernel does the sampling; only the driving is here. One program advances all chains by any number of iterations and
keeps the last `size` states, so that warm-up and draws (and chunks of draws) share it and it is compiled once. The chains run one
after another on each device, and side by side on as many devices as there are.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec


@dataclass(frozen=True)
class Chains:
    """What came out: values by site and statistics by field, shape (chain, draw, ...), and what it took."""

    sites: dict[str, np.ndarray]
    fields: dict[str, np.ndarray]
    leapfrogs: int
    compile_seconds: float
    run_seconds: float


def run(kernel, fields: dict[str, Callable], keys: np.ndarray, traced: dict, warmup: int, draws: int) -> Chains:
    """
    Run chains of a NumPyro HMC-like kernel: `warmup` adapting iterations, then `draws`.

    `fields` maps names to functions of the kernel's state; "num_steps" has to be among them. `keys` are raw keys, one per
    chain. `traced` are the model's traced arguments.

    Returns `Chains`. If no start with finite density was found, the fields of potential energy are not finite.
    """

    def init(key, traced):
        return kernel.init(key, warmup, None, (), traced)

    def record(state):
        return state.z, {name: take(state) for name, take in fields.items()}

    def advance(carry, traced, count):
        init(jnp.zeros(2, jnp.uint32), traced)  # lets the kernel see the model in this trace
        constrain = kernel.postprocess_fn((), traced)
        state, leapfrogs = carry
        kept = jax.tree.map(lambda one: jnp.zeros((draws, *one.shape), one.dtype), jax.eval_shape(record, state))

        def step(iteration, carry):
            state, kept, leapfrogs = carry
            state = kernel.sample(state, (), traced)
            kept = jax.tree.map(lambda all, one: all.at[iteration % draws].set(one), kept, record(state))
            return state, kept, leapfrogs + fields["num_steps"](state)

        state, kept, leapfrogs = jax.lax.fori_loop(0, count, step, (state, kept, leapfrogs))
        unconstrained, statistics = kept
        return (state, leapfrogs), (jax.vmap(constrain)(unconstrained), statistics)

    started = time.perf_counter()
    start = jax.jit(_over_chains(lambda key, traced: (init(key, traced), jnp.zeros((), int)), arguments=1, chains=len(keys)))
    start = start.lower(jnp.asarray(keys), traced).compile()
    first = start(jnp.asarray(keys), traced)
    program = jax.jit(_over_chains(advance, arguments=2, chains=len(keys))).lower(first, traced, 0).compile()
    compiled = time.perf_counter()
    carry, _ = program(first, traced, warmup)
    (_, leapfrogs), (sites, statistics) = jax.block_until_ready(program(carry, traced, draws))
    done = time.perf_counter()
    as_arrays = jax.tree.map(np.asarray, (sites, statistics))
    return Chains(*as_arrays, int(np.sum(leapfrogs)), compiled - started, done - compiled)


def _over_chains(function: Callable, arguments: int, chains: int) -> Callable:
    """Map a function over its first argument's leading axis: one by one on a device, split over devices that divide it."""

    def one_by_one(inputs, *shared):
        return jax.lax.map(lambda one: function(one, *shared), inputs)

    devices = max(count for count in range(1, len(jax.devices()) + 1) if chains % count == 0)
    if devices == 1:
        return one_by_one
    mesh = Mesh(np.array(jax.devices()[:devices]), ("chain",))
    split, whole = PartitionSpec("chain"), PartitionSpec()
    return jax.shard_map(one_by_one, mesh=mesh, in_specs=(split, *[whole] * arguments), out_specs=split, check_vma=False)
