"""Splitting of a mini-batch into parts that are padded and computed separately (ADR 22)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sklstm._config._configuration import NetworkConfiguration
from sklstm._sequences import IntArray

# Minimum number of sequences of a part, and of multiplications per timestep in its largest layer:
# below, the kernels lose more than a tenth of their speed (benchmarks/LOG.md).
MIN_SEQUENCES, MIN_MULTIPLICATIONS = 16, 500_000
# A forward pass of fewer multiplications, some 2 ms, is not split for speed; a longer one is split
# in two, or in more parts of at least twice as many.
MIN_WORK = 100_000_000
# Fixed cost of a timestep of a part, in sequences.
OVERHEAD = 8
# Maximum size of the activations of one part, in bytes.
MAX_BYTES = 2**30


@dataclass(frozen=True)
class Cost:
    """Cost of one timestep of one sequence.

    Attributes
    ----------
    multiplications : int
        Multiplications in the forward pass of the LSTM layers.
    widest : int
        Multiplications of the largest layer, in one direction.
    bytes : int
        Approximate memory kept for the backward pass.
    """

    multiplications: int
    widest: int
    bytes: int

    @classmethod
    def of(cls, network: NetworkConfiguration) -> Cost:
        """Cost of the network per timestep, that of a patch divided by its size.

        With convolutions no batch is split for speed: batch statistics are per part, and the
        branches run in parallel anyway. Outliers in length are still split off.
        """
        # Windows of fixed convolutions are timesteps of the network.
        patch_size = 1 if network.reads_windows else network.patch_size
        directions = 2 if network.bidirectional else 1
        # Four gates, cell and hidden state, and their gradients, in float32.
        bytes_kept = directions * sum(48 * size for size in network.hidden_sizes)
        if network.conv_filters:
            # Outputs of convolution, normalisation and ReLU, and their gradients.
            bytes_kept += sum(24 * size for size in network.conv_filters)
            return cls(0, widest=1, bytes=-(-bytes_kept // patch_size))
        widths_in = [
            network.n_inputs * network.patch_size,
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
    """Split a batch of ascending lengths into consecutive parts.

    The gradient of a step is the sum over its parts, so that parts affect only speed and memory,
    except that mixup and batch statistics are per part. They depend on the batch and the network
    but not on the machine: results are the same everywhere.
    """
    parts: list[slice] = []
    for part in _cut_off_outliers(lengths):
        n, longest = part.stop - part.start, int(lengths[part.stop - 1])
        n_parts = max(_n_for_speed(n, longest, cost), -(-n * longest * cost.bytes // MAX_BYTES))
        parts += _cut_evenly(part, min(n_parts, n))
    return parts


def _cut_evenly(part: slice, n_parts: int) -> list[slice]:
    size = part.stop - part.start
    edges = [part.start + i * size // n_parts for i in range(n_parts + 1)]
    return [slice(a, b) for a, b in pairwise(edges)]


def _n_for_speed(n_sequences: int, longest: int, cost: Cost) -> int:
    work = n_sequences * longest * cost.multiplications
    if work < MIN_WORK:
        return 1
    smallest = max(MIN_SEQUENCES, -(-MIN_MULTIPLICATIONS // cost.widest))
    return max(1, min(n_sequences // smallest, max(2, work // (2 * MIN_WORK))))


def _cut_off_outliers(lengths: IntArray) -> list[slice]:
    """Parts such that few long sequences do not pad many short ones.

    Lengths [10, 10, 10, 900] -> the first three, the last.
    """
    parts, end = [], len(lengths)
    while end > 0:
        start = _best_cut(lengths[:end])
        parts.append(slice(start, end))
        end = start
    return parts[::-1]


def _best_cut(lengths: IntArray) -> int:
    """Index at which to split off the longest, 0 if no split saves a fifth of the time."""
    n, longest = len(lengths), int(lengths[-1])
    if lengths[0] == longest or n * longest <= 1.25 * int(lengths.sum()):
        return 0
    before = np.arange(1, n)
    short = (before + OVERHEAD) * lengths[:-1]
    long = (n - before + OVERHEAD) * longest
    best = int((short + long).argmin())
    whole = (n + OVERHEAD) * longest
    return best + 1 if short[best] + long[best] < 0.8 * whole else 0
