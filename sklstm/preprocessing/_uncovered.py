"""Values of timesteps that no window covers."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm._sequences import Array, IntArray, offsets_of
from sklstm._validation._messages import enumerate_names


def nearest(known: Array, offsets: IntArray, *, causal: bool) -> IntArray:
    """Nearest known row of the same recording for each row; of two, the earlier.

    If causal, the nearest one that is not later.
    """
    n_known = np.diff(offsets_of(known)[offsets])
    empty = np.flatnonzero(n_known == 0)
    if len(empty):
        named = enumerate_names(empty, lambda i: f"X[{i}]")
        raise ValueError(
            f"No window comes from {named}, so no value is near.\n\nPass the value that such"
            " recordings get, for example missing=np.nan or missing='unknown'."
        )
    rows, known_rows = np.arange(len(known)), np.flatnonzero(known)
    first_known = offsets_of(n_known)[:-1]
    recording = np.repeat(np.arange(len(n_known)), np.diff(offsets))
    # Indices into known_rows, clipped to those of the row's own recording.
    lowest, highest = first_known[recording], (first_known + n_known - 1)[recording]
    after = np.searchsorted(known_rows, rows)
    earlier = known_rows[np.clip(after - 1, lowest, highest)]
    later = known_rows[np.clip(after, lowest, highest)]
    if not causal:
        return np.where(abs(later - rows) < abs(rows - earlier), later, earlier)
    latest = np.where(later <= rows, later, earlier)
    early = np.flatnonzero(latest > rows)
    if len(early):
        index = recording[early[0]]
        raise ValueError(
            f"Timestep {early[0] - offsets[index]} of X[{index}] comes before the end of any"
            " window, and fill='nearest' is causal with label='last'."
            "\n\nPass the value that such timesteps get, for example fill=np.nan or fill='unknown'."
        )
    return latest


def filled(merged: Array, known: Array, fill: Any) -> Array:
    """Merged values, with fill where none is known, in a dtype that can hold both."""
    filling = np.asarray(fill)
    both_numbers = merged.dtype.kind in "iuf" and filling.dtype.kind in "iuf"
    both_texts = merged.dtype.kind == filling.dtype.kind == "U"
    dtype = np.result_type(merged, filling) if both_numbers or both_texts else np.dtype(object)
    both: Array = merged.astype(dtype)
    both[~known] = fill
    return both
