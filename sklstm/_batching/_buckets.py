"""Which sequences go into which batch."""

from __future__ import annotations

import numpy as np

from sklstm._sequences import IntArray

# Sorting within windows of this many batches leaves a few percent of padding on log-normal lengths
# (benchmarks/LOG.md). An epoch of fewer batches is sorted whole: but for ties its batches are those
# of every other epoch (what has been tried instead: benchmarks/LOG.md, sixth round of accuracy).
WINDOW_BATCHES = 64


def training_batches(
    lengths: IntArray, batch_size: int, rng: np.random.Generator
) -> list[IntArray]:
    """Indices of each batch of one epoch: every sequence once, similar lengths together.

    Shuffle, sort by length within large windows, cut, shuffle the batches. The sizes of the batches
    differ by at most one, so that no epoch ends with a noisy step on a handful of sequences.
    """
    n = len(lengths)
    order = rng.permutation(n)
    n_batches = -(-n // batch_size)
    if lengths.min() == lengths.max():
        return np.array_split(order, n_batches)
    batches: list[IntArray] = []
    for window in np.array_split(np.arange(n_batches), -(-n_batches // WINDOW_BATCHES)):
        # Batch i of n_batches holds order[i * n // n_batches : (i + 1) * n // n_batches].
        first, last = window[0] * n // n_batches, (window[-1] + 1) * n // n_batches
        members = order[first:last]
        # Stable: among equal lengths the order stays random.
        members = members[np.argsort(lengths[members], kind="stable")]
        batches += np.array_split(members, len(window))
    return [batches[i] for i in rng.permutation(len(batches))]


def prediction_batches(lengths: IntArray, max_timesteps: int, max_size: int) -> list[IntArray]:
    """Indices of each batch, sorted by length, of at most so many padded timesteps and sequences.

    A batch always holds at least one sequence, however long.
    """
    order = np.argsort(lengths, kind="stable")
    ascending = lengths[order]
    batches: list[IntArray] = []
    end = len(order)
    while end > 0:
        # From the longest down: the first of a batch fixes its padded length.
        size = max(1, min(max_size, max_timesteps // int(ascending[end - 1])))
        start = max(0, end - size)
        batches.append(order[start:end])
        end = start
    return batches
