"""Timesteps that are converted as they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklstm._sequences import Array, IntArray, Rows


@dataclass(frozen=True, slots=True, eq=False)
class CastRows:
    """Other rows in another type."""

    rows: Rows
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of timesteps and of features."""
        return self.rows.shape

    def read(self, start: int, stop: int) -> Array:
        """Timesteps ``start`` to ``stop``."""
        return self.rows.read(start, stop).astype(self.dtype, copy=False)

    def gather(self, starts: IntArray, lengths: IntArray) -> Array:
        """So many timesteps from each start, concatenated."""
        return self.rows.gather(starts, lengths).astype(self.dtype, copy=False)


def cast(rows: Rows, dtype: Any) -> Rows:
    """The rows in this type."""
    dtype = np.dtype(dtype)
    return rows if rows.dtype == dtype else CastRows(rows, dtype)
