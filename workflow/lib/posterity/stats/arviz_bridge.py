"""Import ArviZ late and without its side effects."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Any

# Stub modules that ArviZ leaves in `sys.modules`, and a part that only the real package has.
STUB_MODULES = {"jax": "jaxlib", "numpyro": "numpyro.infer"}


@contextmanager
def hide_package(package: str) -> Iterator[None]:
    """
    Hide a package, so that an import of it fails.

    For packages that import it only if it is installed. corner imports ArviZ, which takes 0.7 s.
    """
    original = sys.modules.get(package)
    sys.modules[package] = None  # type: ignore[assignment] # Python documents None for this
    try:
        yield
    finally:
        del sys.modules[package]
        if original is not None:
            sys.modules[package] = original


def remove_stub_modules() -> None:
    """
    Remove ArviZ's stubs of JAX and NumPyro from the loaded modules. Call it after importing ArviZ.

    Matplotlib asks whether an array is one of JAX: with the stub, that starts the real, slow
    import. With the stub of NumPyro, a later `import numpyro` is incomplete.
    """
    for package, real_part in STUB_MODULES.items():
        if real_part not in sys.modules:
            sys.modules.pop(package, None)


@cache
def import_array_stats() -> Any:
    """Return ArviZ's statistics of arrays. The import takes half a second, so it is late."""
    base = import_module("arviz_stats.base")
    remove_stub_modules()
    return base.array_stats
