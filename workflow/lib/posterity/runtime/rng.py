"""
Randomness by name: the key of every random act derives from the seed and the names of what it is for.

Neither the order of jobs nor a batch nor a host enters, so that the same result comes out however a run is split.
"""

import hashlib
import json

import numpy as np


def _digest(seed: int, names: tuple[str | int, ...]) -> bytes:
    return hashlib.sha256(json.dumps([seed, *names]).encode()).digest()


def derive_key(seed: int, *names: str | int) -> np.ndarray:
    """Derive a raw JAX key (threefry, two uint32) from a seed and names."""
    return np.frombuffer(_digest(seed, names)[:8], dtype="<u4").astype(np.uint32)


def derive_generator(seed: int, *names: str | int) -> np.random.Generator:
    """Derive a NumPy generator from a seed and names."""
    return np.random.default_rng(int.from_bytes(_digest(seed, names)[:16], "little"))
