"""Timesteps that lie in the arrays of a list."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm._sequences import LONG_RUN, Array, ArrayRows, IntArray, SequenceView, offsets_of
from sklstm._views._blocked import cut_at

# Bytes of values from which on a list is not copied to one array.
LARGE_LIST = 2**25


class ListRows:
    """The timesteps of all arrays of a list, end to end, in one type.

    They are pickled as one array, which joblib maps where it would copy many small ones.

    Parameters
    ----------
    arrays : list of ndarray of shape (n_timesteps_i, n_features) or (n_timesteps_i,)
        At least one.
    dtype : numpy.dtype
        Type of what is read.
    """

    def __init__(self, arrays: list[Array], dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._arrays = arrays
        lengths = np.fromiter(map(len, arrays), dtype=np.int64, count=len(arrays))
        self.offsets = offsets_of(lengths)

    def __reduce__(self) -> tuple[Any, ...]:
        return ArrayRows, (self.read(0, self.shape[0]),)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of timesteps and of features."""
        return int(self.offsets[-1]), (*self._arrays[0].shape, 1)[1]

    def read(self, start: int, stop: int) -> Array:
        """Timesteps ``start`` to ``stop``."""
        return self.gather(np.array([start]), np.array([stop - start]))

    def gather(self, starts: IntArray, lengths: IntArray) -> Array:
        """So many timesteps from each start, concatenated."""
        pieces = cut_at(self.offsets, starts, lengths)
        first = pieces.starts - self.offsets[pieces.blocks]
        places = zip(
            pieces.blocks.tolist(), first.tolist(), (first + pieces.lengths).tolist(), strict=True
        )
        parts = [self._arrays[i][a:b] for i, a, b in places]
        taken = np.empty((int(lengths.sum(dtype=np.int64)), self.shape[1]), self.dtype)
        if parts:
            # Into rows, whatever the memory order of the arrays.
            out = taken if parts[0].ndim == 2 else taken[:, 0]
            np.concatenate(parts, out=out, casting="same_kind")
        return taken


def view_of_list(arrays: list[Array]) -> SequenceView | None:
    """A view of numeric arrays, in float32 if all are or else in float64, if they are large.

    Short ones are not worth it: each is copied by itself.
    """
    together = np.concatenate([np.empty(0, dtype) for dtype in {a.dtype for a in arrays}]).dtype
    rows = ListRows(arrays, np.dtype(np.float32 if together == np.float32 else np.float64))
    n_timesteps, n_features = rows.shape
    is_large = n_timesteps * n_features * rows.dtype.itemsize > LARGE_LIST
    if not is_large or n_timesteps < LONG_RUN * len(arrays):
        return None
    return SequenceView(rows, rows.offsets[:-1], np.diff(rows.offsets))
