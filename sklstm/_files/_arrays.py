"""Arrays that are written piece by piece, in NumPy's format."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.lib.format import write_array_header_1_0

from sklstm._sequences import Array


class ArrayWriter:
    """A file of an array that grows along its first dimension.

    Parameters
    ----------
    path : Path
        The file, which is new.
    dtype : numpy.dtype
        Type of the values.
    row_shape : tuple of int
        The shape of the array but for its first dimension.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], row_shape: tuple[int, ...] = ()) -> None:
        self.dtype = dtype
        self.row_shape = row_shape
        self.n_rows = 0
        self._file = path.open("xb")
        self._write_header()
        self._n_header = self._file.tell()

    def append(self, values: Array) -> None:
        """Write more rows."""
        array = np.ascontiguousarray(values, dtype=self.dtype)
        self._file.write(array.data.cast("B") if array.size else b"")
        self.n_rows += len(array)

    def close(self) -> None:
        """Write the number of rows, and all of it to the disk."""
        self._file.seek(0)
        self._write_header()
        # NumPy leaves room for a number of rows of any size.
        assert self._file.tell() == self._n_header
        self._file.flush()
        # Some file systems have no fsync.
        with suppress(OSError):
            os.fsync(self._file.fileno())
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self.close()
        self._file.close()

    def _write_header(self) -> None:
        shape = (self.n_rows, *self.row_shape)
        header = {"descr": self.dtype.str, "fortran_order": False, "shape": shape}
        write_array_header_1_0(self._file, header)  # type: ignore[no-untyped-call]
