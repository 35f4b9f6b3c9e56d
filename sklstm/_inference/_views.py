"""Inference on views: sequences are read, checked and predicted block by block."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sklstm._runtime._heap import kept_heap
from sklstm._runtime._within import within
from sklstm._sequences import AnySequences, Array, Sequences, SequenceView

# Maximum number of values in a block: 32 MiB of float64, some dozens of batches.
MAX_VALUES = 2**22


def compute_in_blocks(
    compute: Callable[[Sequences, int], Array],
    sequences: AnySequences,
    check: Callable[[Sequences, int], Sequences],
) -> Array:
    """What ``compute`` gives for all sequences, a row for each; those of a view block by block.

    It takes sequences and the index of the first of them. So does ``check``, which validates the
    values of a view, and returns the sequences without padding.
    """
    if isinstance(sequences, Sequences):
        return compute(sequences, 0)
    # One trim of the heap in the end, not one for each block.
    return within([kept_heap()], lambda: _compute_all(compute, sequences, check))


def _compute_all(
    compute: Callable[[Sequences, int], Array],
    view: SequenceView,
    check: Callable[[Sequences, int], Sequences],
) -> Array:
    rows: Array | None = None
    for run, block in view.blocks(MAX_VALUES):
        part = compute(check(block, run.start), run.start)
        if rows is None:
            rows = np.empty((len(view), *part.shape[1:]), dtype=part.dtype)
        rows[run] = part
    # Validation lets no view without sequences pass.
    assert rows is not None
    return rows
