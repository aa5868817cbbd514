"""
ChEES-HMC: many chains that adapt one trajectory length together.

Hoffman, Radul & Sountsov 2021, PMLR 130, 3907.
"""

from dataclasses import replace
from typing import Any

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
import optax
from blackjax.mcmc import dynamic_hmc
from numpyro.infer.util import initialize_model

from posterity.inference.initial_values import INIT_STRATEGIES
from posterity.inference.program import (
    ChunkedProgram,
    Loop,
    compute_chunk_size,
    count_numbers,
    select_program_settings,
)
from posterity.inference.result import FitResult
from posterity.inference.run import RunOptions, run_chunks
from posterity.inference.stopping import compute_max_draws
from posterity.model.model import BoundModel
from posterity.runtime.rng import Stream

HALTON_BITS = 20  # of the numbers that vary the trajectories: they repeat after a million draws
FIRST_STEP_SIZE = 0.1
LEARNING_RATE = 0.05  # of the adaptation of the trajectory length
STATISTICS = 5  # numbers that are recorded of each draw, besides the sites


def fit(
    model: BoundModel, settings: dict, stream: Stream, options: RunOptions = RunOptions()
) -> FitResult:
    """
    Sample the posterior by many short chains in one batch, which suits GPUs.

    All chains adapt together in the warm-up, which is one chunk.

    Parameters
    ----------
    model : BoundModel
        The model.
    settings : dict
        The settings of `chees` in the schema.
    stream : Stream
        Randomness of the fit.
    options : RunOptions
        Checkpoint, progress callback and thinning.

    Returns
    -------
    FitResult
        Draws of shape (chain, draw, ...), and statistics of shape (chain, draw).

    Raises
    ------
    UserError
        If the density is not finite at the start of a chain.
    """
    program = CheesProgram(model, settings, stream, options.recorded_sites(model))
    program.compile()
    run = run_chunks(program, replace(options, stop_when=settings["stop_when"]))
    records = run.records
    statistics = {name[1:]: records[name] for name in records.names if name.startswith(".")}
    statistics["step_size"] = np.full(statistics["lp"].shape, float(run.state[1][0]))
    return FitResult(
        sampling="chains",
        gradient_evaluations=program.count_evaluations(run.state),
        compile_seconds=program.programs.seconds,
        run_seconds=run.seconds,
        posterior={name: records.stream(name) for name in program.thin},
        recorded=program.thin,
        statistics=statistics,
        initial_values={name: np.asarray(values) for name, values in run.state[4].items()},
        stopped=run.stopped,
        warmup=settings["warmup"],
    )


class CheesProgram(ChunkedProgram):
    """
    All chains in one batch. `init` runs the warm-up.

    The state has the chains, what the warm-up tuned (step size, inverse mass matrix, trajectory
    length in leapfrogs), a key, the number of gradient evaluations, and where the chains started.
    """

    low_effort = ()  # the warm-up is in the program that starts

    def __init__(self, model: BoundModel, settings: dict, stream: Stream, thin: dict[str, int]):
        chains = settings["chains"]
        keys = [stream.key("all"), *(stream.key("chain", chain) for chain in range(chains))]
        numbers = chains * (count_numbers(model, thin) + STATISTICS)
        chunk_size = compute_chunk_size(settings["draws"], numbers)
        super().__init__(model, np.stack(keys), compute_max_draws(settings), chunk_size)
        self.settings = settings
        self.chains = chains
        self.thin = thin
        self.monitored = tuple(model.site_names("latent"))

    @property
    def cache_key(self) -> list:
        """The model, the settings, and the shape of a chunk."""
        settings = select_program_settings(self.settings)
        return ["chees", self.model.fingerprint, list(self.thin), self.chunk_size, settings]

    def init(self, inputs: np.ndarray, traced: dict) -> tuple[Any, jax.Array]:
        """Run the warm-up; the check is the log density at each start, NaN without a gradient."""
        key, keys = inputs[0], inputs[1:]
        positions = jax.lax.map(lambda key: self._pose(key, traced)[0], keys)
        _, density, constrain = self._pose(key, traced)
        sites = jax.lax.map(constrain, positions)
        starts = {name: sites[name] for name in self.model.continuous_latents}
        start_density, slopes = jax.vmap(jax.value_and_grad(density))(positions)
        for slope in jax.tree.leaves(slopes):
            is_finite = jnp.isfinite(slope).reshape(self.chains, -1).all(1)
            start_density = jnp.where(is_finite, start_density, jnp.nan)
        adaptation = blackjax.chees_adaptation(
            density,
            self.chains,
            mass_matrix_estimation="diagonal",
            target_acceptance_rate=self.settings["target_accept"],
        )
        result, _ = adaptation.run(
            key, positions, FIRST_STEP_SIZE, optax.adam(LEARNING_RATE), self.settings["warmup"]
        )
        tuned = (
            result.parameters["step_size"],
            result.parameters["inverse_mass_matrix"],
            result.parameters["integration_steps_params"][0],
        )
        step_key = jax.random.split(key)[1]
        state = (result.state, tuned, step_key, jnp.zeros((), int), starts)
        return state, start_density

    def make_loop(self, traced: dict, parameters: tuple) -> Loop:
        """Return a trajectory of every chain, whose length follows a Halton sequence."""
        _, density, constrain = self._pose(jnp.zeros(2, jnp.uint32), traced)

        def draw_leapfrogs(index, length):
            fraction = dynamic_hmc.halton_sequence(index, HALTON_BITS)
            return jnp.asarray(jnp.ceil(fraction * length), int)

        kernel = dynamic_hmc.build_kernel(
            next_random_arg_fn=lambda index: index + 1, integration_steps_fn=draw_leapfrogs
        )

        def step(state):
            chains, tuned, key, evaluations, starts = state
            step_size, inverse_mass, length = tuned

            def move_chain(key, chain):
                return kernel(key, chain, density, step_size, inverse_mass, (length,))

            key, step_key = jax.random.split(key)
            chains, info = jax.vmap(move_chain)(jax.random.split(step_key, self.chains), chains)
            evaluations = evaluations + jnp.sum(info.num_integration_steps)
            return (chains, tuned, key, evaluations, starts), _make_record(chains, info)

        def extract(records):
            positions, fields = records
            sites = jax.lax.map(jax.vmap(constrain), positions)
            values = {name: sites[name] for name in self.thin} | fields
            return jax.tree.map(lambda value: jnp.swapaxes(value, 0, 1), values)

        return Loop(step, extract)

    def count_evaluations(self, state: Any) -> int:
        """Return the number of gradient evaluations of all chains since the warm-up."""
        return int(state[3])

    def _pose(self, key, traced):
        """Return a start in unconstrained space, the log density, and the map to the sites."""
        info = initialize_model(
            key,
            self.model.full_data,
            init_strategy=INIT_STRATEGIES[self.settings["init"]],
            dynamic_args=True,
            model_kwargs=traced,
        )
        potential = info.potential_fn(**traced)
        return info.param_info.z, (lambda z: -potential(z)), info.postprocess_fn(**traced)


def _make_record(chains: Any, info: Any) -> tuple:
    """Return the positions of all chains and the statistics of their steps."""
    fields = {
        ".acceptance_rate": info.acceptance_rate,
        ".diverging": info.is_divergent,
        ".energy": info.energy,
        ".lp": chains.logdensity,
        ".n_steps": info.num_integration_steps,
    }
    return chains.position, fields
