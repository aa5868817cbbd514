"""Set up JAX for a job: threads, devices and float type. Call it before anything else uses JAX."""

import os
from contextlib import suppress
from pathlib import Path


def configure_jax(threads: int, float_type: str, chains: int = 1) -> None:
    """
    Start JAX with a number of threads, a host device per group of chains, and a float type.

    JAX sizes its thread pools by the cores that the process may use when JAX starts. It does not
    know Snakemake's `threads`. So this function restricts the process to `threads` cores only
    while JAX starts. Afterwards the few threads of JAX may run on any core.

    The number of host devices divides `chains`. A GPU ignores threads and host devices.
    """
    cores = os.sched_getaffinity(0)
    threads = max(1, min(threads, len(cores)))
    devices = max(count for count in range(1, threads + 1) if chains % count == 0)
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} --xla_force_host_platform_device_count={devices}".strip()
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

    import jax

    jax.config.update("jax_enable_x64", float_type == "float64")
    os.sched_setaffinity(0, sorted(cores)[:threads])
    try:
        jax.devices()
    finally:
        for task in Path("/proc/self/task").iterdir():
            with suppress(ProcessLookupError):  # the thread has just ended
                os.sched_setaffinity(int(task.name), cores)


def describe_device() -> str:
    """Return the platform and the kind of the device that computes, such as `cpu (cpu)`."""
    import jax

    device = jax.devices()[0]
    return f"{device.platform} ({device.device_kind})"
