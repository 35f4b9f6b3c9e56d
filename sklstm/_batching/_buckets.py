"""Which sequences go into which batch."""

from __future__ import annotations

import numpy as np

from sklstm._sequences import IntArray

# An epoch of few batches has four windows, a longer one two, or as many as keep each below the most
# batches. Sorted whole, its batches would be those of every other epoch but for ties. This costs
# small data up to a quarter more time, and thousands of sequences nothing (benchmarks/LOG.md).
FEW_BATCHES, MOST_BATCHES = 16, 64
# Standard deviation of the logarithm of what lengths are multiplied by before they are compared.
SPREAD = 0.15


def training_batches(
    lengths: IntArray, batch_size: int, rng: np.random.Generator
) -> list[IntArray]:
    """Indices of each batch of one epoch: every sequence once, similar lengths together.

    Shuffle, sort by length within large windows, cut, shuffle the batches; within a batch lengths
    ascend. The sizes of the batches differ by at most one, so that no epoch ends with a noisy step
    on a handful of sequences.
    """
    n = len(lengths)
    order = rng.permutation(n)
    n_batches = -(-n // batch_size)
    if lengths.min() == lengths.max():
        return np.array_split(order, n_batches)
    batches: list[IntArray] = []
    for window in np.array_split(np.arange(n_batches), _n_windows(n_batches)):
        # Batch i of n_batches holds order[i * n // n_batches : (i + 1) * n // n_batches].
        first, last = window[0] * n // n_batches, (window[-1] + 1) * n // n_batches
        members = order[first:last]
        # Stable: among equal lengths the order stays random.
        members = members[np.argsort(lengths[members], kind="stable")]
        batches += np.array_split(members, len(window))
    return [batches[i] for i in rng.permutation(len(batches))]


def _n_windows(n_batches: int) -> int:
    if n_batches <= FEW_BATCHES:
        return min(n_batches, 4)
    return max(2, -(-n_batches // MOST_BATCHES))


def pair_by_length(indices: IntArray, lengths: IntArray, rng: np.random.Generator) -> IntArray:
    """Indices such that each sequence follows one of about its length, the first the last.

    Each time other ones, as a length counts with a random factor near 1. Lengths [10, 20, 30, 40]
    -> [10, 30, 40, 20].
    """
    ascending = indices[np.argsort(lengths[indices] * rng.lognormal(0, SPREAD, len(indices)))]
    return np.concatenate([ascending[::2], ascending[1::2][::-1]])


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
