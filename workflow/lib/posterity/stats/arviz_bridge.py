"""What ArviZ leaves behind when it is imported, and what has to be undone."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


@contextmanager
def hide_package(package: str) -> Iterator[None]:
    """Let a package look as if it were not installed, for one that imports it only where it is there (corner and ArviZ: 0.7 s)."""
    before = sys.modules.get(package)
    sys.modules[package] = None
    try:
        yield
    finally:
        del sys.modules[package]
        if before is not None:
            sys.modules[package] = before


def remove_stub_modules() -> None:
    """
    Drop ArviZ's stand-ins for JAX and NumPyro from the modules. To be called after an import of ArviZ.

    Matplotlib, asking whether an array is JAX's, would turn the first into the real, slow import; with the second, a later
    `import numpyro` comes out incomplete.
    """
    for name, part in (("jax", "jaxlib"), ("numpyro", "numpyro.infer")):
        if part not in sys.modules:
            sys.modules.pop(name, None)


@cache
def import_array_stats():
    """Import ArviZ's statistics of arrays, which takes half a second, where they are needed."""
    from arviz_stats.base import array_stats

    remove_stub_modules()
    return array_stats
