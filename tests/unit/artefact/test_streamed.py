"""Arrays on disk, read piece by piece."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posterity.artefact import streamed
from posterity.artefact.streamed import (
    StreamedArray,
    check_array_folder,
    read_array_folder,
    write_array_folder,
)

VALUES = np.random.default_rng(0).normal(size=(2, 50, 3, 4))
PROPERTY = settings(deadline=None, max_examples=50, derandomize=True)
CUTS = st.lists(st.integers(0, 50), max_size=8)


def split(cuts: list[int], values: np.ndarray = VALUES) -> StreamedArray:
    """Return VALUES in pieces that end at `cuts`; some of them may be empty."""
    edges = [0, *sorted(cuts), values.shape[1]]
    pieces = [values[:, a:b] for a, b in pairwise(edges)]
    return StreamedArray(values.shape, values.dtype, lambda: iter(pieces))


def join(array: StreamedArray) -> np.ndarray:
    return np.concatenate(list(array.pieces()), axis=1)


@given(cuts=CUTS, rows=st.integers(1, 60))
@PROPERTY
def test_blocks_are_slices_of_equal_length(cuts, rows):
    array = split(cuts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streamed, "BLOCK_BYTES", rows * 2 * 12 * 8)
        assert array.rows() == min(rows, 50)
        blocks = list(array.blocks())
    for number, (begin, block) in enumerate(blocks):
        assert begin == number * min(rows, 50)
        np.testing.assert_array_equal(block, VALUES[:, begin : begin + rows])
    assert sum(block.shape[1] for _, block in blocks) == 50


@given(cuts=CUTS, step=st.integers(1, 70))
@PROPERTY
def test_thinning_is_a_slice_with_a_step(cuts, step):
    thinned = split(cuts).thin(step)
    np.testing.assert_array_equal(join(thinned), VALUES[:, ::step])
    assert thinned.shape == VALUES[:, ::step].shape


@given(cuts=CUTS, first=st.integers(1, 9), second=st.integers(1, 9))
@PROPERTY
def test_thinning_twice_is_thinning_by_the_product(cuts, first, second):
    array = split(cuts)
    np.testing.assert_array_equal(
        join(array.thin(first).thin(second)), join(array.thin(first * second))
    )


@given(cuts=CUTS, chosen=st.lists(st.integers(0, 11), min_size=1, max_size=12))
@PROPERTY
def test_columns_index_the_flattened_site(cuts, chosen):
    flat = VALUES.reshape(2, 50, 12)
    array = split(cuts)
    np.testing.assert_array_equal(array.columns(np.array(chosen)), flat[:, :, chosen])
    begin, end = sorted((chosen[0], chosen[-1]))
    np.testing.assert_array_equal(array.columns(slice(begin, end)), flat[:, :, begin:end])


@pytest.mark.parametrize("size", [1, 1000, 10e3, 1e9])
def test_blocks_have_at_least_one_row(size, monkeypatch):
    monkeypatch.setattr(streamed, "BLOCK_BYTES", size)
    begins, blocks = zip(*split([7, 8]).blocks(), strict=True)
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), VALUES)
    lengths = [block.shape[1] for block in blocks]
    assert list(begins) == list(np.cumsum([0, *lengths[:-1]]))


def test_stub_takes_no_memory():
    stub = StreamedArray((2, 10**9, 3), np.dtype(float), lambda: iter([])).stub()
    assert stub.shape == (2, 10**9, 3)
    assert stub.strides == (0, 0, 0)


ARRAYS = {
    "x": np.arange(24.0).reshape(2, 3, 4),
    "scope/y z": np.array([[True, False]]),
    "X": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "empty": np.zeros((2, 0, 3)),
    "number": np.float32(1.5),
}


@pytest.fixture
def folder(tmp_path):
    write_array_folder(tmp_path / "arrays", ARRAYS)
    return tmp_path / "arrays"


def test_array_folder_returns_what_was_written(folder):
    arrays = read_array_folder(folder)
    assert list(arrays) == list(ARRAYS)
    for name, values in ARRAYS.items():
        assert arrays[name].dtype == values.dtype
        np.testing.assert_array_equal(arrays[name], values)
    check_array_folder(folder)


def test_array_folder_is_mapped_into_memory(folder):
    assert isinstance(read_array_folder(folder)["x"], np.memmap)


def test_array_folder_is_replaced_as_a_whole(folder):
    write_array_folder(folder, {"new": np.zeros(2)})
    assert list(read_array_folder(folder)) == ["new"]
    assert [path.name for path in folder.parent.iterdir()] == ["arrays"]


@pytest.mark.parametrize("file", ["0.npy", "2.npy", "index.json"])
def test_every_flipped_byte_is_found(folder, file):
    path = folder / file
    content = path.read_bytes()
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 4
        path.write_bytes(damaged)
        with pytest.raises((ValueError, FileNotFoundError)):
            check_array_folder(folder)


@pytest.mark.parametrize("file", ["0.npy", "index.json"])
def test_missing_file_of_an_array_folder_is_an_error(folder, file):
    (folder / file).unlink()
    with pytest.raises(FileNotFoundError):
        check_array_folder(folder)


def test_cut_file_of_an_array_folder_is_an_error(folder):
    path = folder / "0.npy"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match="wrong checksum of 'x'"):
        check_array_folder(folder)
