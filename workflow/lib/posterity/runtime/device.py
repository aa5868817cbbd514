"""Set JAX up for a job: cores, devices, precision. To be called before anything else touches JAX."""

import os
from contextlib import suppress
from pathlib import Path


def configure_jax(threads: int, float_type: str, chains: int = 1) -> None:
    """
    Give JAX `threads` threads, a host device for each group of chains that runs side by side, and the precision.

    JAX sizes its thread pools by the cores that it may run on when it starts, and knows nothing of Snakemake's `threads`. So
    the affinity is narrow only while JAX starts: its threads are few, and the system may put them on any core.
    The number of host devices divides the number of chains. On a GPU none of this matters.
    """
    allowed = os.sched_getaffinity(0)
    threads = max(1, min(threads, len(allowed)))
    devices = max(count for count in range(1, threads + 1) if chains % count == 0)
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} --xla_force_host_platform_device_count={devices}".strip()
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

    import jax

    jax.config.update("jax_enable_x64", float_type == "float64")
    os.sched_setaffinity(0, sorted(allowed)[:threads])
    try:
        jax.devices()
    finally:
        for task in Path("/proc/self/task").iterdir():
            with suppress(ProcessLookupError):  # a thread that has just ended
                os.sched_setaffinity(int(task.name), allowed)


def describe_device() -> str:
    """Say what the computation runs on: platform and kind."""
    import jax

    device = jax.devices()[0]
    return f"{device.platform} ({device.device_kind})"
