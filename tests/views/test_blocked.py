import pickle

import numpy as np
import pytest

from sklstm._views import _blocked
from sklstm._views._blocked import BlockedRows, cut_at


class Counted:
    """Blocks of 4, 1, 5 and 2 timesteps, which say when they are read."""

    bounds = np.array([0, 4, 5, 10, 12])
    n_features = 2
    dtype = np.dtype(np.float32)
    values = np.arange(24, dtype=np.float32).reshape(12, 2)

    def __init__(self):
        self.loaded = []

    def load(self, index):
        self.loaded.append(index)
        return self.values[self.bounds[index] : self.bounds[index + 1]]


@pytest.fixture
def blocks():
    return Counted()


def gathered(rows, starts, lengths):
    return rows.gather(np.array(starts), np.array(lengths, dtype=np.int32))


@pytest.mark.parametrize(
    ("starts", "lengths"),
    [
        ([0], [12]),
        ([2], [5]),
        ([11, 0, 3], [1, 2, 7]),
        ([5, 5], [5, 5]),
        ([4], [1]),
        ([9, 2], [0, 1]),
        ([], []),
    ],
)
def test_gathers_what_indexing_gathers(blocks, starts, lengths):
    expected = [blocks.values[a : a + n] for a, n in zip(starts, lengths, strict=True)]
    got = gathered(BlockedRows(blocks), starts, lengths)
    np.testing.assert_array_equal(got, np.concatenate([np.empty((0, 2)), *expected]))
    assert got.dtype == np.float32


def test_any_pieces_in_any_order(blocks):
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 12, size=100)
    lengths = np.minimum(rng.integers(0, 12, size=100), 12 - starts)
    expected = np.concatenate(
        [blocks.values[a : a + n] for a, n in zip(starts, lengths, strict=True)]
    )
    np.testing.assert_array_equal(gathered(BlockedRows(blocks), starts, lengths), expected)


def test_reads_each_block_once_and_only_what_is_needed(blocks, monkeypatch):
    monkeypatch.setattr(_blocked, "CACHE_BYTES", 0)
    gathered(BlockedRows(blocks), [10, 0, 11, 1, 0], [1, 2, 1, 3, 1])
    assert blocks.loaded == [0, 3]


def test_keeps_the_last_blocks(blocks, monkeypatch):
    # Of 40 and 16 bytes.
    monkeypatch.setattr(_blocked, "CACHE_BYTES", 56)
    rows = BlockedRows(blocks)
    for start in (5, 10, 6, 11, 0, 6):
        rows.read(start, start + 1)
    assert blocks.loaded == [2, 3, 0, 2]


def test_keeps_a_block_of_any_size(blocks, monkeypatch):
    monkeypatch.setattr(_blocked, "CACHE_BYTES", 0)
    rows = BlockedRows(blocks)
    for start in (5, 6, 7, 0, 1):
        rows.read(start, start + 1)
    assert blocks.loaded == [2, 0]


def test_a_pickle_holds_no_values(blocks):
    rows = BlockedRows(blocks)
    n_bytes = len(pickle.dumps(rows))
    rows.read(0, 12)
    assert len(pickle.dumps(rows)) < n_bytes + 20
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(rows)).read(3, 6), blocks.values[3:6])


def test_blocks_without_timesteps_are_not_read():
    pieces = cut_at(np.array([0, 4, 4, 8]), np.array([2, 4]), np.array([4, 1]))
    assert pieces.blocks.tolist() == [0, 2, 2]
    assert pieces.places.tolist() == [0, 2, 4]


def test_cuts_runs_at_bounds():
    pieces = cut_at(np.array([0, 4, 8]), np.array([6, 2]), np.array([1, 3]))
    assert pieces.blocks.tolist() == [1, 0, 1]
    assert pieces.starts.tolist() == [6, 2, 4]
    assert pieces.lengths.tolist() == [1, 2, 1]
    assert pieces.places.tolist() == [0, 1, 3]
