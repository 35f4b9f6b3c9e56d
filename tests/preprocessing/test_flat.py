import numpy as np
import pytest

from sklstm._sequences import Sequences
from sklstm.preprocessing._flat import (
    lagged,
    positions_of,
    reduce_windows,
    rows_of_last,
    rows_of_next,
    timesteps_since,
)

LENGTHS = [4, 1, 3, 1, 6]
RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(sum(LENGTHS), 2))
SEQUENCES = Sequences.from_lengths(VALUES, LENGTHS)
POSITIONS = positions_of(SEQUENCES)
FLAGS = VALUES > 0.5


def bounds():
    """First and last row of the sequence of each row."""
    for start, end in zip(SEQUENCES.offsets[:-1], SEQUENCES.offsets[1:], strict=True):
        for row in range(start, end):
            yield row, start, end


def test_positions_begin_at_0_in_each_sequence():
    assert POSITIONS.tolist() == [0, 1, 2, 3, 0, 0, 1, 2, 0, 0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("lag", [1, 2, 5, 6, 100])
def test_earlier_stays_in_the_sequence(lag):
    expected = [
        VALUES[row - lag] if row - lag >= start else np.full(2, -9.0) for row, start, _ in bounds()
    ]
    np.testing.assert_array_equal(lagged(VALUES, lag, POSITIONS, -9.0), expected)


def test_rows_of_the_last_and_the_next_flag_stay_in_the_sequence():
    last = [
        [max((r for r in range(start, row + 1) if FLAGS[r, c]), default=-1) for c in range(2)]
        for row, start, _ in bounds()
    ]
    following = [
        [min((r for r in range(row, end) if FLAGS[r, c]), default=-1) for c in range(2)]
        for row, _, end in bounds()
    ]
    np.testing.assert_array_equal(rows_of_last(FLAGS, POSITIONS), last)
    np.testing.assert_array_equal(rows_of_next(FLAGS, SEQUENCES), following)


def test_timesteps_since_counts_from_before_the_start():
    flags = np.array([[0], [0], [1], [0], [0], [1], [1], [0]], dtype=bool)
    positions = positions_of(Sequences.from_lengths(flags, [4, 1, 3]))
    assert timesteps_since(flags, positions).ravel().tolist() == [1, 2, 0, 1, 1, 0, 0, 1]


@pytest.mark.parametrize("window", [1, 2, 3, 4, 5, 6, 7, 8, 13, 10**9])
def test_windows_are_merged_in_their_order_and_each_timestep_once(window):
    """Texts, whose concatenation tells order, repetition and omission."""
    letters = np.array([["a"], ["b"], ["c"], ["d"], ["p"], ["x"], ["y"], ["z"]], dtype=object)
    positions = positions_of(Sequences.from_lengths(letters, [4, 1, 3]))
    merged = reduce_windows(letters, window, positions, np.add, "")
    grown = ["a", "ab", "abc", "abcd", "p", "x", "xy", "xyz"]
    assert merged.ravel().tolist() == [text[-window:] for text in grown]
