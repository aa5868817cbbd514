"""Compiled loops that advance in chunks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from posterity.errors import UserError
from posterity.inference import program as program_module
from posterity.inference.program import (
    ChainSharding,
    ChunkedProgram,
    Loop,
    compute_chunk_size,
    count_numbers,
    restore_state,
    select_program_settings,
)
from posterity.inference.run import RunOptions, run_chunks

MODEL = """
def model(y):
    mu = numpyro.sample("mu", dist.Normal(0, 1).expand([3]).to_event(1))
    numpyro.sample("y", dist.Normal(mu.sum(), 1), obs=y)
"""


class WalkProgram(ChunkedProgram):
    """Independent random walks, with the number of the step as a record."""

    def __init__(self, model, chains=4, max_steps=10, chunk_size=4, is_sharded=True):
        keys = np.arange(2 * chains, dtype=np.uint32).reshape(chains, 2)
        super().__init__(model, keys, max_steps, chunk_size)
        self.chains = chains
        if is_sharded:
            self.sharding = ChainSharding(chains)

    @property
    def cache_key(self):
        return ["walk", self.chunk_size, self.device_count]

    def init(self, inputs, traced):
        return (inputs, jnp.zeros(()), jnp.zeros((), int)), traced["y"] * jnp.ones(())

    def make_loop(self, traced, parameters):
        def step(state):
            key, position, number = state
            key, step_key = jax.random.split(key)
            position = position + jax.random.normal(step_key)
            return (key, position, number + 1), {"position": position, "number": number}

        return Loop(step, lambda records: records)


@pytest.fixture
def model(bind_source):
    return bind_source(MODEL, y=np.float64(0.5))


def run(program, **options):
    program.compile()
    return run_chunks(program, RunOptions(**options))


def test_records_do_not_depend_on_the_length_of_the_chunks(model):
    first = run(WalkProgram(model, chunk_size=4)).records
    second = run(WalkProgram(model, chunk_size=7)).records
    for name in ("position", "number"):
        np.testing.assert_array_equal(first[name], second[name])
    assert first["position"].shape == (4, 10)
    np.testing.assert_array_equal(first["number"], np.tile(np.arange(10), (4, 1)))


def test_chunk_advances_by_the_count_alone(model):
    program = WalkProgram(model)
    program.compile()
    state, values = program.advance(program.start(), 3, True)
    np.testing.assert_array_equal(state[2], [3, 3, 3, 3])
    assert values["number"].shape == (4, 4)


def test_run_does_not_start_where_the_density_is_not_finite(bind_source):
    program = WalkProgram(bind_source(MODEL, y=np.float64(np.nan)))
    program.compile()
    with pytest.raises(UserError, match="not finite"):
        program.start()


def test_state_is_restored_to_its_devices(model):
    program = WalkProgram(model)
    program.compile()
    state, _ = program.advance(program.start(), 2, True)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    restored = restore_state(leaves, program.state_shapes)
    assert jax.tree.structure(restored) == jax.tree.structure(state)
    assert restored[1].sharding.is_equivalent_to(state[1].sharding, 1)
    np.testing.assert_array_equal(
        program.advance(restored, 2, True)[0][1], program.advance(state, 2, True)[0][1]
    )


def test_state_of_another_shape_is_refused(model):
    program = WalkProgram(model)
    program.compile()
    with pytest.raises(UserError, match=r"another shape\. Delete the folder results/checkpoints"):
        restore_state([np.zeros(3)], program.state_shapes)


def test_third_program_reads_the_last_state(model):
    class WithEnd(WalkProgram):
        def extract_state(self, state, traced):
            return 2 * state[1]

        @property
        def cache_key(self):
            return ["walk with end"]

    program = WithEnd(model)
    result = run(program)
    np.testing.assert_array_equal(
        program.run_extract_state(result.state), 2 * result.records["position"][:, -1]
    )


@pytest.mark.parametrize(
    ("steps", "numbers", "size"), [(100, 1, 100), (10_000, 1000, 4000), (10, 10**9, 1)]
)
def test_chunk_has_a_bounded_size(steps, numbers, size):
    assert program_module.CHUNK_BYTES == 32e6
    assert compute_chunk_size(steps, numbers) == size


def test_cache_key_ignores_what_no_loop_depends_on():
    settings = {
        "method": "nuts",
        "warmup": 10,
        "draws": 5,
        "store": {},
        "stop_when": {"ess": 1},
        "models": ["a"],
        "resample": True,
    }
    assert set(select_program_settings(settings)) == {"method", "warmup", "resample"}
    assert set(select_program_settings(settings, ("resample",))) == {"method", "warmup"}


def test_numbers_of_sites_are_counted(model):
    assert count_numbers(model, ["mu", "y"]) == 4


def test_devices_divide_the_chains(monkeypatch):
    devices = jax.devices() * 4
    monkeypatch.setattr(jax, "devices", lambda: devices)
    monkeypatch.setattr(program_module, "Mesh", lambda devices, axes: devices)
    monkeypatch.setattr(program_module, "NamedSharding", lambda mesh, spec: len(mesh))
    assert [ChainSharding(chains).count for chains in (1, 2, 3, 4, 6)] == [1, 2, 3, 4, 3]
