"""Inference on views: sequences are read, checked and predicted block by block."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from sklstm._runtime._heap import kept_heap
from sklstm._runtime._threads import single_threaded
from sklstm._runtime._within import within
from sklstm._sequences import AnySequences, Array, Sequences, SequenceView

# Maximum number of values in a block: 32 MiB of float64, some dozens of batches. Those of a GPU are
# larger, and more than 8 threads need more of them.
MAX_VALUES = {"cpu": 2**22, "cuda": 2**25}
VALUES_PER_THREAD = 2**19


def compute_in_blocks(
    compute: Callable[[Sequences, int], Array],
    sequences: AnySequences,
    check: Callable[[Sequences, int], Sequences],
    device: torch.device,
) -> Array:
    """What ``compute`` gives for all sequences, a row for each; those of a view block by block.

    It takes sequences and the index of the first of them. So does ``check``, which validates the
    values of a view, and returns the sequences without padding.
    """
    if isinstance(sequences, Sequences):
        return compute(sequences, 0)
    max_values = _max_values(device)
    # One trim of the heap in the end, not one for each block.
    heap = [kept_heap()] if sequences.n_timesteps * sequences.n_features > max_values else []
    return within(heap, lambda: _compute_all(compute, sequences, check, max_values))


def _max_values(device: torch.device) -> int:
    with single_threaded() as n_threads:
        return max(MAX_VALUES[device.type], n_threads * VALUES_PER_THREAD)


def _compute_all(
    compute: Callable[[Sequences, int], Array],
    view: SequenceView,
    check: Callable[[Sequences, int], Sequences],
    max_values: int,
) -> Array:
    rows: Array | None = None
    for run, block in view.blocks(max_values):
        part = compute(check(block, run.start), run.start)
        if rows is None:
            rows = np.empty((len(view), *part.shape[1:]), dtype=part.dtype)
        rows[run] = part
    # Validation lets no view without sequences pass.
    assert rows is not None
    return rows
