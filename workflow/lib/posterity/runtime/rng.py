"""
Randomness by name: the key of every random act derives from the seed and the names of what it is for.

Neither the order of jobs nor a batch nor a host enters, so that the same result comes out however a run is split.
"""

import hashlib
import json
from dataclasses import dataclass

import numpy as np


def _digest(seed: int, names: tuple[str | int, ...]) -> bytes:
    return hashlib.sha256(json.dumps([seed, *names]).encode()).digest()


def derive_key(seed: int, *names: str | int) -> np.ndarray:
    """Derive a raw JAX key (threefry, two uint32) from a seed and names."""
    return np.frombuffer(_digest(seed, names)[:8], dtype="<u4").astype(np.uint32)


def derive_generator(seed: int, *names: str | int) -> np.random.Generator:
    """Derive a NumPy generator from a seed and names."""
    return np.random.default_rng(int.from_bytes(_digest(seed, names)[:16], "little"))


@dataclass(frozen=True)
class Stream:
    """
    A random stream that is named by a seed and a path.

    Every random act has a path of its own (study, model, fit, purpose, chain, ...), so that its key depends neither on the
    order of jobs nor on a batch or a host. Streams of different paths do not overlap.

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
        """Return the stream below this one that `names` name."""
        return Stream(self.seed, (*self.path, *names))

    def key(self, *names: str | int) -> np.ndarray:
        """Return the raw JAX key (threefry, two uint32) of this stream, or of the child that `names` name."""
        return derive_key(self.seed, *self.path, *names)

    def keys(self, name: str, count: int) -> np.ndarray:
        """Return the keys of `count` numbered children of the child `name`, shape (count, 2)."""
        return np.stack([self.key(name, index) for index in range(count)])

    def generator(self, *names: str | int) -> np.random.Generator:
        """Return a NumPy generator for this stream, or for the child that `names` name."""
        return derive_generator(self.seed, *self.path, *names)
