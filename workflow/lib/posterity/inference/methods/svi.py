"""
Variational inference, by NumPyro's guides.

Hoffman et al. 2013, JMLR 14, 1303; Kucukelbir et al. 2017, JMLR 18, 14.
"""

import copy
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from posterity.inference.guide import GuideProblem
from posterity.inference.importance import resample_draws
from posterity.inference.initial_values import nonfinite_start_error
from posterity.inference.modes import add_modes, find_best_draw
from posterity.inference.program import ChunkedProgram, Loop
from posterity.inference.records import DrawBuffer
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions, RunResult, run_chunks
from posterity.inference.stopping import StoppingRule
from posterity.model.model import BoundModel
from posterity.runtime.compile_cache import compile_and_run
from posterity.runtime.rng import Stream
from posterity.stats.losses import has_converged

FULL_STEP_FRACTION = 0.7  # of the steps have the full step size, before it decays
CHECK_FRACTION = 0.05  # of the steps lie between two checks of the loss
MIN_CHECKS = 3  # the first check of the loss comes after this many intervals, and one
POOL_FACTOR = 5  # draws of the guide for each draw of the result, if they are resampled
MAX_CHUNK_STEPS = 100_000  # steps of a chunk


def fit(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions = RunOptions()
) -> FitResult:
    """
    Fit a guide by maximising the evidence lower bound (ELBO), and draw from it.

    Parameters
    ----------
    model : BoundModel
        The model.
    settings : dict
        The settings of `svi` in the schema.
    stream : Stream
        Randomness of the fit.
    options : RunOptions
        Checkpoint and progress callback.

    Returns
    -------
    FitResult
        Independent draws of shape (1, draw, ...), or a point for AutoDelta. The statistics `log_p`
        and `log_q` are the log densities of the draws under model and guide, from which the Pareto
        k-hat of the approximation follows (Yao et al. 2018, PMLR 80, 5581). `optimisation` has, by
        `step`, the loss (minus the ELBO, in nats) and the step size. `guide` has the final
        parameters of a custom guide.

    Raises
    ------
    UserError
        If the loss is not finite, if the guide does not match the model, or if the model does not
        subsample the plates of `minibatch`.
    """
    problem = GuideProblem(model, settings)
    program = SviProgram(problem, stream)
    program.compile()
    state, stopped, losses = optimise_guide(program, settings, options)
    check_losses(model, losses)
    sites, statistics, effort = draw_from_guide(problem, state, stream)
    effort |= {
        "compile_seconds": program.programs.seconds + effort["compile_seconds"],
        "run_seconds": losses.seconds + effort["run_seconds"],
        "gradient_evaluations": len(losses.loss) * settings["particles"],
        "stopped": "converged" if stopped == "converged" else "steps",
        "optimisation": losses.to_dataset(),
    }
    result = _make_result(sites, statistics, settings, stream, effort)
    solution = find_best_draw(model, sites, statistics["log_p"])
    return add_modes(result, model, settings, stream, solution)


class SviProgram(ChunkedProgram):
    """
    The optimiser of a guide.

    The state has NumPyro's state and the number of steps so far. The records are the loss and the
    step size of each step. The step size falls from its full value to zero by half a cosine; it
    starts to fall after `full_steps`.

    Attributes
    ----------
    full_steps, decay_steps : int
        Number of steps at the full step size, and of steps over which it falls.
    first_state : pytree
        The state that a later phase starts from; None for the first phase.
    """

    unit = "steps"

    def __init__(self, problem: GuideProblem, stream: Stream):
        self.problem = problem
        self.settings = problem.settings
        self.full_steps = self.settings["steps"]
        self.decay_steps = 1
        self.first_state: Any = None
        steps = self.settings["steps"]
        super().__init__(problem.model, stream.key("svi"), steps, min(steps, MAX_CHUNK_STEPS))
        self.saves_end = True  # another phase, or the draws of the guide, follow each phase

    @property
    def cache_key(self) -> list:
        """The model, the guide, the settings, and the length of a chunk."""
        return [*self.problem.cache_key, self.chunk_size]

    def init(self, inputs: jax.Array, traced: dict) -> tuple[Any, Any]:
        """Return the best of several starts, and its loss."""

        def keep_better(best, key):
            state, loss = self.problem.begin(key, traced)
            is_better = jnp.isfinite(loss) & (loss < best[1])
            chosen = jax.tree.map(
                lambda new, old: jnp.where(is_better, new, old), (state, loss), best
            )
            return chosen, None

        shapes = jax.eval_shape(self.problem.begin, inputs, traced)[0]
        empty = jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)
        keys = jax.random.split(inputs, self.settings["restarts"])
        (state, loss), _ = jax.lax.scan(keep_better, (empty, jnp.inf), keys)
        return (state, jnp.zeros((), int)), loss

    def make_loop(self, traced: dict, parameters: tuple) -> Loop:
        """Return a step of the optimiser."""
        full_steps, decay_steps = parameters
        update = self.problem.update(traced)

        def step(carry):
            state, count = carry
            fraction = jnp.clip((count - full_steps) / decay_steps, 0, 1)
            step_size = self.settings["step_size"] * 0.5 * (1 + jnp.cos(jnp.pi * fraction))
            state, loss = update(state, step_size)
            return (state, count + 1), {".loss": loss, ".step_size": step_size}

        def extract(records):
            return {name: values[None] for name, values in records.items()}

        return Loop(step, extract)

    def make_parameters(self, recording: bool) -> tuple:
        """Return when the step size starts to fall, and over how many steps."""
        return self.full_steps, self.decay_steps

    def record_shapes(self, step: Any, state: Any) -> dict:
        """Return the shapes of the record: two numbers."""
        number = jax.ShapeDtypeStruct((), float)
        return {".loss": number, ".step_size": number}

    def start(self) -> Any:
        """Return the first state of the phase."""
        return super().start() if self.first_state is None else self.first_state


class Losses(NamedTuple):
    """The loss (nats) and the step size of each step, shape (step,), and the seconds in all."""

    loss: np.ndarray
    step_size: np.ndarray
    seconds: float

    def to_dataset(self) -> xr.Dataset:
        """Return loss and step size by step."""
        return xr.Dataset(
            {
                "loss": ("step", self.loss, {"long_name": "loss", "units": "nats"}),
                "step_size": ("step", self.step_size),
            },
            {"step": np.arange(1, len(self.loss) + 1)},
        )


def optimise_guide(
    program: SviProgram, settings: dict, options: RunOptions
) -> tuple[Any, str, Losses]:
    """
    Fit the guide in one phase at the full step size, and one in which it decays if the schedule
    says so.

    Returns the last state, why the first phase stopped, and the losses.
    """
    program.full_steps = settings["steps"]
    is_decaying = settings["schedule"] == "decay"
    steps = int(FULL_STEP_FRACTION * settings["steps"]) if is_decaying else settings["steps"]
    first = copy.copy(program)
    first.max_steps = steps
    first.stopping_rule = _make_loss_rule(settings) if settings["tolerance"] else None
    run = run_chunks(first, options.for_phase("whole"))
    phases = [run]
    if is_decaying:
        fraction = (1 - FULL_STEP_FRACTION) / FULL_STEP_FRACTION
        decay = copy.copy(program)
        decay.first_state = run.state
        decay.full_steps = run.draws
        decay.decay_steps = max(1, round(run.draws * fraction))
        decay.max_steps = decay.decay_steps
        phases.append(run_chunks(decay, options.for_phase("decay")))
    return phases[-1].state, run.stopped, _join_losses(phases)


def check_losses(model: BoundModel, losses: Losses) -> None:
    """Raise UserError if a loss is not finite."""
    if np.isfinite(losses.loss).all():
        return
    step = int(np.argmin(np.isfinite(losses.loss))) + 1
    sentence = (
        f"{model.name}: svi: the loss is not finite from step {step} on. "
        "Choose a smaller step_size, or another guide."
    )
    raise nonfinite_start_error(model, sentence)


def draw_from_guide(problem: GuideProblem, state: Any, stream: Stream) -> tuple[dict, dict, dict]:
    """
    Draw from the fitted guide.

    Returns the draws by site, the statistics `log_p` and `log_q` (all of shape (1, draw, ...)), and
    the parts of a result that say what it took: `compile_seconds`, `run_seconds` and `guide`.
    """
    settings = problem.settings
    count = settings["draws"] * (POOL_FACTOR if settings["resample"] else 1)

    def draw(state, key, traced):
        return problem.draws(state[0], key, traced, count)

    (draws, parameters), compile_seconds, run_seconds = compile_and_run(
        draw,
        (state, stream.key("draws"), problem.model.traced_arguments),
        [*problem.cache_key, "draws", count],
    )
    sites, statistics = jax.tree.map(lambda values: values[None], draws)
    guide = {
        name: ([f"{name}_dim_{axis}" for axis in range(value.ndim)], value)
        for name, value in parameters.items()
    }
    effort = {
        "compile_seconds": compile_seconds,
        "run_seconds": run_seconds,
        "guide": xr.Dataset(guide),
    }
    return sites, statistics, effort


def _make_result(
    sites: dict, statistics: dict, settings: dict, stream: Stream, effort: dict
) -> FitResult:
    """Return the result of a fit from the draws of its guide; resampled ones, if it asks so."""
    if settings["guide"] == "AutoDelta":
        point = {name: values[0, 0] for name, values in sites.items()}
        return FitResult(sampling="point", point=point, **effort)
    if not settings["resample"]:
        return FitResult(sampling="independent", posterior=sites, statistics=statistics, **effort)
    weights = (statistics["log_p"] - statistics["log_q"])[0]
    resampled = resample_draws(sites, weights, settings["draws"], stream.generator("resample"))
    return FitResult(sampling="independent", **resampled, **effort)


def _make_loss_rule(settings: dict) -> StoppingRule:
    """Return the rule that ends the first phase once the loss has converged."""
    interval = max(1, int(CHECK_FRACTION * settings["steps"]))

    def compute_next_check(steps: int) -> int:
        return (max(steps, MIN_CHECKS * interval) // interval + 1) * interval

    def is_reached(records: DrawBuffer) -> bool:
        return has_converged(records[".loss"][0], settings["tolerance"])

    return StoppingRule("converged", compute_next_check, is_reached)


def _join_losses(phases: list[RunResult]) -> Losses:
    """Return the losses of all phases, one after another."""
    return Losses(
        np.concatenate([run.records[".loss"][0] for run in phases]),
        np.concatenate([run.records[".step_size"][0] for run in phases]),
        sum(run.seconds for run in phases),
    )
