"""Arrays of two and three dimensions, in memory or mapped, as stored sequences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sklstm._sequences import Array, ArrayRows, Rows
from sklstm._views._blocked import BlockedRows
from sklstm._views._source import Address, Source, address_of, places_of_rectangle
from sklstm._views._stores import ArrayBlocks

# A larger file holds values, too.
MOST_HEADER_BYTES = 2**16


def map_file(path: str | Path) -> Array:
    """The array in a file of NumPy's, mapped; one without values, which cannot be, is read."""
    try:
        try:
            values: Array = np.load(path, mmap_mode="r", allow_pickle=False)
        except ValueError:
            if Path(path).stat().st_size > MOST_HEADER_BYTES:
                raise
            values = np.load(path, allow_pickle=False)
    except (EOFError, ValueError) as error:
        raise ValueError(f"{str(path)!r} is no whole file of NumPy's: {error}") from error
    return np.asarray(values)


def source_of_array(array: Array) -> Source:
    """Sequences of an array of shape (n, timesteps, features) or (n, timesteps)."""
    n, timesteps, n_features = (*array.shape, 1)[:3]
    starts, lengths = places_of_rectangle(n, timesteps)
    rows: Rows
    if array.flags.c_contiguous:
        rows = ArrayRows(array.reshape(n * timesteps, n_features))
    else:
        # To reshape it would be to load it.
        rows = BlockedRows(ArrayBlocks(array, timesteps, n_features))
    is_table = array.ndim == 2
    return Source(
        rows,
        starts,
        lengths,
        item_ndim=array.ndim - 1,
        n_columns=timesteps if is_table else None,
    )


def is_mapped(X: Any) -> bool:
    """Whether X is mapped values of a file, one after the other, and no result of computations."""
    # Not those that only descend from a map, such as sums.
    is_map = isinstance(X, np.memmap) and X.filename is not None
    # What is written to a private map is not in the file, where other processes would read it.
    is_map = is_map and X.mode != "c"
    return bool(is_map and X.ndim in (2, 3) and X.flags.c_contiguous and X.size)


def address_of_map(X: np.memmap[Any, Any]) -> Address:
    """The file of a map, and where in it its values are."""
    root = X
    while isinstance(root.base, np.memmap):
        root = root.base
    # Of a part, ``offset`` is that of the whole.
    offset = root.offset + X.ctypes.data - root.ctypes.data
    options = {"dtype": X.dtype.str, "shape": X.shape, "offset": int(offset)}
    return address_of(str(X.filename), open_map, **options)


def open_map(path: str, *, dtype: str, shape: tuple[int, ...], offset: int) -> Source:
    """Open a map."""
    values = np.memmap(path, dtype=np.dtype(dtype), mode="r", shape=shape, offset=offset)
    return source_of_array(np.asarray(values))


def address_of_npy(path: str) -> Address:
    """The address of a file of NumPy's."""
    return address_of(path, open_npy)


def open_npy(path: str) -> Source:
    """Open a file of NumPy's."""
    values = map_file(path)
    if values.ndim not in (2, 3):
        raise ValueError(
            f"{path!r} holds an array of shape {values.shape}; sequences are an array of shape"
            " (n_sequences, n_timesteps, n_features), or (n_sequences, n_timesteps) if univariate."
        )
    return source_of_array(values)
