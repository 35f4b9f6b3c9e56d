"""Sequences on disk: written block by block, opened as a view."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sklstm._files._arrays import ArrayWriter
from sklstm._files._folder import new_folder
from sklstm._sequences import Array, Sequences
from sklstm._validation._columns import is_missing
from sklstm._validation._messages import none_found, shorten
from sklstm._views._folder import DESCRIPTION, FORMAT, OFFSETS, VALUES
from sklstm._views._open import open_object, open_path
from sklstm._views._stored import StoredSequences
from sklstm.preprocessing._blocks import Block, read_blocks


def write_sequences(
    path: str | os.PathLike[str], blocks: Any, *, dtype: npt.DTypeLike | None = None
) -> StoredSequences:
    """Write sequences to a folder, block by block, and open them.

    Only one block at a time is in memory.

    Parameters
    ----------
    path : str or path-like
        Path of the folder. It must not exist yet, but its parent must.
    blocks : iterator or block
        An iterator of blocks, such as a generator, or a single block. A block is X in any form that
        `LSTMSequenceClassifier` takes, except for tuples and for categories among the features of a
        timestep, or a dict with the key "X" and optionally

        - "y", "sample_weight", "groups": one number or string per sequence; for a ``y`` of several
          columns, several numbers
        - "static": data frame or dict of the static columns

        A 2-D array is a block of univariate sequences, not a single sequence. All blocks need the
        same number of features and the same keys. Empty blocks are skipped.
    dtype : dtype, default=None
        Data type of the values on disk. None means that of the first block. A floating-point type
        rounds the values; any other type has to hold them exactly. Integers are token ids for an
        estimator with an embedding.

    Returns
    -------
    StoredSequences
        The sequences, as returned by `open_sequences`.

    Raises
    ------
    FileExistsError
        If ``path`` exists.
    ValueError
        If a block is invalid or does not match the first one. The message names the block.

    See Also
    --------
    open_sequences : Open the folder again.

    Notes
    -----
    After an error or Ctrl-C nothing is left on disk: the files are written to a temporary folder,
    which is renamed at the end.

    The folder holds NumPy arrays: ``values.npy`` with the timesteps of all sequences,
    ``offsets.npy`` with the first timestep of each sequence and the end of the last, and a file for
    each column. ``sequences.json`` describes them.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from sklstm.preprocessing import write_sequences
    >>> rng = np.random.default_rng(0)
    >>> days = ({"X": [rng.normal(size=(n, 3)) for n in (5, 9)], "y": [0, 1]} for _ in range(10))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     X = write_sequences(f"{folder}/days", days)
    ...     X.shape, X.n_features, X[-1].shape, X[:4].y.tolist()
    ((20,), 3, (9, 3), [0, 1, 0, 1])
    """
    with new_folder(path) as folder, ExitStack() as files:
        writer = _Writer(folder, files, None if dtype is None else np.dtype(dtype))
        for block in read_blocks(blocks):
            writer.write(block)
            # Before the next one is made.
            del block
        writer.finish()
    return open_path(path, {})


def open_sequences(
    source: Any,
    *,
    column: str | None = None,
    key: str | None = None,
    offsets: str | None = None,
    y: str | None = None,
    sample_weight: str | None = None,
    groups: str | None = None,
    static: Sequence[str] | None = None,
) -> StoredSequences:
    """Open sequences on disk as a view that reads them on demand.

    Parameters
    ----------
    source : str, path-like or object
        One of

        - a folder written by `write_sequences`
        - a NumPy file (.npy) of shape (n_sequences, n_timesteps, n_features), or (n_sequences,
          n_timesteps) with one univariate sequence per row
        - an array of such a shape in an HDF5 file (.h5, .hdf5) or a zarr folder
        - a column of lists in a parquet or Arrow file (.parquet, .arrow, .feather), or in all such
          files of a folder, sorted by name
        - a NumPy memory map, an h5py, zarr or dask array, or a pyarrow table or array
    column : str, default=None
        Column of sequences in a table. None means the only one.
    key : str, default=None
        Array in an HDF5 file or zarr group. None means the only one.
    offsets : str, default=None
        HDF5 or zarr array of the first timestep of each sequence and the end of the last, for
        sequences of unequal length whose timesteps are concatenated in ``key``.
    y, sample_weight, groups : str, default=None
        Column, or HDF5 or zarr array, of values per sequence. Those of a folder written by
        `write_sequences` are always opened.
    static : list of str, default=None
        Static columns of a table. None opens none of them, but all those of a folder written by
        `write_sequences`.

    Returns
    -------
    StoredSequences
        The view. If its data are in a file, it is pickled as the path of that file.

    Raises
    ------
    FileNotFoundError
        If the path does not exist.
    ValueError
        If there are no sequences, or several columns or arrays of them and none is named.
    ImportError
        If the package that reads the format is not installed: h5py, zarr or pyarrow.

    See Also
    --------
    write_sequences : Write sequences.

    Notes
    -----
    Opening reads no values, except that parquet and Arrow files are read once for the lengths of
    their sequences. The units of reading are chunks of HDF5, zarr and dask, row groups of parquet
    and record batches of Arrow: each has to fit into memory. Up to 32 MiB of them are cached. dask
    chunks are computed each time they are read.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from sklstm.preprocessing import open_sequences
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/X.npy", np.zeros((100, 50, 3), dtype=np.float32))
    ...     X = open_sequences(f"{folder}/X.npy")
    ...     X.shape, X.dtype, X[7].shape, X[[3, 1, 1]].lengths.tolist()
    ((100,), dtype('float32'), (50, 3), [50, 50, 50])
    """
    options = {
        "column": column,
        "key": key,
        "offsets": offsets,
        "y": y,
        "sample_weight": sample_weight,
        "groups": groups,
        "static": static,
    }
    if isinstance(source, (str, os.PathLike)):
        return open_path(source, options)
    return open_object(source, options)


class _Writer:
    """The files of a folder, to which blocks are appended."""

    def __init__(self, folder: Path, files: ExitStack, dtype: np.dtype[Any] | None) -> None:
        self._folder, self._files, self._dtype = folder, files, dtype
        self._first: Block | None = None
        self._columns: dict[str, _ColumnWriter] = {}
        self._static: dict[str, _ColumnWriter] = {}
        self._n_timesteps = 0

    def write(self, block: Block) -> None:
        """Append a block, which must be like the first one."""
        if self._first is None:
            self._begin(block)
        else:
            _check_like(block, self._first)
        sequences = block.sequences
        self._values.append(_converted(sequences.values, self._values.dtype, self._dtype, block))
        self._offsets.append(self._n_timesteps + sequences.offsets[1:])
        self._n_timesteps += sequences.n_timesteps
        for name, column in self._columns.items():
            column.append(block.columns[name], block.name)
        for name, column in self._static.items():
            column.append(block.static[name][0], block.name)

    def _begin(self, block: Block) -> None:
        values = block.sequences.values
        # Without its values, which would stay in memory.
        self._first = replace(
            block,
            sequences=Sequences(values[:0].copy(), np.zeros(1, dtype=np.int64)),
            columns={name: values[:0].copy() for name, values in block.columns.items()},
            static={name: (own[0][:0].copy(), own[1]) for name, own in block.static.items()},
        )
        dtype = values.dtype if self._dtype is None else self._dtype
        if dtype.kind not in "biuf":
            raise TypeError(f"Sequences are written as numbers. Got dtype={str(dtype)!r}.")
        self._values = self._open(VALUES, dtype.newbyteorder("="), (values.shape[1],))
        self._offsets = self._open(OFFSETS, np.dtype(np.int64))
        self._offsets.append(np.zeros(1, dtype=np.int64))
        for name, column in block.columns.items():
            are_texts = column.dtype.kind in "OU"
            self._columns[name] = self._column(name, f"{name}.npy", column, are_texts)
        for i, (name, (column, are_categories)) in enumerate(block.static.items()):
            self._static[name] = self._column(name, f"static_{i}.npy", column, are_categories)

    def _column(self, name: str, file: str, values: Array, has_names: bool) -> _ColumnWriter:
        dtype = np.dtype(np.int32) if has_names else values.dtype
        return _ColumnWriter(name, self._open(file, dtype, values.shape[1:]), file, has_names)

    def _open(
        self, file: str, dtype: np.dtype[Any], row_shape: tuple[int, ...] = ()
    ) -> ArrayWriter:
        return self._files.enter_context(ArrayWriter(self._folder / file, dtype, row_shape))

    def finish(self) -> None:
        """Write what belongs to what."""
        first = self._first
        if first is None:
            raise ValueError(none_found("sample", (0,)))
        described = {
            "format": FORMAT,
            "n_sequences": self._offsets.n_rows - 1,
            "n_timesteps": self._n_timesteps,
            "item_ndim": first.item_ndim,
            "features": first.features,
            "holds_token_ids": first.holds_token_ids,
            "columns": {name: c.finish(self._folder) for name, c in self._columns.items()},
            "static": {name: c.finish(self._folder) for name, c in self._static.items()},
            "sequences": first.sequences_column,
            "order": first.order,
        }
        self._files.close()
        text = json.dumps(described, indent=1, ensure_ascii=False)
        (self._folder / DESCRIPTION).write_text(text, encoding="utf-8")


class _ColumnWriter:
    """The file of a column; with names, those of the codes in it are written at the end."""

    def __init__(self, name: str, file: ArrayWriter, file_name: str, has_names: bool) -> None:
        self._name, self._file, self._file_name = name, file, file_name
        self._codes: dict[Any, int] | None = {} if has_names else None

    def append(self, values: Array, block: str) -> None:
        """Append the values of a block."""
        if values.shape[1:] != self._file.row_shape:
            raise ValueError(
                f"{self._name!r} of {block} has the shape {values.shape}, but that of the first"
                f" block has {(len(values), *self._file.row_shape)}."
            )
        if self._codes is not None:
            values = self._encoded(values, block)
        elif values.dtype.kind not in "biuf":
            self._raise_mixed(block, values.flat[0])
        self._file.append(_cast(values, self._file.dtype, f"{self._name!r} of {block}"))

    def _encoded(self, values: Array, block: str) -> Array:
        codes = self._codes
        assert codes is not None
        # The lowest pandas makes NaN of None.
        listed = [None if is_missing(value) else value for value in values.ravel().tolist()]
        kinds = {isinstance(value, str) for value in {*listed, *list(codes)[:1]} - {None}}
        if len(kinds) > 1:
            self._raise_mixed(block, next(v for v in listed if v is not None))
        encoded = [-1 if v is None else codes.setdefault(v, len(codes)) for v in listed]
        return np.array(encoded, dtype=np.int32).reshape(values.shape)

    def _raise_mixed(self, block: str, value: Any) -> None:
        found = shorten(value) if isinstance(value, str) else repr(value)
        raise ValueError(
            f"{self._name!r} must hold numbers in all blocks, or texts in all. In {block} there is"
            f" {found:.60}, unlike in those before."
        )

    def finish(self, folder: Path) -> dict[str, str]:
        """What is written."""
        if self._codes is None:
            return {"file": self._file_name}
        names = f"{self._file_name.removesuffix('.npy')}_names.npy"
        np.save(folder / names, np.array([*self._codes]), allow_pickle=False)
        return {"file": self._file_name, "names": names}


def _check_like(block: Block, first: Block) -> None:
    """Raise unless a block has the features and the columns of the first one."""
    n, n_first = block.sequences.n_features, first.sequences.n_features
    if n != n_first:
        raise ValueError(
            f"{block.name} has {n} features, but {first.name} has {n_first}; every timestep of"
            " every sequence needs the same features."
        )
    if block.features != first.features:
        raise ValueError(
            f"{block.name} has the features {_listed(block.features)}, but {first.name} has"
            f" {_listed(first.features)}; all blocks need the same ones in the same order."
        )
    for own, wanted in ((block.columns, first.columns), (block.static, first.static)):
        if set(own) != set(wanted):
            raise ValueError(
                f"{block.name} has {_listed(own)} beside its sequences, but {first.name} has"
                f" {_listed(wanted)}; all blocks need the same."
            )


def _listed(names: Iterable[str] | None) -> str:
    return "none" if not names else str(list(names))


def _converted(
    values: Array, dtype: np.dtype[Any], asked: np.dtype[Any] | None, block: Block
) -> Array:
    """Values in the type of the file; that one which was asked for may round them."""
    if asked is not None and asked.kind == "f":
        return values.astype(dtype, copy=False)
    return _cast(values, dtype, block.name)


def _cast(values: Array, dtype: np.dtype[Any], name: str) -> Array:
    """Values in another type which holds them exactly, or an error."""
    if np.can_cast(values.dtype, dtype, "safe"):
        return values.astype(dtype, copy=False)
    with np.errstate(all="ignore"):
        cast = values.astype(dtype)
        same = (cast == values) | (np.not_equal(values, values))
    if not same.all():
        raise ValueError(
            f"{name} holds {values[~same].flat[0]}, which the type of the file, {dtype}, does not"
            f" hold exactly.\n\nSet dtype={values.dtype.name!r}, or give all blocks in that type."
        )
    return cast
