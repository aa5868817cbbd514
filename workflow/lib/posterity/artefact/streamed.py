"""Arrays that are too large for memory: they are on disk in pieces, and are read in parts."""

import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

BLOCK_BYTES = 64e6  # bytes that are in memory at a time
CHECKSUM_BYTES = 2**24  # bytes that are read at a time to check a file
INDEX_NAME = "index.json"  # names and checksums of the arrays of a folder


@dataclass(frozen=True)
class StreamedArray:
    """
    An array of draws that is read piece by piece.

    Attributes
    ----------
    shape : tuple of int
        Shape (chain, draw, ...).
    dtype : np.dtype
        Type of the values.
    pieces : Callable
        `pieces()` iterates over arrays whose concatenation along the second axis is the whole.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    pieces: Callable[[], Iterator[np.ndarray]]

    def stub(self) -> np.ndarray:
        """Return an array of zeros of this shape that takes no memory."""
        return np.broadcast_to(np.zeros((), self.dtype), self.shape)

    def thin(self, step: int) -> "StreamedArray":
        """Return every `step`-th draw."""

        def thin_pieces() -> Iterator[np.ndarray]:
            first = 0  # draws before the piece
            for piece in self.pieces():
                yield piece[:, -first % step :: step]
                first += piece.shape[1]

        draws = -(-self.shape[1] // step)
        return StreamedArray((self.shape[0], draws, *self.shape[2:]), self.dtype, thin_pieces)

    def rows(self) -> int:
        """Return the number of draws, of all chains, of a block."""
        draw_bytes = self.dtype.itemsize * int(np.prod(self.shape)) // self.shape[1]
        return int(max(1, min(self.shape[1], BLOCK_BYTES // max(1, draw_bytes))))

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """Iterate over blocks of `rows()` draws; each comes with the index of its first draw."""
        size = self.rows()
        parts: list[np.ndarray] = []
        begin = 0
        for piece in self.pieces():
            while piece.shape[1]:
                room = size - sum(part.shape[1] for part in parts)
                parts.append(piece[:, :room])
                piece = piece[:, room:]
                if sum(part.shape[1] for part in parts) == size:
                    yield begin, np.concatenate(parts, axis=1)
                    begin += size
                    parts = []
        if parts:
            yield begin, np.concatenate(parts, axis=1)

    def columns(self, chosen: slice | np.ndarray) -> np.ndarray:
        """Return all draws of some scalars of the flattened site, shape (chain, draw, scalar)."""
        size = int(np.prod(self.shape[2:]))
        parts = [piece.reshape(*piece.shape[:2], size)[:, :, chosen] for piece in self.pieces()]
        return np.concatenate(parts, axis=1)


def write_array_folder(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    """
    Write arrays to a folder: one .npy file each, and an index with their names and checksums.

    The folder appears as a whole, or not at all; one that exists is replaced. Names may contain any
    character. Raises OSError.
    """
    unfinished = folder.with_name(f".{os.getpid()}.{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    entries: dict[str, dict[str, Any]] = {}
    for number, (name, values) in enumerate(arrays.items()):
        file_name = f"{number}.npy"
        checksum = _save_array(unfinished / file_name, values)
        entries[name] = {"file": file_name, "crc32": checksum}
    index = {"arrays": entries, "crc32": _index_checksum(entries)}
    (unfinished / INDEX_NAME).write_text(json.dumps(index), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(unfinished, folder)


def read_array_folder(folder: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a folder by name, mapped into memory: only what is used is read."""
    return {
        name: np.load(folder / entry["file"], mmap_mode="r")
        for name, entry in _read_index(folder).items()
    }


def check_array_folder(folder: Path) -> None:
    """Raise FileNotFoundError if a file of the folder is missing, ValueError if it is damaged."""
    for name, entry in _read_index(folder).items():
        checksum = 0
        with open(folder / entry["file"], "rb") as file:
            while data := file.read(CHECKSUM_BYTES):
                checksum = zlib.crc32(data, checksum)
        if checksum != entry["crc32"]:
            raise ValueError(f"{folder.name}/{entry['file']}: wrong checksum of '{name}'")


def _save_array(path: Path, values: np.ndarray) -> int:
    """Write an array to a .npy file. Returns the file's checksum, of the values in memory."""
    values = np.asarray(values, order="C")
    np.save(path, values, allow_pickle=False)
    with open(path, "rb") as file:
        header = file.read(path.stat().st_size - values.nbytes)
    return zlib.crc32(values.reshape(-1).view(np.uint8), zlib.crc32(header))


def _read_index(folder: Path) -> dict[str, dict[str, Any]]:
    """Return file and checksum of each array. Raises ValueError if the index is damaged."""
    try:
        index = json.loads((folder / INDEX_NAME).read_bytes())
        entries: dict[str, dict[str, Any]] = index["arrays"]
        is_valid = index["crc32"] == _index_checksum(entries)
    except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{folder.name}/{INDEX_NAME}: {error}") from error
    if not is_valid:
        raise ValueError(f"{folder.name}/{INDEX_NAME}: wrong checksum")
    return entries


def _index_checksum(entries: dict[str, dict[str, Any]]) -> int:
    return zlib.crc32(json.dumps(entries).encode())
