import itertools

import numpy as np
import pytest

from sklstm._batching._parts import MAX_BYTES, Cost, cut

SMALL = Cost(multiplications=5_000, widest=5_000, bytes=1_000)
LARGE = Cost(multiplications=70_000, widest=70_000, bytes=6_000)


def sizes(lengths, cost):
    lengths = np.sort(np.asarray(lengths))
    parts = cut(lengths, cost)
    assert parts[0].start == 0
    assert parts[-1].stop == len(lengths)
    assert all(a.stop == b.start for a, b in itertools.pairwise(parts))
    return [part.stop - part.start for part in parts]


@pytest.mark.parametrize(
    ("lengths", "cost", "expected"),
    [
        ([50] * 32, SMALL, [32]),
        ([10] * 64, LARGE, [64]),
        ([100] * 64, LARGE, [32, 32]),
        ([100] * 32, LARGE, [16, 16]),
        ([100] * 20, LARGE, [20]),
        ([1000] * 100, LARGE, [17, 17, 16, 17, 16, 17]),
        ([7], LARGE, [1]),
    ],
)
def test_large_steps_are_cut_into_parts_that_keep_a_thread_busy(lengths, cost, expected):
    assert sorted(sizes(lengths, cost)) == sorted(expected)


def test_an_outlier_does_not_pad_the_others():
    assert sizes([10, 10, 10, 900], SMALL) == [3, 1]
    assert sizes([10] * 20 + [300] * 11 + [20_000], SMALL) == [20, 11, 1]


def test_lengths_as_they_come_are_left_together():
    assert sizes(np.arange(90, 122), SMALL) == [32]


def test_the_activations_of_a_part_fit_into_its_memory():
    lengths = [20_000] * 32
    largest = max(sizes(lengths, LARGE))
    assert largest * 20_000 * LARGE.bytes <= MAX_BYTES
    assert max(sizes([10**9] * 3, LARGE)) == 1
