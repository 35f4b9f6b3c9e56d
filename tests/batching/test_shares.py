"""Shares of a batch: every k-th sequence, cut into parts like a batch."""

import numpy as np
import pytest

from sklstm._batching._parts import Cost
from sklstm._batching._shares import deal, shares_of
from sklstm._runtime._ranks import InTurn


class Rank:
    def __init__(self, rank, size):
        self.own, self.size = range(rank, rank + 1), size


@pytest.mark.parametrize("n", [1, 2, 5, 16])
@pytest.mark.parametrize("size", [2, 3])
def test_all_shares_together_are_the_batch(n, size):
    indices, lengths = np.arange(100, 100 + n), np.arange(1, 101 + n)
    dealt, parts = deal(indices, lengths, size, None)
    assert sorted(dealt) == sorted(indices)
    covered = [i for part in parts for i in range(part.start, part.stop)]
    assert covered == list(range(n))
    found = []
    for rank in range(size):
        own, of_own, n_parts = shares_of(Rank(rank, size), n, parts)
        assert [len(dealt[own][part]) for part in of_own] == [len(indices[rank::size])] * len(
            of_own
        )
        np.testing.assert_array_equal(dealt[own], indices[rank::size])
        assert len(n_parts) == 1
        found += n_parts
    assert sum(found) == len(parts)


def test_a_process_in_turn_has_all_shares():
    dealt, parts = deal(np.arange(5), np.ones(5, dtype=int), 2, None)
    assert dealt.tolist() == [0, 2, 4, 1, 3]
    assert shares_of(InTurn(2), 5, parts) == (slice(0, 5), parts, [1, 1])


def test_a_share_is_cut_where_few_long_sequences_would_pad_many():
    lengths = np.array([10] * 14 + [900, 900])
    cost = Cost(0, widest=1, bytes=1)
    _, parts = deal(np.arange(16), lengths, 2, cost)
    assert parts == [slice(0, 7), slice(7, 8), slice(8, 15), slice(15, 16)]
    assert shares_of(Rank(1, 2), 16, parts) == (slice(8, 16), [slice(0, 7), slice(7, 8)], [2])


def test_a_batch_of_one_leaves_the_other_rank_nothing():
    dealt, parts = deal(np.array([7]), np.ones(8, dtype=int), 2, None)
    assert dealt.tolist() == [7]
    assert shares_of(Rank(1, 2), 1, parts) == (slice(1, 1), [], [0])
