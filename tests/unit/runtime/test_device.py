"""Each test starts a process, since JAX is set up once per process."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

PROGRAM = """
import json, os, sys
from pathlib import Path
from posterity.runtime.device import configure_jax, describe_device

threads, float_type, chains = json.loads(sys.argv[1])
cores = os.sched_getaffinity(0)
configure_jax(threads, float_type, chains)
import jax, jax.numpy as jnp
tasks = [int(task.name) for task in Path("/proc/self/task").iterdir()]
print(json.dumps({
    "devices": len(jax.devices()),
    "dtype": str(jnp.zeros(1).dtype),
    "affinity_kept": all(os.sched_getaffinity(task) == cores for task in tasks),
    "device": describe_device(),
    "flags": os.environ["XLA_FLAGS"],
    "cores": len(cores),
}))
"""


def configure(threads, float_type, chains, **environment):
    removed = ("XLA_FLAGS", "JAX_ENABLE_X64")
    base = {name: value for name, value in os.environ.items() if name not in removed}
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps([threads, float_type, chains])],
        env=base | {"PYTHONPATH": str(ROOT / "workflow/lib"), "JAX_PLATFORMS": "cpu"} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(process.stdout)


@pytest.fixture(scope="module")
def configured():
    return configure(2, "float64", 4, XLA_FLAGS="--xla_cpu_enable_fast_math=false")


@pytest.fixture(scope="module")
def odd_chains():
    return configure(2, "float32", 3)


def test_the_number_of_devices_is_the_largest_divisor_of_the_chains(configured):
    assert configured["devices"] == min(2, configured["cores"])


def test_flags_of_the_user_stay(configured):
    assert "--xla_cpu_enable_fast_math=false" in configured["flags"]


def test_threads_may_use_all_cores_after_the_start(configured):
    assert configured["affinity_kept"]


def test_the_device_has_platform_and_kind(configured):
    assert configured["device"] == "cpu (cpu)"


def test_the_float_type_is_set(configured, odd_chains):
    assert configured["dtype"] == "float64"
    assert odd_chains["dtype"] == "float32"


def test_chains_that_no_number_of_threads_divides_share_one_device(odd_chains):
    assert odd_chains["devices"] == 1
