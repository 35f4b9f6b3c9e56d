"""The sequences of one training step -> parts that are padded and computed apart."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sklstm._config._configuration import NetworkConfiguration
from sklstm._sequences import IntArray

# A part has at least this many sequences, and its widest layer at least this many multiplications a
# timestep: below, the kernels lose more than a tenth of their speed (benchmarks/LOG.md).
MIN_SEQUENCES, MIN_MULTIPLICATIONS = 16, 500_000
# A batch of fewer multiplications in the forward pass is one part, which takes some 2 ms; beyond
# it is two parts, and more if each of them has twice as many.
MIN_WORK = 100_000_000
# A timestep of a part costs as much as this many sequences, before any sequence.
SEQUENCES_A_TIMESTEP = 8
# The activations of one part, in bytes.
MAX_BYTES = 2**30


@dataclass(frozen=True)
class Cost:
    """What one timestep of one sequence costs.

    Attributes
    ----------
    multiplications : int
        Of the LSTM layers' forward pass: the number of their weights.
    widest : int
        Those of the widest layer, in one direction.
    bytes : int
        Kept for the backward pass, about.
    """

    multiplications: int
    widest: int
    bytes: int

    @classmethod
    def of(cls, network: NetworkConfiguration) -> Cost:
        """What a timestep costs, a share of its patch.

        With convolutions no batch is cut for speed, as their normalisation is by part, and they are
        computed beside the LSTM layers. Long sequences among short ones are cut off all the same.
        """
        directions, patch_size = 2 if network.bidirectional else 1, network.patch_size
        # Four gates, cell and state, and as much again for their gradients, in float32.
        bytes_kept = directions * sum(48 * size for size in network.hidden_sizes)
        if network.conv_filters:
            # What is convolved, normalised and rectified, and its gradients.
            bytes_kept += sum(24 * size for size in network.conv_filters)
            return cls(0, widest=1, bytes=-(-bytes_kept // patch_size))
        widths_in = [
            network.n_inputs * patch_size,
            *(directions * size for size in network.hidden_sizes[:-1]),
        ]
        layers = zip(widths_in, network.hidden_sizes, strict=True)
        multiplications = [4 * size * (n + size) for n, size in layers]
        return cls(
            multiplications=directions * sum(multiplications) // patch_size,
            widest=max(multiplications),
            bytes=-(-bytes_kept // patch_size),
        )


def cut(lengths: IntArray, cost: Cost) -> list[slice]:
    """Consecutive parts of a batch whose lengths ascend.

    The gradient of a step is the sum over its parts, so the parts are a matter of speed and memory
    alone, but for mixup, which is within each. They depend on the batch and the network, not on the
    machine, and so do the bits.
    """
    parts: list[slice] = []
    for part in _cut_off_outliers(lengths):
        n, longest = part.stop - part.start, int(lengths[part.stop - 1])
        n_parts = max(_parts_for_speed(n, longest, cost), -(-n * longest * cost.bytes // MAX_BYTES))
        parts += _cut_evenly(part, min(n_parts, n))
    return parts


def _cut_evenly(part: slice, n_parts: int) -> list[slice]:
    size = part.stop - part.start
    edges = [part.start + i * size // n_parts for i in range(n_parts + 1)]
    return [slice(a, b) for a, b in pairwise(edges)]


def _parts_for_speed(n_sequences: int, longest: int, cost: Cost) -> int:
    work = n_sequences * longest * cost.multiplications
    if work < MIN_WORK:
        return 1
    smallest = max(MIN_SEQUENCES, -(-MIN_MULTIPLICATIONS // cost.widest))
    return max(1, min(n_sequences // smallest, max(2, work // (2 * MIN_WORK))))


def _cut_off_outliers(lengths: IntArray) -> list[slice]:
    """Parts such that long sequences do not pad many short ones.

    Lengths [10, 10, 10, 900] -> the first three, the last.
    """
    parts, end = [], len(lengths)
    while end > 0:
        start = _best_cut(lengths[:end])
        parts.append(slice(start, end))
        end = start
    return parts[::-1]


def _best_cut(lengths: IntArray) -> int:
    """Where to cut the longest off, 0 if nowhere: a cut must save a fifth of the time."""
    n, longest = len(lengths), int(lengths[-1])
    if lengths[0] == longest or n * longest <= 1.25 * int(lengths.sum()):
        return 0
    before = np.arange(1, n)
    short = (before + SEQUENCES_A_TIMESTEP) * lengths[:-1]
    long = (n - before + SEQUENCES_A_TIMESTEP) * longest
    best = int((short + long).argmin())
    whole = (n + SEQUENCES_A_TIMESTEP) * longest
    return best + 1 if short[best] + long[best] < 0.8 * whole else 0
