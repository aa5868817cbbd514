"""Buffers of the draws that a running program records."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from posterity.artefact.streamed import StreamedArray, map_npz_array
from posterity.inference.checkpoint import Checkpoint, SavedState

MAX_BUFFER_BYTES = (
    256e6  # bytes of records that are held in memory; more are left in the checkpoint
)
MONITORED_SCALARS = 20  # scalars whose convergence the log tells
GOAL_SCALARS = 1000  # scalars that the goals of `stop_when` are looked at for


class DrawBuffer:
    """What was recorded, by name, shape (chain, draw, ...): in memory, or in the pieces of a checkpoint once it is much."""

    def __init__(self, thin: dict[str, int], watch: tuple[str, ...], limit: int):
        self.thin, self.watch, self.limit = thin, watch, limit
        self.held: list[
            dict[str, np.ndarray] | None
        ] = []  # by piece; None where it is in a file alone
        self.files: list[Path] = []
        self.new: list[dict[str, np.ndarray]] = []
        self.watched: list[np.ndarray] = []
        self.labels: list[str] = []
        self.listed: list[str] = []
        self.totals: dict[str, int] = {}  # of records that are true or false
        self.bytes = 0
        self.length = 0

    def add(self, values: dict[str, np.ndarray], count: int) -> None:
        """Add the records of `count` iterations."""
        self._watch({name: values[name][:, :count] for name in self.watch if name in values})
        kept = (
            {".watched": self.watched[-1]}
            if any(self.thin.get(name, 1) > 1 for name in self.watch)
            else {}
        )
        for name, value in values.items():
            step = self.thin.get(name, 1)
            part = value[:, -self.length % step : count : step]
            kept[name] = (
                value if part.shape == value.shape else part.copy()
            )  # a view would keep all of the buffer in memory
            self._count(name, kept[name])
        self.new.append(kept)
        self.listed = [name for name in kept if name != ".watched"]
        self.bytes += sum(value.nbytes for value in kept.values())
        self.length += count

    def waiting(self) -> int:
        """Tell how many bytes are not in the checkpoint yet."""
        return sum(value.nbytes for piece in self.new for value in piece.values())

    def flush(self, checkpoint: Checkpoint) -> None:
        """Write what is new as the next piece of the checkpoint."""
        if self.new:
            piece = {
                name: np.concatenate([one[name] for one in self.new], axis=1)
                for name in self.new[0]
            }
            self.files.append(checkpoint.add(len(self.files), piece))
            self.held.append(piece)
            self.new = []
        if self.bytes > MAX_BUFFER_BYTES:
            self.held = [None] * len(self.held)

    def restore(self, saved: SavedState, length: int) -> None:
        """Take up the pieces of a checkpoint."""
        self.files, self.length = list(saved.files), length
        for file in self.files:
            with np.load(file) as archive:
                piece = {name: archive[name] for name in archive.files}
            self.listed = [name for name in piece if name != ".watched"]
            self.bytes += sum(value.nbytes for value in piece.values())
            self.held.append(piece if self.bytes <= MAX_BUFFER_BYTES else None)
            for name, value in piece.items():
                self._count(name, value)
            if ".watched" in piece:
                self.watched.append(piece[".watched"])
            else:
                self._watch({name: piece[name] for name in self.watch if name in piece})

    def names(self) -> list[str]:
        """The names of all records."""
        return self.listed

    def _count(self, name: str, value: np.ndarray) -> None:
        if value.dtype == bool:
            self.totals[name] = self.totals.get(name, 0) + int(value.sum())

    def pieces(self, name: str) -> Iterator[np.ndarray]:
        """Give the records of one name piece by piece, along the second axis."""
        for held, file in zip(self.held, self.files, strict=True):
            yield held[name] if held is not None else map_npz_array(file, name)
        for piece in self.new:
            yield piece[name]

    def __getitem__(self, name: str) -> np.ndarray:
        """Give all records of one name."""
        return np.concatenate(list(self.pieces(name)), axis=1)

    def stream(self, name: str) -> np.ndarray | StreamedArray:
        """Give all records of one name; where they are many and not in memory, as pieces on disk."""
        if all(held is not None for held in self.held):
            return self[name]
        pieces = list(self.pieces(name))
        shape = (pieces[0].shape[0], sum(piece.shape[1] for piece in pieces), *pieces[0].shape[2:])
        if np.prod(shape) * pieces[0].dtype.itemsize <= MAX_BUFFER_BYTES / (4 * len(self.listed)):
            return self[name]
        return StreamedArray(shape, pieces[0].dtype, lambda: self.pieces(name))

    def _watch(self, values: dict[str, np.ndarray]) -> None:
        columns, labels = [], []
        share = max(1, self.limit // max(1, len(values)))
        for name, value in values.items():
            flat = value.reshape(*value.shape[:2], -1)
            chosen = np.unique(
                np.linspace(0, flat.shape[2] - 1, min(share, flat.shape[2])).round().astype(int)
            )
            places = [
                ",".join(map(str, np.unravel_index(index, value.shape[2:]))) for index in chosen
            ]
            labels += [f"{name}[{place}]" if place else name for place in places]
            columns.append(flat[:, :, chosen])
        if columns:
            self.watched.append(np.concatenate(columns, axis=2).astype(float))
            self.labels = labels

    def scalars(self) -> np.ndarray:
        """The records of the scalars that are watched, shape (scalar, chain, draw)."""
        return (
            np.moveaxis(np.concatenate(self.watched, axis=1), 2, 0)
            if self.watched
            else np.zeros((0, 1, 0))
        )
