from dataclasses import replace

import numpy as np
import pytest

from sklstm._sequences import Sequences, in_memory, view_of


@pytest.fixture
def sequences():
    return Sequences.from_lengths(np.arange(12.0).reshape(6, 2), [3, 1, 2])


def test_offsets_bound_each_sequence(sequences):
    assert sequences.offsets.tolist() == [0, 3, 4, 6]
    assert len(sequences) == 3
    assert sequences.lengths.tolist() == [3, 1, 2]
    assert sequences.n_features == 2


def test_iterates_over_the_sequences(sequences):
    first, second, third = sequences
    assert first.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert second.tolist() == [[6, 7]]
    assert third.tolist() == [[8, 9], [10, 11]]


@pytest.mark.parametrize("indices", [[2, 0], [1], [0, 1, 2], [1, 1, 2], []])
def test_take_equals_picking_from_a_list(sequences, indices):
    taken = sequences.take(indices)
    expected = [list(sequences)[i] for i in indices]
    assert len(taken) == len(expected)
    for got, want in zip(taken, expected, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("row", "place"), [(0, (0, 0)), (2, (0, 2)), (3, (1, 0)), (5, (2, 1))])
def test_locates_a_row(sequences, row, place):
    assert sequences.locate(row) == place


def test_is_immutable(sequences):
    with pytest.raises(AttributeError, match="cannot assign to field"):
        sequences.values = np.zeros((6, 2))


@pytest.fixture
def view(sequences):
    return view_of(sequences)


def assert_same(some, others):
    for got, want in zip(some, others, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("indices", [[2, 0], [1], [0, 1, 2], [1, 1, 2], []])
def test_a_view_loads_what_sequences_take(sequences, view, indices):
    indices = np.array(indices, dtype=np.int64)
    assert_same(view.load(indices), sequences.take(indices))
    assert_same(view.take(indices).load(np.arange(len(indices))), sequences.take(indices))


def test_a_view_of_adjoining_sequences_copies_nothing(sequences, view):
    loaded = view.load([0, 1])
    assert np.shares_memory(loaded.values, sequences.values)


def test_a_part_of_a_view_takes_no_values(view):
    assert view.take([2, 0]).rows is view.rows


def test_codes_and_static_columns_follow_their_sequences(sequences):
    whole = replace(sequences, codes=np.arange(6)[:, None], static=np.array([[1.0], [2.0], [3.0]]))
    loaded = view_of(whole).take([2, 0]).load([1, 0])
    assert loaded.codes.ravel().tolist() == [0, 1, 2, 4, 5]
    assert loaded.static.ravel().tolist() == [1, 3]
    (_, first), (_, last) = whole.blocks(8)
    assert last.codes.ravel().tolist() == [4, 5]
    assert last.static.tolist() == [[3.0]]
    assert first.codes.ravel().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("max_values", "expected"),
    [(100, [(0, 3)]), (8, [(0, 2), (2, 3)]), (1, [(0, 1), (1, 2), (2, 3)])],
)
def test_blocks_are_runs_of_sequences(sequences, view, max_values, expected):
    for blocks in (list(sequences.blocks(max_values)), list(view.blocks(max_values))):
        assert [(run.start, run.stop) for run, _ in blocks] == expected
        assert_same([item for _, block in blocks for item in block], sequences)


def test_sizes_of_a_view(sequences, view):
    for whole in (sequences, view):
        assert (len(whole), whole.n_features, whole.n_timesteps) == (3, 2, 6)
        assert whole.dtype == np.float64


@pytest.mark.parametrize("order", [[3, 4, 0, 2], [0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [1, 2, 2, 3]])
@pytest.mark.parametrize("is_short", [False, True])
def test_long_runs_and_short_ones_are_gathered_alike(order, is_short):
    lengths = np.array([2, 1, 3, 2, 4] if is_short else [100, 70, 90, 120, 80])
    values = np.random.default_rng(0).normal(size=(lengths.sum(), 2))
    whole = Sequences.from_lengths(values, lengths)
    loaded = view_of(whole).load(order)
    assert_same(loaded, whole.take(order))


def test_a_view_in_memory_is_the_sequences(sequences, view):
    assert in_memory(sequences) is sequences
    loaded = in_memory(view.take([2, 0]))
    assert isinstance(loaded, Sequences)
    assert_same(loaded, sequences.take([2, 0]))
