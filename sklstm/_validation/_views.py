"""Validation of sequences that are read when they are needed: block by block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from sklstm._sequences import Array, Sequences, SequenceView
from sklstm._validation._messages import none_found
from sklstm._views._rows import cast
from sklstm._views._stored import StoredSequences, source_of, view_of_stored

# A block and the index of its first sequence -> the same without padding; or an error.
BlockCheck = Callable[[Sequences, int], Sequences]
# Sequences that hints look at.
N_SAMPLED = 100
# Bytes, in float64, that transformers load.
MAX_LOADED = 2**28


def read_view(stored: StoredSequences, dtype: Any) -> SequenceView:
    """Stored sequences in this type, of which there must be some."""
    view = view_of_stored(stored)
    if len(view) == 0:
        raise ValueError(none_found("sample", (0,)))
    if view.n_features == 0:
        raise ValueError(none_found("feature", view.rows.shape))
    return replace(view, rows=cast(view.rows, dtype))


def check_blocks(view: SequenceView, check: BlockCheck) -> SequenceView:
    """The view after a check of each block, which may have cut timesteps off at the ends."""
    lengths = view.lengths
    for run, block in view.blocks():
        checked = check(block, run.start)
        if checked.n_timesteps < block.n_timesteps:
            # Not before: they may be mapped.
            lengths = lengths.copy() if lengths is view.lengths else lengths
            lengths[run] = checked.lengths
    return view if lengths is view.lengths else replace(view, lengths=lengths)


def sample_of(view: SequenceView, max_values: int) -> Sequences:
    """The first sequences in memory, at least one."""
    ends = np.cumsum(view.lengths[:N_SAMPLED], dtype=np.int64) * max(1, view.n_features)
    n = max(1, int(np.searchsorted(ends, max_values, side="right")))
    return view.load(np.arange(min(n, len(ends))))


def reject_large(stored: StoredSequences, estimator: str) -> None:
    """Raise if so many values should not come into memory unasked."""
    n_bytes = stored.n_timesteps * stored.n_features * 8
    if n_bytes > MAX_LOADED:
        raise ValueError(
            f"{estimator} holds all timesteps in memory, and X has {n_bytes / 2**20:,.0f} MiB of"
            f" them on disk; at most {MAX_LOADED // 2**20} MiB are loaded unasked.\n\nFor scaling,"
            " set standardize=True of the estimator instead. Otherwise fit to a part, X[:1000],"
            " and write what becomes of the whole: write_sequences(path,"
            " (transformer.transform(X[i : i + 1000]) for i in range(0, len(X), 1000)))."
        )


def n_columns_of(stored: StoredSequences) -> int | None:
    """The number of columns if the sequences are rows of a 2-D array."""
    return source_of(stored).n_columns


def names_of_stored(stored: StoredSequences) -> Array | None:
    """The names of the features of a timestep."""
    names = source_of(stored).names
    return None if names is None else np.array(names, dtype=object)
