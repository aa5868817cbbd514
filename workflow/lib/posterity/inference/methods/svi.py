"""Variational inference (Hoffman et al. 2013, JMLR 14, 1303; Kucukelbir et al. 2017, JMLR 18, 14), by NumPyro's guides."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from posterity.inference.guide import GuideProblem
from posterity.inference.importance import resample_draws
from posterity.inference.initial_values import nonfinite_start_error
from posterity.inference.result import FitResult
from posterity.inference.run import ChunkedProgram, RunOptions, RunResult, StoppingRule, run_chunks
from posterity.model.model import BoundModel
from posterity.runtime.compile_cache import compile_and_run, load_or_compile
from posterity.runtime.rng import Stream
from posterity.stats.losses import has_converged

FULL_STEP_FRACTION = 0.7  # of the steps have the whole step size, before it decays
CHECK_FRACTION = 0.05  # of the steps lie between two looks at whether the loss rests
POOL_FACTOR = 5  # times the draws that are kept are drawn, where they are resampled


def fit(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions = RunOptions()
) -> FitResult:
    """
    Fit a guide by maximising the evidence lower bound, and draw from it.

    `settings` are those of `svi` in the schema. The statistics `log_p` and `log_q` are the log densities of the draws under model
    and guide, from which the Pareto k-hat of the approximation follows (Yao et al. 2018, PMLR 80, 5581). `optimisation` has, by
    `step`, the loss (minus the bound, in nats) and the step size; `guide` the parameters in which a guide of the user's own ended.
    Raises UserError if the loss is not finite, for a guide that does not fit the model, and for minibatches of a plate that the
    model does not subsample.
    """
    problem = GuideProblem(model, settings)
    key_of_starts, key_of_draws = (stream.key(part) for part in ("svi", "draws"))
    whole = (
        int(FULL_STEP_FRACTION * settings["steps"])
        if settings["schedule"] == "decay"
        else settings["steps"]
    )
    made_from = [
        "svi",
        model.fingerprint,
        problem.source,
        {k: v for k, v in settings.items() if k not in ("draws", "resample")},
    ]
    size = min(settings["steps"], 100_000)

    def starts(key, traced):
        def better(best, key):
            state, loss = problem.begin(key, traced)
            take = jnp.isfinite(loss) & (loss < best[1])
            return jax.tree.map(
                lambda new, old: jnp.where(take, new, old), (state, loss), best
            ), None

        nowhere = jax.tree.map(
            lambda one: jnp.zeros(one.shape, one.dtype),
            jax.eval_shape(problem.begin, key, traced)[0],
        )
        return jax.lax.scan(
            better, (nowhere, jnp.inf), jax.random.split(key, settings["restarts"])
        )[0]

    def advance(state, traced, count, since):
        """Steps `since + 1` ... of which those after the first `since` decay over the rest (see `rate`)."""
        update = problem.update(traced)

        def step(index, carry):
            state, losses, sizes = carry
            taken, (decay_from, length) = state[1], since
            rate = (
                settings["step_size"]
                * 0.5
                * (1 + jnp.cos(jnp.pi * jnp.clip((taken - decay_from) / length, 0, 1)))
            )
            inner, loss = update(state[0], rate)
            return (inner, taken + 1), losses.at[index].set(loss), sizes.at[index].set(rate)

        zeros = jnp.zeros(size, float)
        state, losses, sizes = jax.lax.fori_loop(0, count, step, (state, zeros, zeros))
        return state, {".loss": losses[None], ".step_size": sizes[None]}

    def plan():
        begun = jax.jit(starts).trace(key_of_starts, model.traced_arguments)
        state = (begun.out_info[0], jax.ShapeDtypeStruct((), int))
        return [begun, jax.jit(advance).trace(state, model.traced_arguments, 0, (0, 1))], state

    programs = load_or_compile(
        (key_of_starts, model.traced_arguments), [*made_from, size], plan, quick=(0,)
    )
    begin, go = programs.run
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    like = jax.tree.map(
        lambda one: jax.ShapeDtypeStruct(one.shape, one.dtype, sharding=here), programs.notes
    )

    def start():
        state, loss = begin(key_of_starts, model.traced_arguments)
        if not np.isfinite(loss):
            raise nonfinite_start_error(model)
        return state, jnp.zeros((), int)

    def phase(
        name: str,
        first: Callable,
        steps: int,
        since: tuple[int, int],
        rule: StoppingRule | None,
        lasting: bool,
    ) -> RunResult:
        work = ChunkedProgram(
            start=first,
            advance=lambda state, count, recording: go(state, model.traced_arguments, count, since),
            like=like,
            warmup=0,
            draws=steps,
            size=size,
            unit="steps",
            rule=rule,
            lasting=lasting,
        )
        return run_chunks(work, options.for_phase(name))

    every = max(1, int(CHECK_FRACTION * settings["steps"]))
    rule = StoppingRule(
        name="converged",
        next=lambda done: (max(done, 3 * every) // every + 1) * every,
        reached=lambda records: has_converged(records[".loss"][0], settings["tolerance"]),
    )
    driven = phase(
        "whole", start, whole, (settings["steps"], 1), rule if settings["tolerance"] else None, True
    )
    losses, sizes, seconds = (
        driven.records[".loss"][0],
        driven.records[".step_size"][0],
        driven.seconds,
    )
    if settings["schedule"] == "decay":
        length = max(1, round(driven.draws * (1 - FULL_STEP_FRACTION) / FULL_STEP_FRACTION))
        after = phase("decay", lambda: driven.state, length, (driven.draws, length), None, True)
        losses, sizes = (
            np.concatenate([one, after.records[name][0]])
            for one, name in ((losses, ".loss"), (sizes, ".step_size"))
        )
        seconds, state = seconds + after.seconds, after.state
    else:
        state = driven.state
    if not np.isfinite(losses).all():
        step = int(np.argmin(np.isfinite(losses))) + 1
        sentence = f"{model.name}: svi: the loss is not finite from step {step} on; take a smaller step_size, or another guide"
        raise nonfinite_start_error(model, sentence)
    optimisation = xr.Dataset(
        {
            "loss": ("step", losses, {"long_name": "loss", "units": "nats"}),
            "step_size": ("step", sizes),
        },
        {"step": np.arange(1, len(losses) + 1)},
    )
    effort = {
        "gradient_evaluations": len(losses) * settings["particles"],
        "stopped": "converged" if driven.stopped == "converged" else "steps",
        "optimisation": optimisation,
    }
    pool = settings["draws"] * (POOL_FACTOR if settings["resample"] else 1)
    (draws, best), compiled, ran = compile_and_run(
        lambda state, key, traced: problem.draws(state[0], key, traced, pool),
        (state, key_of_draws, model.traced_arguments),
        [*made_from, "draws", pool],
    )
    effort |= {"compile_seconds": programs.seconds + compiled, "run_seconds": seconds + ran}
    effort["guide"] = xr.Dataset(
        {
            name: ([f"{name}_dim_{i}" for i in range(value.ndim)], value)
            for name, value in best.items()
        }
    )
    sites, statistics = jax.tree.map(lambda values: values[None], draws)
    if settings["guide"] == "AutoDelta":
        return FitResult(
            sampling="point", point={name: values[0, 0] for name, values in sites.items()}, **effort
        )
    if not settings["resample"]:
        return FitResult(sampling="independent", posterior=sites, statistics=statistics, **effort)
    weights = (statistics["log_p"] - statistics["log_q"])[0]
    again = resample_draws(sites, weights, settings["draws"], stream.generator("resample"))
    return FitResult(sampling="independent", **again, **effort)
