"""Checkpoints: whole or absent, and never used if damaged."""

import numpy as np
import pytest

from posterity.artefact.streamed import read_array_folder
from posterity.config.stage import ModelSource
from posterity.errors import UserError
from posterity.inference import checkpoint as checkpoint_module
from posterity.inference.checkpoint import Checkpoint, open_checkpoint

FILES = ["state.npz", "draws-0/0.npy", "draws-0/1.npy", "draws-0/index.json"]


@pytest.fixture
def checkpoint(tmp_path) -> Checkpoint:
    """A checkpoint with one piece and a state."""
    checkpoint = Checkpoint(tmp_path / "checkpoint", {"data": "1"}, tmp_path / "posterior.nc")
    checkpoint.add_piece(0, {"m": np.arange(1000.0), "scope/x": np.arange(10) > 5})
    checkpoint.save([np.arange(1000)], {"done": 5}, 1)
    return checkpoint


def test_checkpoint_returns_what_was_saved(checkpoint):
    saved, message = checkpoint.load()
    assert message == ""
    assert saved.about["done"] == 5
    assert saved.leaves[0].tolist() == list(range(1000))
    piece = read_array_folder(saved.pieces[0])
    np.testing.assert_array_equal(piece["m"], np.arange(1000.0))
    np.testing.assert_array_equal(piece["scope/x"], np.arange(10) > 5)


def test_absent_checkpoint_is_not_an_error(tmp_path):
    assert Checkpoint(tmp_path / "none", {}, tmp_path / "posterior.nc").load() == (None, "")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("content", [b"", b"no checkpoint"], ids=["empty", "text"])
def test_overwritten_file_is_reported(checkpoint, file, content):
    (checkpoint.folder / file).write_bytes(content)
    saved, message = checkpoint.load()
    assert saved is None
    assert "is damaged" in message
    assert "The fit starts again" in message


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.5, 0.99])
def test_flipped_bits_are_reported(checkpoint, file, fraction):
    path = checkpoint.folder / file
    data = bytearray(path.read_bytes())
    if file == "state.npz":  # zip has no checksum of its directory: flip the data
        fraction = 0.5
    data[int(fraction * len(data))] ^= 255
    path.write_bytes(data)
    saved, message = checkpoint.load()
    assert saved is None
    assert "The fit starts again" in message


@pytest.mark.parametrize("file", FILES[1:])
def test_missing_file_is_reported(checkpoint, file):
    (checkpoint.folder / file).unlink()
    saved, message = checkpoint.load()
    assert saved is None
    assert "a part of the checkpoint is missing. The fit starts again." in message


def test_pieces_without_a_state_are_not_a_checkpoint(checkpoint):
    (checkpoint.folder / "state.npz").unlink()
    assert checkpoint.load() == (None, "")


def test_piece_of_an_interrupted_write_is_replaced(checkpoint):
    checkpoint.add_piece(1, {"m": np.zeros(3), "old": np.zeros(3)})
    checkpoint.add_piece(1, {"m": np.ones(3)})
    checkpoint.save([np.arange(1000)], {"done": 8}, 2)
    saved, _ = checkpoint.load()
    piece = read_array_folder(saved.pieces[1])
    assert list(piece) == ["m"]
    np.testing.assert_array_equal(piece["m"], np.ones(3))


def test_state_is_written_after_the_pieces_that_it_counts(checkpoint):
    """A process that is killed after it wrote a piece resumes from the state before."""
    checkpoint.add_piece(1, {"m": np.zeros(3)})
    saved, message = checkpoint.load()
    assert message == ""
    assert len(saved.pieces) == 1


def test_checkpoint_of_other_inputs_is_not_used(checkpoint):
    other = Checkpoint(checkpoint.folder, {"data": "2", "seed": "1"}, checkpoint.output)
    saved, message = other.load()
    assert saved is None
    assert "other inputs (data, seed differ)" in message


def test_phase_has_its_own_folder(checkpoint):
    phase = checkpoint.for_phase("decay")
    assert phase.folder == checkpoint.folder / "decay"
    assert phase.load() == (None, "")


def test_job_that_lost_the_output_writes_no_checkpoint(checkpoint, monkeypatch):
    monkeypatch.setattr(checkpoint_module, "owns_file", lambda path: False)
    with pytest.raises(UserError, match="another job has taken it over"):
        checkpoint.add_piece(1, {"m": np.zeros(3)})
    with pytest.raises(UserError, match="another job has taken it over"):
        checkpoint.save([], {}, 1)
    checkpoint.clear()
    assert checkpoint.folder.exists()


def test_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    checkpoint = Checkpoint(tmp_path / "file/checkpoint", {}, tmp_path / "posterior.nc")
    with pytest.raises(UserError, match=r"draws-0: the checkpoint cannot be written .* disk"):
        checkpoint.add_piece(0, {"m": np.zeros(3)})
    with pytest.raises(UserError, match=r"state.npz: the checkpoint cannot be written .* disk"):
        checkpoint.save([], {}, 0)


def test_inputs_have_the_names_the_entry_and_the_code(tmp_path):
    code = tmp_path / "code.py"
    code.write_text("1")
    attributes = dict.fromkeys(checkpoint_module.INPUT_ATTRIBUTES, "same")
    attributes |= {"study": "s", "model": "m", "fit": "f", "host": "here"}

    def inputs(spec):
        checkpoint = open_checkpoint("folder", "output", attributes, ModelSource(spec), [code])
        return checkpoint.inputs

    first = inputs({"file": "a.py"})
    assert first["names"] == "s m f"
    assert "host" not in first
    assert inputs({"file": "b.py"})["spec"] != first["spec"]
    code.write_text("2")
    assert inputs({"file": "a.py"})["code"] != first["code"]
    assert open_checkpoint(None, "output", attributes, ModelSource({}), []) is None
