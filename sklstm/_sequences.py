"""Sequences: the internal form of X."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
Array = npt.NDArray[Any]
# Token ids of padding and of unknown tokens.
PADDING_ID, UNKNOWN_ID = 0, 1


def all_finite(values: Array) -> bool:
    """Whether all values are finite, usually in one pass and without a copy."""
    with np.errstate(all="ignore"):
        # float64, so that a sum of finite float32 values cannot overflow.
        if np.isfinite(values.sum(dtype=np.float64)):
            return True
    return bool(np.isfinite(values).all())


@dataclass(frozen=True, slots=True, eq=False)
class Sequences:
    """Sequences of unequal length, their timesteps concatenated.

    Sequence ``i`` is ``values[offsets[i] : offsets[i + 1]]``, so lengths [3, 1] have offsets
    [0, 3, 4]. Neither array is ever written to: ``values`` may be the caller's own memory.

    Attributes
    ----------
    values : ndarray of shape (n_timesteps, n_features)
    offsets : ndarray of shape (n_sequences + 1,), int64
    codes : ndarray of shape (n_timesteps, n_channels), int64, or None
        Codes of categories, 0 being none, if timesteps have such beside their features.
    static : ndarray of shape (n_sequences, n_columns), float64, or None
        Static columns, if there are any: numbers, NaN where missing, and then codes of categories.
    """

    values: Array
    offsets: IntArray
    codes: IntArray | None = None
    static: Array | None = None

    @classmethod
    def from_lengths(cls, values: Array, lengths: npt.ArrayLike) -> Sequences:
        """The sequences of ``lengths`` that are concatenated in ``values``."""
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
        return cls(values, offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[Array]:
        return (self.values[a:b] for a, b in zip(self.offsets[:-1], self.offsets[1:], strict=True))

    @property
    def lengths(self) -> IntArray:
        """Number of timesteps of each sequence, shape (n_sequences,)."""
        return np.diff(self.offsets)

    @property
    def n_features(self) -> int:
        """Number of features of a timestep."""
        return int(self.values.shape[1])

    def locate(self, row: int) -> tuple[int, int]:
        """The (sequence, timestep) at which row ``row`` of ``values`` lies."""
        sequence = int(np.searchsorted(self.offsets, row, side="right")) - 1
        return sequence, int(row - self.offsets[sequence])

    def take(self, indices: npt.ArrayLike) -> Sequences:
        """The sequences at ``indices``, in that order."""
        indices = np.asarray(indices, dtype=np.int64)
        rows = self.timesteps_of(indices)
        taken = self.from_lengths(self.values[rows], self.lengths[indices])
        if self.codes is None and self.static is None:
            return taken
        codes = None if self.codes is None else self.codes[rows]
        static = None if self.static is None else self.static[indices]
        return replace(taken, codes=codes, static=static)

    def timesteps_of(self, indices: IntArray) -> IntArray:
        """Rows of ``values`` that belong to the sequences at ``indices``, in that order.

        Offsets [0, 3, 4, 6], indices [2, 0] -> rows [4, 5, 0, 1, 2].
        """
        lengths = self.lengths[indices]
        starts_after = np.cumsum(lengths) - lengths
        rows: IntArray = np.arange(lengths.sum()) + np.repeat(
            self.offsets[indices] - starts_after, lengths
        )
        return rows
