"""Buffers of the draws that a running program records."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from posterity.artefact.streamed import StreamedArray, read_array_folder
from posterity.inference.checkpoint import Checkpoint, SavedState

MAX_BUFFER_BYTES = 256e6  # bytes of records in memory; beyond, they stay in the checkpoint
MAX_SITE_FRACTION = (
    0.25  # of the buffer that a site read from disk may fill, over the number of sites
)
MONITORED_SCALARS = 20  # scalars whose convergence the log reports
GOAL_SCALARS = 1000  # scalars that are compared with the goals of `stop_when`
SCALARS_NAME = ".monitored"  # the record that holds the monitored scalars in a piece

Piece = dict[str, np.ndarray]


class DrawBuffer:
    """
    The records of a run by name, shape (chain, draw, ...).

    They are in memory, and also in the pieces of the checkpoint, if there is one; large ones are in
    the checkpoint alone.

    Parameters
    ----------
    thin : dict of str to int
        Thinning interval of each record that is thinned.
    monitored : tuple of str
        Records whose scalars are monitored, from all draws.
    scalar_limit : int
        Number of scalars to monitor, at most.

    Attributes
    ----------
    names : list of str
        Names of all records.
    pieces : list of Path
        Folders of the checkpoint that hold records, in order.
    draws : int
        Number of draws so far, before thinning.
    true_counts : dict of str to int
        Number of true values of each boolean record.
    scalar_labels : list of str
        Names of the monitored scalars.
    """

    def __init__(self, thin: dict[str, int], monitored: tuple[str, ...], scalar_limit: int):
        self.thin = thin
        self.monitored = monitored
        self.scalar_limit = scalar_limit
        self.names: list[str] = []
        self.pieces: list[Path] = []
        self.draws = 0
        self.true_counts: dict[str, int] = {}
        self.scalar_labels: list[str] = []
        self._written: list[Piece | None] = []  # the records of each piece; None if only on disk
        self._pending: list[Piece] = []  # records that are not in the checkpoint yet
        self._scalars: list[np.ndarray] = []
        self._bytes = 0

    def add(self, values: Piece, count: int) -> None:
        """Add the records of `count` iterations, the first along the second axis of `values`."""
        self._monitor(values, count)
        records: Piece = {}
        if any(self.thin.get(name, 1) > 1 for name in self.monitored):
            records[SCALARS_NAME] = self._scalars[-1]
        for name, value in values.items():
            step = self.thin.get(name, 1)
            part = value[:, -self.draws % step : count : step]
            # A view would keep the whole chunk in memory.
            records[name] = value if part.shape == value.shape else part.copy()
        self._pending.append(records)
        self._count(records)
        self.draws += count

    def pending_bytes(self) -> int:
        """Return the number of bytes that are not in the checkpoint yet."""
        return sum(_count_bytes(records) for records in self._pending)

    def flush(self, checkpoint: Checkpoint) -> None:
        """Write the pending records as the next piece of the checkpoint."""
        if self._pending:
            piece = {
                name: np.concatenate([records[name] for records in self._pending], axis=1)
                for name in self._pending[0]
            }
            self.pieces.append(checkpoint.add_piece(len(self.pieces), piece))
            self._written.append(piece)
            self._pending = []
        if self._bytes > MAX_BUFFER_BYTES:
            self._written = [None] * len(self._written)

    def restore(self, saved: SavedState, draws: int) -> None:
        """Restore the pieces of a checkpoint, which hold `draws` draws before thinning."""
        self.pieces = list(saved.pieces)
        self.draws = draws
        for folder in self.pieces:
            mapped = read_array_folder(folder)
            self._count(mapped)
            is_small = self._bytes <= MAX_BUFFER_BYTES
            piece = {name: np.array(value) for name, value in mapped.items()} if is_small else None
            self._written.append(piece)
            if SCALARS_NAME in mapped:
                self._scalars.append(np.array(mapped[SCALARS_NAME]))
            else:
                self._monitor(piece or mapped)

    def iterate(self, name: str) -> Iterator[np.ndarray]:
        """Iterate over the records of a name, piece by piece along the second axis."""
        for piece, folder in zip(self._written, self.pieces, strict=True):
            yield (read_array_folder(folder) if piece is None else piece)[name]
        for records in self._pending:
            yield records[name]

    def __getitem__(self, name: str) -> np.ndarray:
        """Return all records of a name."""
        return np.concatenate(list(self.iterate(name)), axis=1)

    def stream(self, name: str) -> np.ndarray | StreamedArray:
        """Return all records of a name, as pieces on disk if they are large and not in memory."""
        if all(piece is not None for piece in self._written):
            return self[name]
        parts = list(self.iterate(name))
        draws = sum(part.shape[1] for part in parts)
        shape = (parts[0].shape[0], draws, *parts[0].shape[2:])
        limit = MAX_SITE_FRACTION * MAX_BUFFER_BYTES / len(self.names)
        if np.prod(shape) * parts[0].dtype.itemsize <= limit:
            return self[name]
        return StreamedArray(shape, parts[0].dtype, lambda: self.iterate(name))

    def scalars(self) -> np.ndarray:
        """Return the monitored scalars, shape (scalar, chain, draw)."""
        if not self._scalars:
            return np.zeros((0, 1, 0))
        return np.moveaxis(np.concatenate(self._scalars, axis=1), 2, 0)

    def _count(self, records: Piece) -> None:
        """Count the names, the bytes and the true values of new records."""
        self.names = [name for name in records if name != SCALARS_NAME]
        self._bytes += _count_bytes(records)
        for name, value in records.items():
            if value.dtype == bool:
                self.true_counts[name] = self.true_counts.get(name, 0) + int(value.sum())

    def _monitor(self, values: Piece, count: int | None = None) -> None:
        """Store the scalars to monitor of the first `count` draws of some records."""
        # Imported here: the code of the summaries is an input of the fits that have goals alone.
        from posterity.stats.summary import label_scalars, select_scalars

        names = [name for name in self.monitored if name in values]
        limit = max(1, self.scalar_limit // max(1, len(names)))
        columns = []
        labels = []
        for name in names:
            value = values[name][:, :count]
            flat = value.reshape(*value.shape[:2], -1)
            chosen = select_scalars(flat.shape[2], limit)
            labels += label_scalars(name, chosen, value.shape[2:])
            columns.append(flat[:, :, chosen])
        if columns:
            self._scalars.append(np.concatenate(columns, axis=2).astype(float))
            self.scalar_labels = labels


def _count_bytes(records: Piece) -> int:
    return sum(value.nbytes for value in records.values())
