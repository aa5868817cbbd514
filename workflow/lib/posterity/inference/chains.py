"""Sampling of chains by a kernel of NumPyro's."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer.util import potential_energy

from posterity.errors import UserError
from posterity.inference.initial_values import choose_init_strategy
from posterity.inference.program import (
    ChainSharding,
    ChunkedProgram,
    Loop,
    compute_chunk_size,
    count_numbers,
    select_program_settings,
)
from posterity.inference.records import DrawBuffer
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions, RunResult, run_chunks
from posterity.inference.stopping import compute_max_draws
from posterity.model.model import BoundModel
from posterity.model.reparam import reparametrise
from posterity.runtime.rng import Stream

KEY_SHAPE = 2  # uint32 of a raw random key


@dataclass(frozen=True)
class KernelSpec:
    """
    A kernel of NumPyro's for a model.

    Attributes
    ----------
    kernel : Callable
        Returns a new kernel. Each trace needs one, as a kernel stores functions of the trace that
        it was initialised in.
    fields : dict of str to Callable
        Functions of the kernel's state, by the name under which they are recorded.
    cache_key : dict
        The settings that the compiled programs depend on.
    evaluations : str
        The field that counts gradient evaluations, if there is one.
    is_ensemble : bool
        All chains are one state of the kernel.
    repeated_if : str
        A field of true and false. The fit repeats a run in which it is true of any draw.
    """

    kernel: Callable
    fields: dict[str, Callable]
    cache_key: dict
    evaluations: str = ""
    is_ensemble: bool = False
    repeated_if: str = ""


class KernelProgram(ChunkedProgram):
    """
    Chains of a kernel.

    The records are the draws by site, and the fields of the kernel's state under names that begin
    with a dot. The state is the kernel's with the number of gradient evaluations.

    Parameters
    ----------
    spec : KernelSpec
        The kernel.
    model : BoundModel
        The model.
    keys : np.ndarray
        Raw random keys, shape (chain, 2).
    warmup, draws : int
        Iterations per chain that adapt, and that are recorded at most.
    thin : dict of str to int
        The sites to record and the thinning interval of each.
    positions : dict of str to np.ndarray, optional
        Where the chains start in unconstrained space, shape (chain, ...).
    """

    def __init__(
        self,
        spec: KernelSpec,
        model: BoundModel,
        keys: np.ndarray,
        warmup: int,
        draws: int,
        thin: dict[str, int],
        positions: dict[str, np.ndarray] | None = None,
    ):
        numbers = (count_numbers(model, thin) + len(spec.fields)) * len(keys)
        inputs = (keys, positions)
        if spec.is_ensemble:
            inputs = jax.tree.map(lambda array: array[None], inputs)
        super().__init__(model, inputs, draws, compute_chunk_size(draws, numbers))
        self.spec = spec
        self.warmup = warmup
        self.chains = len(keys)
        self.sharding = ChainSharding(1 if spec.is_ensemble else len(keys))
        self.thin = thin
        self.monitored = tuple(name for name in thin if model.sites[name].role == "latent")

    @property
    def cache_key(self) -> list:
        """The model, the kernel's settings, and the shape of a chunk."""
        return [
            self.model.fingerprint,
            self.spec.cache_key,
            self.warmup,
            self.chunk_size,
            sorted(self.thin),
            self.device_count,
        ]

    def init(self, inputs: tuple, traced: dict) -> tuple[Any, dict]:
        """
        Initialise the kernel.

        The check has the energy, NaN if the gradient is not finite, and the values of the sites.
        """
        key, position = inputs
        kernel, state = self._init_kernel(key, traced, position)

        def compute_energy(z):
            return potential_energy(kernel.model, (), traced, z)

        if "potential_energy" in state._fields:
            energy = state.potential_energy
        else:
            energy = (jax.vmap(compute_energy) if self.spec.is_ensemble else compute_energy)(
                state.z
            )
        if "z_grad" in state._fields:
            is_finite = [jnp.isfinite(slope).all() for slope in jax.tree.leaves(state.z_grad)]
            energy = jnp.where(jnp.stack(is_finite).all(), energy, jnp.nan)
        constrain = kernel.postprocess_fn((), traced)
        sites = (jax.vmap(constrain) if self.spec.is_ensemble else constrain)(state.z)
        latent = {name: sites[name] for name in self.model.continuous_latents}
        return (state, jnp.zeros((), int)), {"energy": energy, "sites": latent}

    def is_valid_start(self, check: dict) -> bool:
        """Return whether the density and its gradient are finite where the chains start."""
        return bool(np.isfinite(check["energy"]).all())

    def is_followed(self, records: DrawBuffer) -> bool:
        """Return whether the fit repeats the run."""
        return bool(records.true_counts.get(f".{self.spec.repeated_if}", 0))

    def find_initial_values(self) -> dict[str, np.ndarray]:
        """
        Return where the chains start: the value of each continuous latent site, (chain, ...).

        A run that resumed from a checkpoint has not started here, and starts once more.
        """
        if self.start_check is None:
            self.start()
        sites = self.start_check["sites"]
        return {
            name: values[0] if self.spec.is_ensemble else values for name, values in sites.items()
        }

    def make_loop(self, traced: dict, parameters: tuple) -> Loop:
        """Return the kernel's step and the map of its positions to the sites."""
        (recording,) = parameters
        shape = (self.chains, KEY_SHAPE) if self.spec.is_ensemble else KEY_SHAPE
        kernel, _ = self._init_kernel(jnp.zeros(shape, jnp.uint32), traced)
        constrain = jax.vmap(kernel.postprocess_fn((), traced))
        if self.spec.is_ensemble:
            constrain = jax.vmap(constrain)

        def step(carry):
            state, evaluations = carry
            state = kernel.sample(state, (), traced)
            record = self._make_record(state)
            if self.spec.evaluations:
                evaluations = evaluations + self.spec.fields[self.spec.evaluations](state)
            return (state, evaluations), record

        def select_sites(positions):
            sites = constrain(positions)
            return {name: value for name, value in sites.items() if name in self.thin}

        def extract(records):
            positions, fields = records
            shapes = jax.eval_shape(select_sites, positions)
            empty = jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)
            sites = jax.lax.cond(recording, select_sites, lambda _: empty, positions)
            return sites | fields

        return Loop(step, extract)

    def make_parameters(self, recording: bool) -> tuple:
        """Return whether the draws are needed: sites are not computed in the warm-up."""
        return (recording,)

    def record_shapes(self, step: Callable, state: Any) -> Any:
        """Return the shapes of a record without a trace of the kernel's step, which takes time."""
        return jax.eval_shape(self._make_record, state[0])

    def arrange(self, values: dict) -> dict:
        """Return the values with the axes (chain, step, ...), from (1, step, chain, ...)."""
        if not self.spec.is_ensemble:
            return values
        arranged = {}
        for name, value in values.items():
            shared = value.ndim == 2  # one number for the whole ensemble
            rows = jnp.repeat(value[0, :, None], self.chains, 1) if shared else value[0]
            arranged[name] = jnp.swapaxes(rows, 0, 1)
        return arranged

    def cut_warmup(self, state: Any) -> Any:
        """Return a state that counts as the last but one of the warm-up."""
        if self.spec.is_ensemble:
            return state
        inner, evaluations = state
        return inner._replace(i=jnp.full_like(inner.i, self.warmup - 1)), evaluations

    def count_evaluations(self, state: Any) -> int:
        """Return the number of gradient evaluations of all chains."""
        return int(np.sum(state[1])) if self.spec.evaluations else 0

    def _init_kernel(self, key, traced, position=None):
        with jax.ensure_compile_time_eval():  # a kernel computes with its settings
            kernel = self.spec.kernel()
        state = kernel.init(key, self.warmup, position, (), traced)
        return kernel, state

    def _make_record(self, state):
        return state.z, {f".{name}": field(state) for name, field in self.spec.fields.items()}


def sample_chains(
    model: BoundModel,
    settings: dict,
    stream: Stream,
    options: RunOptions,
    kernel: Callable,
    fields: dict[str, Callable],
    evaluations: str = "",
    ensemble: bool = False,
    repeated_if: str = "",
) -> tuple[FitResult, dict[str, np.ndarray]]:
    """
    Sample chains by a kernel of NumPyro's.

    Parameters
    ----------
    model : BoundModel
        The model. Discrete latent sites are marginalised, and drawn after the run.
    settings : dict
        The entry of the fit: chains, warmup, draws, init, stop_when, and others of the kernel.
    stream : Stream
        Randomness of the fit.
    options : RunOptions
        Checkpoint, progress callback and thinning.
    kernel : Callable
        `kernel(function, init_strategy)` returns a kernel for a model function.
    fields : dict of str to Callable
        Functions of the kernel's state to record.
    evaluations : str
        The field that counts gradient evaluations, if there is one.
    ensemble : bool
        All chains are one state of the kernel.
    repeated_if : str
        The field that decides whether the caller repeats the run, if there is one.

    Returns
    -------
    result : FitResult
        The result, without statistics.
    fields : dict of str to np.ndarray
        The fields, shape (chain, draw).

    Raises
    ------
    UserError
        If settings name a site that the model does not have, or if the density is not finite at the
        start of a chain.
    """
    function = _transform_function(model, settings)
    start = choose_init_strategy(model, settings)
    cache_key = select_program_settings(settings)
    spec = KernelSpec(
        lambda: kernel(function, start), fields, cache_key, evaluations, ensemble, repeated_if
    )
    keys = stream.keys("chain", settings["chains"])
    positions = _find_positions(model, settings, function, start, keys)
    thin = _select_recorded_sites(model, options)
    draws = compute_max_draws(settings)
    program = KernelProgram(spec, model, keys, settings["warmup"], draws, thin, positions)
    program.compile()
    run = run_chunks(program, replace(options, stop_when=settings.get("stop_when", {})))
    result = _make_result(program, run)
    if model.discrete_latents:
        result = _add_discrete_sites(result, run, model, options, stream)
    return result, {name: run.records[f".{name}"] for name in fields}


def _transform_function(model: BoundModel, settings: dict) -> Callable:
    """Return the model function that the kernel sees: reparametrised, without discrete sites."""
    function = reparametrise(model, settings)
    if not model.discrete_latents:
        return function
    from posterity.inference.enumeration import marginalise_discrete

    return marginalise_discrete(function, model, list(settings.get("reparam", {})))


def _find_positions(
    model: BoundModel, settings: dict, function: Callable, start: Callable, keys: np.ndarray
) -> dict[str, np.ndarray] | None:
    """Return where the chains start, if Pathfinder finds their starts."""
    if settings["init"] != "pathfinder":
        return None
    # Imported here: blackjax takes a second, and few fits start from Pathfinder.
    from posterity.inference.methods.pathfinder import find_start_positions

    return find_start_positions(model, function, start, keys)


def _select_recorded_sites(model: BoundModel, options: RunOptions) -> dict[str, int]:
    """Return the sites that the run records, with their thinning intervals."""
    if not model.discrete_latents:
        return options.recorded_sites(model)
    # The discrete sites, and what may depend on them, are computed from all continuous draws.
    return {name: 1 for name in model.site_names("latent") if not model.sites[name].discrete}


def _make_result(program: KernelProgram, run: RunResult) -> FitResult:
    """Return the result of a run, without statistics."""
    records = run.records
    return FitResult(
        sampling="chains",
        gradient_evaluations=int(np.sum(run.state[1])),
        compile_seconds=program.programs.seconds,
        run_seconds=run.seconds,
        posterior={
            name: records.stream(name) for name in records.names if not name.startswith(".")
        },
        recorded=program.thin,
        stopped=run.stopped,
        warmup=run.warmup,
        initial_values=program.find_initial_values(),
    )


def _add_discrete_sites(
    result: FitResult, run: RunResult, model: BoundModel, options: RunOptions, stream: Stream
) -> FitResult:
    """Draw the discrete sites given the others, and compute the deterministic ones."""
    from posterity.inference.enumeration import sample_discrete

    sites = options.recorded_sites(model)
    computed = [
        name
        for name in sites
        if model.sites[name].discrete or model.sites[name].role == "deterministic"
    ]
    continuous = {name: run.records[name] for name in result.posterior}
    drawn, compile_seconds, run_seconds = sample_discrete(
        model, continuous, computed, stream.key("discrete")
    )
    return replace(
        result,
        posterior=result.posterior | drawn,
        compile_seconds=result.compile_seconds + compile_seconds,
        run_seconds=result.run_seconds + run_seconds,
    )


def check_walkers(model: BoundModel, settings: dict) -> None:
    """Raise UserError if the walkers are too few, odd in number, or all start at one value."""
    place = f"{model.name}: {settings['method']}"
    if isinstance(settings["init"], dict):
        raise UserError(
            f"{place}: init: walkers that all start at one value never leave it, as each moves "
            "along the others. Choose uniform, sample or pathfinder."
        )
    size = count_numbers(model, model.site_names("latent"))
    if settings["chains"] % 2 or settings["chains"] < size + 2:
        raise UserError(
            f"{place}: chains: {settings['chains']} walkers for {size} latent numbers are too few "
            f"or odd. Choose an even number of at least {size + 2 + size % 2}, better twice the "
            f"latent numbers ({2 * size}) or more."
        )
