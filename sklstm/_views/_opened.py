"""Timesteps of opened files, which other processes open themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm._sequences import Array, IntArray, Rows
from sklstm._views._source import Address, Source


class OpenedRows:
    """Timesteps of a source that has an address, which is all that a pickle holds.

    Parameters
    ----------
    address : Address
        Where they are.
    source : Source, default=None
        What is opened there; None to open it when it is needed.
    """

    def __init__(self, address: Address, source: Source | None = None) -> None:
        self._address = address
        self._source = source

    def __reduce__(self) -> tuple[Any, ...]:
        return OpenedRows, (self._address,)

    @property
    def _rows(self) -> Rows:
        if self._source is None:
            self._source = self._address.open()
        return self._source.rows

    @property
    def shape(self) -> tuple[int, int]:
        """Number of timesteps and of features."""
        return self._rows.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of what is read."""
        return self._rows.dtype

    def read(self, start: int, stop: int) -> Array:
        """Timesteps ``start`` to ``stop``, in memory."""
        return self._rows.read(start, stop)

    def gather(self, starts: IntArray, lengths: IntArray) -> Array:
        """So many timesteps from each start, concatenated, in memory."""
        return self._rows.gather(starts, lengths)
