import numpy as np
import pytest

from sklstm._sequences import Sequences


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
