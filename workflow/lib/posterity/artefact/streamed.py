"""Draws that are too many for memory: they lie on disk, in pieces, and are gone through a part at a time."""

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BLOCK_BYTES = 64e6  # bytes that are looked at together
ZIP_HEADER_BYTES = 30  # bytes of the header of a zip's member, before name and extra field


@dataclass(frozen=True)
class StreamedArray:
    """Values of shape (chain, draw, ...); `pieces()` gives them one after another, along the second axis."""

    shape: tuple[int, ...]
    dtype: np.dtype
    pieces: Callable[[], Iterator[np.ndarray]]

    def stub(self) -> np.ndarray:
        """Give an array of this shape that takes no memory: all zeros."""
        return np.broadcast_to(np.zeros((), self.dtype), self.shape)

    def every(self, step: int) -> "StreamedArray":
        """Give every `step`-th draw."""

        def pieces():
            done = 0
            for piece in self.pieces():
                yield piece[:, -done % step :: step]
                done += piece.shape[1]

        return StreamedArray(
            (self.shape[0], -(-self.shape[1] // step), *self.shape[2:]), self.dtype, pieces
        )

    def rows(self) -> int:
        """Tell how many draws, of all chains, make a block."""
        return int(
            max(
                1,
                min(
                    self.shape[1],
                    BLOCK_BYTES
                    // max(1, self.dtype.itemsize * np.prod(self.shape) // self.shape[1]),
                ),
            )
        )

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """Give `rows()` draws at a time, each with the number of its first one."""
        size, waiting, begin = self.rows(), [], 0
        for piece in self.pieces():
            while piece.shape[1]:
                room = size - sum(part.shape[1] for part in waiting)
                waiting.append(piece[:, :room])
                piece = piece[:, room:]
                if sum(part.shape[1] for part in waiting) == size:
                    yield begin, np.concatenate(waiting, axis=1)
                    begin, waiting = begin + size, []
        if waiting:
            yield begin, np.concatenate(waiting, axis=1)

    def columns(self, chosen: slice | np.ndarray) -> np.ndarray:
        """Give all draws of some scalars, chosen from the flattened site: shape (chain, draw, scalar)."""
        return np.concatenate(
            [piece.reshape(*piece.shape[:2], -1)[:, :, chosen] for piece in self.pieces()], axis=1
        )


def map_npz_array(file: Path, name: str) -> np.ndarray:
    """Map an array of an uncompressed .npz file into memory: only what is looked at is read."""
    with zipfile.ZipFile(file) as archive, archive.open(f"{name}.npy") as member:
        version = np.lib.format.read_magic(member)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = read(member)
        begin = member.tell()
        header = archive.getinfo(f"{name}.npy").header_offset
    with open(file, "rb") as raw:
        raw.seek(header + ZIP_HEADER_BYTES - 4)
        lengths = np.frombuffer(raw.read(4), "<u2")
    offset = header + ZIP_HEADER_BYTES + int(lengths.sum()) + begin
    if not np.prod(shape):
        return np.zeros(shape, dtype)
    return np.memmap(file, dtype, "r", offset, shape, "F" if fortran else "C")
