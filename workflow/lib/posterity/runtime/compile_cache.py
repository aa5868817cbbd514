"""
Compiled programs, and their cache on disk.

A program that was compiled once, for one model and one shape of data, is read back by the next process. JAX's own cache would still
have to trace the sampler and lower it; here the key is made from what a program comes from: the model as XLA sees it, the settings,
the shapes, this library's source, the versions, and the processor.
"""

import hashlib
import json
import os
import pickle
import platform
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import serialize_executable
from jax.stages import Traced

from posterity.artefact.provenance import get_version


def compile_and_run(function: Callable, arguments: tuple, made_from: list) -> tuple:
    """
    Compile a function, or take it from the cache (see `build`), and run it.

    Returns what it gives back, as NumPy arrays, and the seconds of compilation and of the run.
    """
    programs = load_or_compile(
        arguments, made_from, lambda: ([jax.jit(function).trace(*arguments)], None)
    )
    started = time.perf_counter()
    values = jax.tree.map(np.asarray, jax.block_until_ready(programs.run[0](*arguments)))
    return values, programs.seconds, time.perf_counter() - started


MAX_CACHE_BYTES = 2e9  # bytes of the cache; beyond, what was not used for longest goes
SUFFIX = ".program"
LOW_EFFORT_OPTIONS = {
    "xla_backend_optimization_level": 1,
    "xla_llvm_disable_expensive_passes": True,
}
# Calls out of a program that any process can make. Others, of Python functions say, are pointers into the process that compiled it.
PORTABLE_CUSTOM_CALLS = (
    "lapack_",
    "Sharding",
    "SPMD",
    "shape_assertion",
    "cu_threefry",
    "cusolver",
    "cublas",
    "mhlo.",
    "chlo.",
    "xla.sdy",
)


class CompiledPrograms(NamedTuple):
    """Compiled functions, what was noted when they were planned, and the seconds that it took to get them."""

    run: list[Callable]
    notes: object
    seconds: float


def load_or_compile(
    arguments: tuple,
    made_from: list,
    plan: Callable[[], tuple[list[Traced], object]],
    devices: int = 1,
    quick: tuple[int, ...] = (),
) -> CompiledPrograms:
    """
    Compile functions, or read them from the cache.

    `plan()` traces them, and gives notes that are kept with them (plain values, shapes); it is not called where the cache has them.
    They depend on the shapes of `arguments` and on `made_from`, plain values, and on nothing else. They run on the first `devices`
    devices, and are compiled side by side where there are several; those in `quick` with fewer optimisations, as they run once.
    """
    started = time.perf_counter()
    place = _cache_folder() / (_cache_key(arguments, [*made_from, devices]) + SUFFIX)
    found = _read_programs(place, devices)
    if found is None:
        traced, notes = plan()
        lowered = [one.lower() for one in traced]
        options = [
            LOW_EFFORT_OPTIONS if index in quick and jax.default_backend() == "cpu" else None
            for index in range(len(lowered))
        ]
        with ThreadPoolExecutor(len(jax.devices())) as pool:
            programs = list(
                pool.map(lambda one, option: one.compile(compiler_options=option), lowered, options)
            )
        calls = {
            call for one in lowered for call in re.findall(r"custom_call @([\w.]+)", one.as_text())
        }
        if all(call.startswith(PORTABLE_CUSTOM_CALLS) for call in calls):
            _write_programs(
                place, programs, notes, any(call.startswith("lapack") for call in calls)
            )
        found = programs, notes
    return CompiledPrograms(*found, time.perf_counter() - started)


def _cache_folder() -> Path:
    """The cache's folder: POSTERITY_CACHE, else `posterity` in the user's folder for caches."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("POSTERITY_CACHE") or Path(home, "posterity"))


def _cache_key(arguments: tuple, made_from: list) -> str:
    leaves, tree = jax.tree.flatten(arguments)
    parts = [
        made_from,
        str(tree),
        [str(jax.typeof(leaf)) for leaf in leaves],
        _describe_environment(),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:40]


@cache
def _describe_environment() -> list:
    """What a compiled program depends on beside its source: versions, settings of JAX, the processor."""
    library = hashlib.sha256()
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        library.update(
            str(file.relative_to(Path(__file__).parents[1])).encode() + file.read_bytes()
        )
    devices = [f"{device.platform} {device.device_kind}" for device in jax.devices()]
    flags = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("XLA_", "JAX_", "CUDA_VISIBLE"))
    }
    versions = {
        name: get_version(name)
        for name in ("jax", "jaxlib", "numpyro", "optax", "blackjax", "funsor", "numpy")
    }
    return [
        library.hexdigest(),
        versions,
        platform.python_version(),
        devices,
        flags,
        jax.config.jax_enable_x64,
        _hash_processor(),
    ]


def _hash_processor() -> str:
    """Name the processor and its features: a program made for others may fail, or be slow."""
    try:
        lines = {
            line.partition(":")[0].strip(): line
            for line in reversed(Path("/proc/cpuinfo").read_text().splitlines())
        }
    except OSError:
        return platform.processor()
    named = [lines.get(name, "") for name in ("model name", "flags", "Features", "CPU part")]
    return hashlib.sha256("".join(named).encode()).hexdigest()


def _read_programs(place: Path, devices: int) -> tuple[list[Callable], object] | None:
    """Read programs and notes; what is not there, or cannot be used, is none."""
    try:
        content = place.read_bytes()
        if hashlib.sha256(content[32:]).digest() != content[:32]:
            return None
        saved, notes, lapack = pickle.loads(content[32:])
        if lapack:
            _load_lapack()
        on = jax.devices()[:devices]
        programs = [
            serialize_executable.deserialize_and_load(*one, execution_devices=on) for one in saved
        ]
        os.utime(place)
    except Exception:  # whatever a damaged or foreign file does to pickle and XLA
        return None
    return programs, notes


@cache
def _load_lapack() -> None:
    """Let JAX load LAPACK, which it does when it lowers a call of it; a program that was read would jump into nothing."""
    jax.jit(jnp.linalg.cholesky).lower(jax.ShapeDtypeStruct((1, 1), float))


def _write_programs(place: Path, programs: list, notes: object, lapack: bool) -> None:
    """Write programs beside their place and rename them into it. Where that cannot be done there is no cache."""
    beside = place.with_name(f".{platform.node()}.{os.getpid()}.{place.name}")
    try:
        content = pickle.dumps(
            ([serialize_executable.serialize(one) for one in programs], notes, lapack)
        )
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside.write_bytes(hashlib.sha256(content).digest() + content)
        os.replace(beside, place)
        _trim_cache(place.parent)
    except (
        OSError,
        NotImplementedError,
        ValueError,
        pickle.PicklingError,
        AttributeError,
        TypeError,
        jax.errors.JaxRuntimeError,
    ):
        with suppress(OSError):
            beside.unlink()


def _trim_cache(folder: Path) -> None:
    files = sorted(
        ((file.stat().st_mtime, file.stat().st_size, file) for file in folder.glob(f"*{SUFFIX}")),
        reverse=True,
    )
    total = 0
    for _, size, file in files:
        total += size
        if total > MAX_CACHE_BYTES:
            file.unlink(missing_ok=True)
