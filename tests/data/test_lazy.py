import numpy as np
import pytest

from sklstm._batching import _sizes
from sklstm._data._lazy import as_list, without_copies
from sklstm._sequences import Sequences, SequenceView, view_of

LENGTHS = [3, 1, 4]


@pytest.fixture
def sequences():
    return Sequences.from_lengths(np.arange(16.0).reshape(8, 2), LENGTHS)


def test_large_sequences_become_a_view_of_themselves(sequences, monkeypatch):
    assert without_copies(sequences) is sequences
    monkeypatch.setattr(_sizes, "WHOLE_BYTES", 100)
    view = without_copies(sequences)
    assert isinstance(view, SequenceView)
    assert np.shares_memory(view.load([1]).values, sequences.values)
    assert without_copies(view) is view


def test_the_list_of_a_view_is_read_item_by_item(sequences):
    items = as_list(view_of(sequences))
    expected = as_list(sequences)
    assert isinstance(expected, list)
    assert len(items) == 3
    for found in ([*items], [items[i] for i in range(3)], [items[i] for i in (-3, -2, -1)]):
        for own, want in zip(found, expected, strict=True):
            np.testing.assert_array_equal(own, want)
    assert [len(x) for x in items[::-2]] == [4, 3]
    assert [len(x) for x in reversed(items)] == [4, 1, 3]
    assert len(items[3:]) == 0
    with pytest.raises(IndexError):
        items[3]
