"""Bucketing: batches of sequences of similar length."""

from __future__ import annotations

import numpy as np

from sklstm._sequences import IntArray

# Sequences are sorted by length within windows: four for an epoch of up to SHORT_EPOCH batches, two
# for a longer one, and more so that no window exceeds MAX_WINDOW batches. One window would give
# every epoch the same batches. Small data take up to a quarter more time, thousands of sequences no
# more (benchmarks/LOG.md, ADR 42).
SHORT_EPOCH, MAX_WINDOW = 16, 64
# Standard deviation of the log-normal noise on lengths when mixup partners are chosen.
LENGTH_NOISE = 0.15


def training_batches(
    lengths: IntArray, batch_size: int, rng: np.random.Generator
) -> list[IntArray]:
    """Indices of each batch of one epoch: every sequence once, similar lengths together.

    Shuffle, sort by length within windows, cut into batches, shuffle the batches. Within a batch
    lengths ascend. Batch sizes differ by at most one: a small last batch would be a noisy step.
    """
    return shuffled_batches(lengths, -(-len(lengths) // batch_size), rng)


def shuffled_batches(lengths: IntArray, n_batches: int, rng: np.random.Generator) -> list[IntArray]:
    """The same of a number of batches."""
    n = len(lengths)
    order = rng.permutation(n)
    if lengths.min() == lengths.max():
        return np.array_split(order, n_batches)
    if n_batches <= SHORT_EPOCH:
        n_windows = min(n_batches, 4)
    else:
        n_windows = max(2, -(-n_batches // MAX_WINDOW))
    batches: list[IntArray] = []
    for window in np.array_split(np.arange(n_batches), n_windows):
        # Batch i of n_batches holds order[i * n // n_batches : (i + 1) * n // n_batches].
        first, last = window[0] * n // n_batches, (window[-1] + 1) * n // n_batches
        members = order[first:last]
        # Stable: among equal lengths the order stays random.
        members = members[np.argsort(lengths[members], kind="stable")]
        batches += np.array_split(members, len(window))
    return [batches[i] for i in rng.permutation(len(batches))]


def pair_by_length(indices: IntArray, lengths: IntArray, rng: np.random.Generator) -> IntArray:
    """Indices in a cyclic order in which neighbours, the mixup partners, have similar lengths.

    Random noise on the lengths varies the partners. Lengths [10, 20, 30, 40] -> [10, 30, 40, 20].
    """
    ascending = indices[np.argsort(lengths[indices] * rng.lognormal(0, LENGTH_NOISE, len(indices)))]
    return np.concatenate([ascending[::2], ascending[1::2][::-1]])


def prediction_batches(lengths: IntArray, max_timesteps: int, max_size: int) -> list[IntArray]:
    """Indices of each batch, sorted by length, of at most ``max_size`` sequences.

    Batches have at most ``max_timesteps`` timesteps, padding included, unless one sequence has
    more.
    """
    order = np.argsort(lengths, kind="stable")
    if len(order) == 1:
        return [order]
    ascending = lengths[order]
    batches: list[IntArray] = []
    end = len(order)
    while end > 0:
        # From the longest down: the longest sequence of a batch is its padded length.
        size = max(1, min(max_size, max_timesteps // int(ascending[end - 1])))
        start = max(0, end - size)
        batches.append(order[start:end])
        end = start
    return batches
