"""Arrays of h5py and zarr as stored sequences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sklstm._optional import require
from sklstm._sequences import Array, IntArray
from sklstm._views._blocked import BLOCK_BYTES, BlockedRows
from sklstm._views._source import (
    Address,
    Column,
    Source,
    address_of,
    column_of,
    places_of_rectangle,
)

SUFFIXES_OF_HDF5 = (".h5", ".hdf5", ".hdf")
METADATA_OF_ZARR = ("zarr.json", ".zarray", ".zgroup")


class ArrayBlocks:
    """Blocks of an array on disk: whole chunks along its first dimension."""

    def __init__(self, array: Any, n_timesteps: int, n_features: int) -> None:
        self.array = array
        self.n_features = n_features
        self.dtype = np.dtype(array.dtype)
        n_bytes = max(1, n_timesteps * n_features * self.dtype.itemsize)
        # Of one chunk after the other, so that none is read twice.
        chunk = array.chunks[0] if getattr(array, "chunks", None) else 1
        self._n_rows = chunk * max(1, BLOCK_BYTES // (chunk * n_bytes))
        firsts = np.arange(0, array.shape[0] + self._n_rows, self._n_rows)
        self.bounds = np.minimum(firsts, array.shape[0]) * n_timesteps

    def load(self, index: int) -> Array:
        """All timesteps of a block."""
        first = index * self._n_rows
        values = np.asarray(self.array[first : first + self._n_rows])
        return values.reshape(-1, self.n_features)


def source_of_store(
    array: Any, name: str, offsets: Any = None, columns: dict[str, Column] | None = None
) -> Source:
    """Sequences of an array: of two or three dimensions, or with offsets all timesteps."""
    if offsets is not None:
        return _ragged(array, np.asarray(offsets[:]), name, columns or {})
    if len(array.shape) not in (2, 3):
        raise ValueError(
            f"{name} has the shape {tuple(array.shape)}; sequences are an array of shape"
            " (n_sequences, n_timesteps, n_features), or (n_sequences, n_timesteps) if univariate."
            "\n\nIf it holds the timesteps of all sequences, give the name of their offsets too:"
            " offsets='...'."
        )
    n, timesteps, n_features = (*array.shape, 1)[:3]
    starts, lengths = places_of_rectangle(n, timesteps)
    is_table = len(array.shape) == 2
    return Source(
        BlockedRows(ArrayBlocks(array, timesteps, n_features)),
        starts,
        lengths,
        item_ndim=len(array.shape) - 1,
        n_columns=timesteps if is_table else None,
        columns=columns or {},
    )


def _ragged(array: Any, offsets: IntArray, name: str, columns: dict[str, Column]) -> Source:
    if len(array.shape) not in (1, 2):
        raise ValueError(
            f"{name} has the shape {tuple(array.shape)}; with offsets, all timesteps"
            " are an array of shape (n_timesteps, n_features), or (n_timesteps,) if univariate."
        )
    n_features = (*array.shape, 1)[1]
    fits = offsets.ndim == 1 and len(offsets) > 0 and offsets.dtype.kind in "iu"
    offsets = offsets.astype(np.int64) if fits else offsets
    if not fits or offsets[0] != 0 or offsets[-1] != array.shape[0] or (np.diff(offsets) < 0).any():
        raise ValueError(
            f"The offsets of {name} must begin with 0, never fall and end with its number of"
            f" timesteps, {array.shape[0]}: one more than there are sequences."
        )
    rows = BlockedRows(ArrayBlocks(array, 1, n_features))
    item_ndim = len(array.shape)
    return Source(rows, offsets[:-1], np.diff(offsets), item_ndim=item_ndim, columns=columns)


# Files --------------------------------------------------------------------------------------------


def is_hdf5(path: str) -> bool:
    """Whether the name of a file is that of an HDF5 file."""
    return path.lower().endswith(SUFFIXES_OF_HDF5)


def is_zarr(path: str) -> bool:
    """Whether a folder is a group or an array of zarr."""
    return any((Path(path) / name).exists() for name in METADATA_OF_ZARR)


def address_of_store(path: str, **options: Any) -> Address:
    """The address of an array in an HDF5 file or in a folder of zarr."""
    if is_hdf5(path):
        return address_of(path, open_hdf5, **options)
    key = options.get("key") or ""
    files = [str(Path(key) / name) for name in METADATA_OF_ZARR]
    return address_of(path, open_zarr, files, **options)


def open_hdf5(path: str, **options: Any) -> Source:
    """Open an array in an HDF5 file."""
    h5py = require("h5py", extra="stores")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise OSError(f"{path!r} cannot be opened as HDF5: {error}.") from error
    return _open_group(file, path, **options)


def open_zarr(path: str, **options: Any) -> Source:
    """Open an array of zarr, or one in a group."""
    return _open_group(require("zarr", extra="stores").open(path, mode="r"), path, **options)


def _open_group(
    group: Any, path: str, key: str | None = None, offsets: str | None = None, **names: str
) -> Source:
    def get(name: str, option: str) -> Any:
        if not isinstance(name, str):
            raise TypeError(f"{option} must be the name of an array. Got a {type(name).__name__}.")
        if not hasattr(group, "keys") or name not in group:
            raise _no_such(name, option, group, path)
        if not hasattr(group[name], "shape"):
            raise ValueError(
                f"{option}={name!r} is a group in {path!r}, not an array; it has"
                f" {[f'{name}/{own}' for own in _names(group[name])]}."
            )
        return group[name]

    if not hasattr(group, "keys"):
        array = group
    elif key is None:
        arrays = [name for name in _names(group) if hasattr(group[name], "shape")]
        if len(arrays) != 1:
            raise ValueError(
                f"{path!r} has the arrays {arrays}.\n\nGive the name of the one that holds the"
                " sequences: key='...'."
            )
        array = group[arrays[0]]
    else:
        array = get(key, "key")
    columns = {c: column_of(_decoded(get(name, c)[...])) for c, name in names.items()}
    own = None if offsets is None else get(offsets, "offsets")
    source = source_of_store(array, repr(path), own, columns)
    for c, column in columns.items():
        shape = np.shape(column.values)
        if shape[:1] != source.lengths.shape:
            raise ValueError(
                f"{path!r} has {len(source.lengths)} sequences, but {c}={names[c]!r} of it has the"
                f" shape {shape}; one value for each sequence is needed."
            )
    return source


def _names(group: Any) -> Sequence[str]:
    return sorted(group.keys())


def _no_such(name: str, option: str, group: Any, path: str) -> KeyError | ValueError:
    has = f"it has {list(_names(group))}" if hasattr(group, "keys") else "it is an array itself"
    return ValueError(f"{path!r} has no {name!r}, which {option}={name!r} asks for; {has}.")


def _decoded(values: Any) -> Array:
    """Texts as h5py gives them, bytes, as str."""
    array = np.asarray(values)
    if array.dtype.kind not in "OS":
        return array
    texts = [v.decode() if isinstance(v, bytes) else v for v in array.ravel().tolist()]
    return np.array(texts).reshape(array.shape)


# Objects ------------------------------------------------------------------------------------------


def address_of_object(array: Any) -> Address | None:
    """Where an array of h5py or zarr lies, if it is in a file or folder."""
    if type(array).__module__.startswith("h5py"):
        path, key = str(Path(array.file.filename).absolute()), array.name
        is_there = Path(path).is_file() and key is not None
        return address_of(path, open_hdf5, key=key) if is_there else None
    root = getattr(array.store, "root", None)
    if root is None or not Path(root).is_dir():
        return None
    path, key = str(Path(root).absolute()), array.path or None
    return address_of_store(path, key=key)
