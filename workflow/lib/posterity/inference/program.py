"""
Compiled loops that advance in chunks.

A sampler of chains, nested sampling and an optimiser are one loop. `init` makes a state, `step`
changes it and returns a record of the step, and `extract` turns the records of a chunk into the
values to keep (the shape of blackjax's algorithms). `ChunkedProgram` compiles such a loop into a
program that starts it and one that advances it; `posterity.inference.run` runs them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding
from jax.stages import Traced

from posterity.errors import UserError
from posterity.inference.initial_values import nonfinite_start_error
from posterity.inference.records import DrawBuffer
from posterity.model.model import BoundModel
from posterity.runtime.compile_cache import CompiledPrograms, load_or_compile

CHUNK_BYTES = 32e6  # bytes of the records of a chunk
NUMBER_BYTES = 8  # bytes of a number of a record
# Settings of a fit that select models, end or repeat a run, or choose what to store. No compiled
# loop depends on them.
RUN_SETTINGS = ("models", "draws", "stop_when", "store", "retry")


def compute_chunk_size(steps: int, numbers: int) -> int:
    """Return the steps of a chunk: `steps`, or fewer if each records many `numbers`."""
    return int(max(1, min(steps, CHUNK_BYTES // (NUMBER_BYTES * numbers))))


def select_program_settings(settings: dict, ignored: tuple[str, ...] = ()) -> dict:
    """
    Return the settings of a fit that a compiled loop may depend on, for its cache key.

    They are all but RUN_SETTINGS and those that the method ignores in its loop: a setting that is
    kept in error costs a compilation, while one that is dropped in error would bring back the wrong
    program.
    """
    unused = {*RUN_SETTINGS, *ignored}
    return {name: value for name, value in settings.items() if name not in unused}


class Loop(NamedTuple):
    """
    The functions of a loop, within one trace.

    Attributes
    ----------
    step : Callable
        `step(state)` returns the next state and the record of the step, a pytree of arrays.
    extract : Callable
        `extract(records)` returns the values of a chunk by name. `records` has the records with a
        leading axis of steps.
    """

    step: Callable
    extract: Callable


class ChainSharding:
    """
    The devices on which chains run.

    Chains run one after another on a device, in parallel on as many devices as divide their number,
    and batched on a GPU.

    Attributes
    ----------
    count : int
        Number of devices.
    sharding : NamedSharding
        Placement of an array whose leading axis has the chains.
    """

    def __init__(self, chains: int):
        available = jax.devices()
        self.is_batched = available[0].platform == "gpu"
        self.count = max(n for n in range(1, len(available) + 1) if chains % n == 0)
        self.mesh = Mesh(np.array(available[: self.count]), ("chain",))
        self.sharding = NamedSharding(self.mesh, PartitionSpec("chain"))

    def map_chains(self, function: Callable, shared: int) -> Callable:
        """Return a function of all chains; it shares its last `shared` arguments among them."""

        def map_local_chains(inputs, *others):
            def apply(chain):
                return function(chain, *others)

            return jax.vmap(apply)(inputs) if self.is_batched else jax.lax.map(apply, inputs)

        split = PartitionSpec("chain")
        return jax.shard_map(
            map_local_chains,
            mesh=self.mesh,
            in_specs=(split, *[PartitionSpec()] * shared),
            out_specs=split,
            check_vma=False,
        )


class ChunkedProgram(ABC):
    """
    A compiled loop that `run_chunks` advances.

    A subclass defines `init`, `make_loop` and `cache_key`. It may override `make_parameters`,
    `extract_state`, `is_valid_start`, `arrange`, `cut_warmup` and `count_evaluations`. `compile`
    has to be called before `start` and `advance`.

    Attributes
    ----------
    model : BoundModel
        The model, whose traced arguments are an argument of every function.
    inputs : pytree
        What `init` starts from: random keys, for example. With a sharding, its leading axis has the
        chains.
    max_steps : int
        Recorded steps of a run, at most.
    chunk_size : int
        Steps of a chunk, at most.
    warmup : int
        Steps before the first recorded one.
    chains : int
        Number of chains or of independent runs.
    sharding : ChainSharding or None
        Where chains run; None if the state is on one device and has all chains.
    thin : dict of str to int
        Thinning interval of each record that is thinned.
    monitored : tuple of str
        Records whose convergence is reported and compared with the goals of a fit.
    stopping_rule : StoppingRule or None
        The method's own rule, in place of the goals of the fit.
    saves_end : bool
        The checkpoint also holds the end of the run, since another phase of the fit follows.
    start_check : pytree
        What `init` returned besides the state, after `start`.
    """

    unit = "draws"  # what progress messages call a step
    low_effort: ClassVar[tuple[int, ...]] = (0,)  # programs that run once: start, and extract_state

    def __init__(self, model: BoundModel, inputs: Any, max_steps: int, chunk_size: int):
        self.model = model
        self.inputs = inputs
        self.max_steps = max_steps
        self.chunk_size = chunk_size
        self.warmup = 0
        self.chains = 1
        self.sharding: ChainSharding | None = None
        self.thin: dict[str, int] = {}
        self.monitored: tuple[str, ...] = ()
        self.stopping_rule: Any = None
        self.saves_end = False
        self.start_check: Any = None
        self.programs = CompiledPrograms([], None, 0.0)

    @property
    @abstractmethod
    def cache_key(self) -> list:
        """All that the programs depend on, besides the shapes of inputs and data: plain values."""

    @abstractmethod
    def init(self, inputs: Any, traced: dict) -> tuple[Any, Any]:
        """Return the first state, and numbers (a pytree) from which `is_valid_start` judges it."""

    @abstractmethod
    def make_loop(self, traced: dict, parameters: tuple) -> Loop:
        """Return the functions of the loop for one trace, with traced `make_parameters`."""

    def make_parameters(self, recording: bool) -> tuple:
        """Return numbers that the loop depends on and that may change from chunk to chunk."""
        return ()

    def is_valid_start(self, check: Any) -> bool:
        """Return whether a run can start: by default, if all numbers of `init` are finite."""
        return bool(np.isfinite(check).all())

    def is_followed(self, records: DrawBuffer) -> bool:
        """Return whether another phase of the fit follows a run with these records."""
        return self.saves_end

    def arrange(self, values: dict) -> dict:
        """Return the values of a chunk with the axes (chain, step, ...)."""
        return values

    def cut_warmup(self, state: Any) -> Any:
        """Return a state whose warm-up ends at the next step."""
        return state

    def count_evaluations(self, state: Any) -> int:
        """Return the number of gradient evaluations so far, of all chains."""
        return 0

    def extract_state(self, state: Any, traced: dict) -> Any:
        """Return values of the last state. A third program, of a subclass that overrides it."""
        raise NotImplementedError

    @property
    def device_count(self) -> int:
        """Number of devices on which the programs run."""
        return self.sharding.count if self.sharding else 1

    @property
    def state_shapes(self) -> Any:
        """The pytree of the state, with the shape and the placement of each array."""
        return self._place(self.programs.notes)

    def compile(self) -> None:
        """Compile the programs, or read them from the cache."""
        self.programs = load_or_compile(
            (self.inputs, self.model.traced_arguments),
            self.cache_key,
            self._trace,
            self.device_count,
            low_effort=self.low_effort,
        )

    def start(self) -> Any:
        """Return the first state. Raises UserError if the density is not finite there."""
        state, check = self.programs.run[0](self.inputs, self.model.traced_arguments)
        self.start_check = jax.tree.map(np.asarray, check)
        if not self.is_valid_start(self.start_check):
            raise nonfinite_start_error(self.model)
        return state

    def advance(self, state: Any, count: int, recording: bool) -> tuple[Any, dict]:
        """
        Advance a state.

        Parameters
        ----------
        state : pytree
            State from `start` or from an earlier call.
        count : int
            Number of steps, at most `chunk_size`.
        recording : bool
            Whether the records are needed.

        Returns
        -------
        state : pytree
            State after `count` steps.
        values : dict of str to jax.Array
            Records by name, shape (chain, chunk_size, ...). The first `count` along the second axis
            are valid.
        """
        state, values = self.programs.run[1](
            state, self.model.traced_arguments, count, *self.make_parameters(recording)
        )
        return state, self.arrange(values)

    def run_extract_state(self, state: Any) -> Any:
        """Return `extract_state` of the last state, by its compiled program."""
        return self.programs.run[2](state, self.model.traced_arguments)

    def _advance(self, state, traced, count, *parameters):
        step, extract = self.make_loop(traced, parameters)
        shapes = self.record_shapes(step, state)
        empty = jax.tree.map(
            lambda shape: jnp.zeros((self.chunk_size, *shape.shape), shape.dtype), shapes
        )

        def step_and_record(index, carry):
            state, records = carry
            state, record = step(state)
            return state, jax.tree.map(lambda rows, row: rows.at[index].set(row), records, record)

        state, records = jax.lax.fori_loop(0, count, step_and_record, (state, empty))
        return state, extract(records)

    def record_shapes(self, step: Callable, state: Any) -> Any:
        """Return the shapes of the record of a step."""
        return jax.eval_shape(step, state)[1]

    def _trace(self) -> tuple[list[Traced], Any]:
        traced = self.model.traced_arguments
        parameters = self.make_parameters(True)
        start = jax.jit(self._map(self.init, 1)).trace(self.inputs, traced)
        shapes = start.out_info[0]
        state = self._place(shapes)
        advance = jax.jit(self._map(self._advance, 2 + len(parameters)))
        programs = [start, advance.trace(state, traced, 0, *parameters)]
        if type(self).extract_state is not ChunkedProgram.extract_state:
            programs.append(jax.jit(self._map(self.extract_state, 1)).trace(state, traced))
        return programs, shapes

    def _map(self, function: Callable, shared: int) -> Callable:
        return self.sharding.map_chains(function, shared) if self.sharding else function

    def _place(self, shapes: Any) -> Any:
        device = SingleDeviceSharding(jax.devices()[0])
        sharding = self.sharding.sharding if self.sharding else device
        return jax.tree.map(
            lambda shape: jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=sharding), shapes
        )


def count_numbers(model: BoundModel, sites) -> int:
    """Return the number of scalars of some sites."""
    return sum(int(np.prod(model.sites[name].shape)) for name in sites)


def restore_state(leaves: list[np.ndarray], shapes: Any) -> Any:
    """
    Return a state from its arrays, each on its device.

    Raises UserError if the arrays have other shapes or types than `shapes`.
    """
    expected, tree = jax.tree.flatten(shapes)
    found = [(leaf.shape, leaf.dtype) for leaf in leaves]
    if found != [(shape.shape, shape.dtype) for shape in expected]:
        raise UserError(
            "the state in the checkpoint has another shape. "
            "Delete the folder results/checkpoints and run again."
        )
    placed = [
        jax.device_put(leaf, shape.sharding) for leaf, shape in zip(leaves, expected, strict=True)
    ]
    return jax.tree.unflatten(tree, placed)
