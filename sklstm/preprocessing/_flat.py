"""Vectorized operations along time on concatenated sequences, with no loop over sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from sklstm._sequences import Array, IntArray, Sequences

State = TypeVar("State")


def positions_of(sequences: Sequences) -> IntArray:
    """Timestep of each row within its own sequence: lengths [3, 1] -> [0, 1, 2, 0]."""
    starts = np.repeat(sequences.offsets[:-1], sequences.lengths)
    positions: IntArray = np.arange(len(sequences.values)) - starts
    return positions


def lagged(values: Array, lag: int, positions: IntArray, fill_value: float) -> Array:
    """Values ``lag`` timesteps earlier in the same sequence, ``fill_value`` where none are."""
    shifted = np.full_like(values, fill_value)
    shifted[lag:] = values[: max(len(values) - lag, 0)]
    # Rows that reached into the sequence before.
    shifted[positions < lag] = fill_value
    return shifted


def rows_of_last(flags: Array, positions: IntArray) -> IntArray:
    """Row of the last True in each column, up to and including each row's own; -1 if none.

    ``flags`` is of shape (n_timesteps, n_features), and so is the result.
    """
    rows = np.arange(len(flags))[:, None]
    last = np.maximum.accumulate(np.where(flags, rows, -1), axis=0)
    # The running maximum goes on across sequences; a row before the own start is another's.
    in_same_sequence = last >= rows - positions[:, None]
    return np.where(in_same_sequence, last, -1)


def rows_of_next(flags: Array, sequences: Sequences) -> IntArray:
    """Row of the next True in each column, from each row's own on; -1 if none."""
    reversed_positions = positions_of(Sequences.from_lengths(flags, sequences.lengths[::-1]))
    from_the_end = rows_of_last(flags[::-1], reversed_positions)[::-1]
    return np.where(from_the_end == -1, -1, len(flags) - 1 - from_the_end)


def timesteps_since(flags: Array, positions: IntArray) -> IntArray:
    """Timesteps since the last True, 0 at it; before the first True, counted from the start.

    Flags [0, 0, 1, 0] -> [1, 2, 0, 1].
    """
    last = rows_of_last(flags, positions)
    rows = np.arange(len(flags))[:, None]
    return np.where(last == -1, positions[:, None] + 1, rows - last)


def reduce_windows(
    states: Array,
    window: int,
    positions: IntArray,
    merge: Callable[[Array, Array], Array],
    neutral: float,
) -> Array:
    """Rolling reduction: the merged states of the last ``window`` timesteps, at each timestep.

    Windows of 1, 2, 4, ... timesteps are merged from two neighbouring ones each, and combined by
    the binary digits of ``window``: 5 timesteps are the last one and the 4 before it. Time is
    O(log(window)). Values outside a window never enter it, as they would in a difference of
    cumulative sums.

    Parameters
    ----------
    states : ndarray of shape (n_timesteps, ...)
        State of each single timestep.
    window : int
        Timesteps in a window, fewer at the beginning of a sequence.
    positions : ndarray of shape (n_timesteps,)
        As `positions_of` gives them.
    merge : callable
        ``merge(older, newer)``: one state of two, associative.
    neutral : float
        Fill value of the state that is the identity of ``merge``.
    """
    longest = int(positions.max()) + 1

    def after(older: Array, newer: Array, lag: int) -> Array:
        # No sequence reaches that far back: the older state would be neutral everywhere.
        return newer if lag >= longest else merge(lagged(older, lag, positions, neutral), newer)

    return merge_windows(states, window, after)


def merge_windows(single: State, window: int, after: Callable[[State, State, int], State]) -> State:
    """State of windows of ``window`` timesteps, of that of single ones.

    ``after(older, newer, lag)`` merges two windows, the older of which ends ``lag`` timesteps
    earlier.
    """
    merged: State | None = None
    done, block, size = 0, single, 1
    while True:
        if window & size:
            merged = block if merged is None else after(block, merged, done)
            done += size
        if done == window:
            break
        block, size = after(block, block, size), 2 * size
    assert merged is not None
    return merged
