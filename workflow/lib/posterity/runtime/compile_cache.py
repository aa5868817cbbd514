"""
Compiled programs, and their cache on disk.

A program that was compiled once, for one model and one shape of data, is read back by the next
process. JAX's own cache would still have to trace the sampler and lower it. Here the key is a hash
of what a program depends on: the model as XLA sees it, the settings, the shapes, the source of this
library, the versions, and the processor.

The environment variable POSTERITY_CACHE names the folder of the cache; `POSTERITY_CACHE=off`
switches it off. By default, the folder is `posterity` in the user's folder for caches.
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

MAX_CACHE_BYTES = 2e9  # bytes of the cache; beyond, the programs that were not used for longest go
CACHE_VARIABLE = "POSTERITY_CACHE"
CACHE_OFF = "off"
SUFFIX = ".program"
CHECKSUM_BYTES = hashlib.sha256().digest_size  # bytes at the start of a file
LOW_EFFORT_OPTIONS = {
    "xla_backend_optimization_level": 1,
    "xla_llvm_disable_expensive_passes": True,
}
# Calls out of a program that any process can make. Others, of Python functions for example, are
# pointers into the process that compiled it.
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
    """
    Compiled functions.

    Attributes
    ----------
    run : list of Callable
        The functions.
    notes : object
        Plain values and shapes that were stored when the functions were traced.
    seconds : float
        Time that compilation, or reading the cache, took.
    """

    run: list[Callable]
    notes: object
    seconds: float


def load_or_compile(
    arguments: tuple,
    cache_key: list,
    trace: Callable[[], tuple[list[Traced], object]],
    devices: int = 1,
    low_effort: tuple[int, ...] = (),
) -> CompiledPrograms:
    """
    Read compiled functions from the cache, or compile them.

    Parameters
    ----------
    arguments : tuple
        Arguments of the functions. The programs depend on their shapes and types.
    cache_key : list
        Plain values: all else that the programs depend on.
    trace : Callable
        Returns the traced functions, and notes to store with them. It is not called if the cache
        has the programs.
    devices : int
        The programs run on the first `devices` devices.
    low_effort : tuple of int
        Indices of the functions that run once, and are compiled with fewer optimisations.

    Returns
    -------
    CompiledPrograms
        The functions, the notes, and the seconds that it took.
    """
    started = time.perf_counter()
    folder = _find_cache_folder()
    path = folder and folder / (_hash_cache_key(arguments, [*cache_key, devices]) + SUFFIX)
    cached = _read_programs(path, devices) if path else None
    if cached:
        return CompiledPrograms(*cached, time.perf_counter() - started)
    traced, notes = trace()
    lowered = [function.lower() for function in traced]
    is_cpu = jax.default_backend() == "cpu"
    options = [
        LOW_EFFORT_OPTIONS if index in low_effort and is_cpu else None
        for index in range(len(lowered))
    ]
    with ThreadPoolExecutor(len(jax.devices())) as pool:
        programs = list(
            pool.map(
                lambda function, option: function.compile(compiler_options=option),
                lowered,
                options,
            )
        )
    calls = _list_custom_calls(lowered)
    if path and all(call.startswith(PORTABLE_CUSTOM_CALLS) for call in calls):
        uses_lapack = any(call.startswith("lapack") for call in calls)
        _write_programs(path, programs, notes, uses_lapack)
    return CompiledPrograms(programs, notes, time.perf_counter() - started)


def compile_and_run(
    function: Callable, arguments: tuple, cache_key: list, *, runs_once: bool = False
) -> tuple:
    """
    Compile a function, or read it from the cache, and run it.

    A function that `runs_once` and briefly is compiled with fewer optimisations. Returns its values
    as NumPy arrays, and the seconds of compilation and of the run.
    """
    programs = load_or_compile(
        arguments,
        cache_key,
        lambda: ([jax.jit(function).trace(*arguments)], None),
        low_effort=(0,) if runs_once else (),
    )
    started = time.perf_counter()
    values = jax.tree.map(np.asarray, jax.block_until_ready(programs.run[0](*arguments)))
    return values, programs.seconds, time.perf_counter() - started


def _find_cache_folder() -> Path | None:
    """Return the folder of the cache; None if it is switched off."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen == CACHE_OFF:
        return None
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(chosen or Path(caches, "posterity"))


def _list_custom_calls(lowered: list) -> set[str]:
    """List the functions outside of XLA that programs call."""
    calls: set[str] = set()
    for function in lowered:
        calls.update(re.findall(r"custom_call @([\w.]+)", function.as_text()))
    return calls


def _hash_cache_key(arguments: tuple, cache_key: list) -> str:
    """Return a hash of all that programs depend on, 40 hexadecimal digits."""
    leaves, tree = jax.tree.flatten(arguments)
    types = [str(jax.typeof(leaf)) for leaf in leaves]
    parts = [cache_key, str(tree), types, _describe_environment()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:40]


@cache
def _describe_environment() -> list:
    """Return what a program depends on besides its key: library, versions, JAX, processor."""
    library = hashlib.sha256()
    root = Path(__file__).parents[1]
    for file in sorted(root.rglob("*.py")):
        library.update(str(file.relative_to(root)).encode() + file.read_bytes())
    devices = [f"{device.platform} {device.device_kind}" for device in jax.devices()]
    flags = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("XLA_", "JAX_", "CUDA_VISIBLE"))
    }
    packages = ("jax", "jaxlib", "numpyro", "optax", "blackjax", "funsor", "numpy")
    versions = {name: get_version(name) for name in packages}
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
    """Hash the processor and its features: a program compiled for others may fail, or be slow."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    # The first processor stands for all: the last assignment of a key is its first line.
    by_key = {line.partition(":")[0].strip(): line for line in reversed(lines)}
    features = [by_key.get(key, "") for key in ("model name", "flags", "Features", "CPU part")]
    return hashlib.sha256("".join(features).encode()).hexdigest()


def _read_programs(path: Path, devices: int) -> tuple[list[Callable], object] | None:
    """Read programs and notes; None if they are not there or cannot be used."""
    try:
        content = path.read_bytes()
        checksum, pickled = content[:CHECKSUM_BYTES], content[CHECKSUM_BYTES:]
        if hashlib.sha256(pickled).digest() != checksum:
            return None
        saved, notes, uses_lapack = pickle.loads(pickled)
        if uses_lapack:
            _load_lapack()
        chosen = jax.devices()[:devices]
        programs = [
            serialize_executable.deserialize_and_load(
                executable, in_tree, out_tree, execution_devices=chosen
            )
            for executable, in_tree, out_tree in saved
        ]
        os.utime(path)
    except Exception:  # whatever a damaged or foreign file makes pickle and XLA raise
        return None
    return programs, notes


@cache
def _load_lapack() -> None:
    """
    Make JAX load LAPACK, which it does when it lowers a call to it.

    A program from the cache would crash without it.
    """
    jax.jit(jnp.linalg.cholesky).lower(jax.ShapeDtypeStruct((1, 1), float))


def _write_programs(path: Path, programs: list, notes: object, uses_lapack: bool) -> None:
    """Write programs to a temporary file and rename it. If that fails, nothing is cached."""
    unfinished = path.with_name(f".{platform.node()}.{os.getpid()}.{path.name}")
    try:
        saved = [serialize_executable.serialize(program) for program in programs]
        content = pickle.dumps((saved, notes, uses_lapack))
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished.write_bytes(hashlib.sha256(content).digest() + content)
        os.replace(unfinished, path)
        _trim_cache(path.parent)
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
            unfinished.unlink()


def _trim_cache(folder: Path) -> None:
    """Delete the programs that were not used for longest, until the rest fits MAX_CACHE_BYTES."""
    status = [
        (file.stat().st_mtime, file.stat().st_size, file) for file in folder.glob(f"*{SUFFIX}")
    ]
    total = 0
    for _, size, file in sorted(status, reverse=True):
        total += size
        if total > MAX_CACHE_BYTES:
            file.unlink(missing_ok=True)
