"""
Random streams that are named by a seed and a path.

A key derives from the seed and the names of its purpose alone. It does not depend on the order of
jobs, on batches or on the host, so that every way to split a run gives the same result.
"""

import hashlib
import json
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Stream:
    """
    A random stream that is named by a seed and a path.

    Each random act has its own path (study, model, fit, purpose, chain, ...). Streams of different
    paths do not overlap.

    Attributes
    ----------
    seed : int
        Seed of the study.
    path : tuple of str or int
        Names from the outermost to the innermost.
    """

    seed: int
    path: tuple[str | int, ...] = ()

    def child(self, *names: str | int) -> "Stream":
        """Return the stream whose path is this path and `names`."""
        return Stream(self.seed, (*self.path, *names))

    def key(self, *names: str | int) -> np.ndarray:
        """Return the raw JAX key (threefry, two uint32) of this stream, or of its child `names`."""
        return np.frombuffer(self._digest(names)[:8], dtype="<u4").astype(np.uint32)

    def keys(self, name: str, count: int) -> np.ndarray:
        """Return the keys of `count` numbered children of the child `name`, shape (count, 2)."""
        return np.stack([self.key(name, index) for index in range(count)])

    def generator(self, *names: str | int) -> np.random.Generator:
        """Return a NumPy generator for this stream, or for its child `names`."""
        return np.random.default_rng(int.from_bytes(self._digest(names)[:16], "little"))

    def _digest(self, names: tuple[str | int, ...]) -> bytes:
        # JSON keeps the borders between names, and tells the text "1" from the number 1.
        text = json.dumps([self.seed, *self.path, *names])
        return hashlib.sha256(text.encode()).digest()
