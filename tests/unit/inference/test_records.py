"""Buffers of draws, in memory and on disk."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posterity.artefact.streamed import StreamedArray
from posterity.inference import records as records_module
from posterity.inference.checkpoint import Checkpoint
from posterity.inference.records import DrawBuffer

VALUES = {
    "x": np.random.default_rng(0).normal(size=(2, 40, 3)),
    "y": np.random.default_rng(1).normal(size=(2, 40)),
    ".diverging": np.random.default_rng(2).random((2, 40)) < 0.3,
}
THIN = {"x": 3, "y": 1}


def fill(buffer: DrawBuffer, cuts: list[int], flush=lambda: None) -> None:
    """Add VALUES in chunks that end at `cuts`, in arrays with room for 60 iterations."""
    edges = [0, *sorted(set(cuts)), 40]
    for begin, end in pairwise(edges):
        chunk = {
            name: np.concatenate([value[:, begin:end], np.zeros_like(value), value[:, :20]], axis=1)
            for name, value in VALUES.items()
        }
        buffer.add(chunk, end - begin)
        flush()


@given(cuts=st.lists(st.integers(1, 39), max_size=6))
@settings(deadline=None, max_examples=30, derandomize=True)
def test_records_do_not_depend_on_the_chunks(cuts):
    buffer = DrawBuffer(THIN, ("x", "y"), 20)
    fill(buffer, cuts)
    np.testing.assert_array_equal(buffer["x"], VALUES["x"][:, ::3])
    np.testing.assert_array_equal(buffer["y"], VALUES["y"])
    assert buffer.draws == 40
    assert buffer.true_counts == {".diverging": VALUES[".diverging"].sum()}
    scalars = np.concatenate([VALUES["x"], VALUES["y"][:, :, None]], axis=2)
    np.testing.assert_array_equal(buffer.scalars(), np.moveaxis(scalars, 2, 0))


def test_records_of_a_short_chunk_do_not_hold_the_whole_buffer():
    buffer = DrawBuffer({"y": 2}, (), 20)
    chunk = {"x": np.arange(300.0).reshape(1, 100, 3), "y": np.arange(100.0).reshape(1, 100)}
    buffer.add(chunk, 10)
    assert all(record.base is None for record in buffer._pending[0].values())
    np.testing.assert_array_equal(buffer["x"], chunk["x"][:, :10])
    np.testing.assert_array_equal(buffer["y"], chunk["y"][:, :10:2])


def test_monitored_scalars_are_labelled_and_evenly_spaced():
    buffer = DrawBuffer({}, ("m", "x"), 6)
    buffer.add({"m": np.zeros((1, 4)), "x": np.arange(40.0).reshape(1, 4, 5, 2)}, 4)
    assert buffer.scalar_labels == ["m", "x[0,0]", "x[2,0]", "x[4,1]"]
    np.testing.assert_array_equal(buffer.scalars()[1:, 0, 0], [0, 4, 9])


def test_buffer_without_monitored_scalars_has_none():
    buffer = DrawBuffer({}, (), 20)
    buffer.add({"x": np.zeros((1, 3))}, 3)
    assert buffer.scalars().shape == (0, 1, 0)


@pytest.fixture
def checkpoint(tmp_path):
    return Checkpoint(tmp_path / "checkpoint", {}, tmp_path / "output")


def restored(checkpoint, pieces: int, monitored: tuple[str, ...]) -> DrawBuffer:
    checkpoint.save([], {}, pieces)
    saved, message = checkpoint.load()
    assert message == ""
    buffer = DrawBuffer(THIN, monitored, 20)
    buffer.restore(saved, 40)
    return buffer


@pytest.mark.parametrize("limit", [1e9, 1000.0], ids=["memory", "disk"])
def test_buffer_is_restored_from_its_pieces(checkpoint, monkeypatch, limit):
    monkeypatch.setattr(records_module, "MAX_BUFFER_BYTES", limit)
    buffer = DrawBuffer(THIN, ("x", "y"), 20)
    fill(buffer, [5, 6, 30], lambda: buffer.flush(checkpoint))
    other = restored(checkpoint, len(buffer.pieces), ("x", "y"))
    for name in VALUES:
        np.testing.assert_array_equal(other[name], buffer[name])
    np.testing.assert_array_equal(other.scalars(), buffer.scalars())
    assert (other.names, other.draws) == (buffer.names, buffer.draws)
    assert other.true_counts == buffer.true_counts


def test_flushed_records_do_not_wait(checkpoint):
    buffer = DrawBuffer({}, (), 20)
    buffer.add({"x": np.zeros((1, 8))}, 8)
    assert buffer.pending_bytes() == 64
    buffer.flush(checkpoint)
    assert buffer.pending_bytes() == 0
    buffer.flush(checkpoint)
    assert len(buffer.pieces) == 1


def test_large_records_are_streamed_from_disk(checkpoint, monkeypatch):
    monkeypatch.setattr(records_module, "MAX_BUFFER_BYTES", 1000.0)
    buffer = DrawBuffer(THIN, (), 20)
    fill(buffer, [20], lambda: buffer.flush(checkpoint))
    stream = buffer.stream("x")
    assert isinstance(stream, StreamedArray)
    pieces = list(stream.pieces())
    assert all(isinstance(piece, np.memmap) for piece in pieces)
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), VALUES["x"][:, ::3])
    assert stream.shape == VALUES["x"][:, ::3].shape
