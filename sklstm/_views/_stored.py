"""The view that a user holds of sequences in files and stores."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from types import EllipsisType
from typing import Any, NoReturn, overload

import numpy as np

from sklstm._sequences import Array, IntArray, SequenceView
from sklstm._views._opened import OpenedRows
from sklstm._views._source import Address, Source, as_key


class StoredSequences:
    """View of sequences on disk that reads them on demand, as returned by `open_sequences`.

    Estimators take it as X. scikit-learn's splitters, searches and meta-estimators index it without
    reading. It is pickled as a path.

    An integer index returns a sequence: an ndarray of shape (n_timesteps_i, n_features), or of
    shape (n_timesteps_i,) if it was written as such. A slice, a list or array of indices, or a
    boolean mask returns a view. Iteration yields sequences.

    Parameters
    ----------
    source : Source or None
        The opened files. None opens them on demand.
    address : Address, default=None
        Where the files are. None means that the source itself is pickled.
    indices : range or ndarray, default=None
        Indices of the sequences of this view. None means all.

    Attributes
    ----------
    path : str or None
        Absolute path of the files. None if an object in memory was opened.
    shape : tuple
        (n_sequences,).
    lengths : ndarray of shape (n_sequences,)
        Number of timesteps of each sequence.
    n_timesteps : int
        Total number of timesteps.
    n_features : int
        Number of features of a timestep.
    dtype : numpy.dtype
        Data type of the stored values.
    y, sample_weight, groups : ndarray or None
        Stored values per sequence. None if there are none.
    static : dict of str to ndarray
        Static columns, with None for missing text. Empty if there are none.

    See Also
    --------
    sklstm.preprocessing.open_sequences : Open sequences.
    sklstm.preprocessing.write_sequences : Write sequences.
    """

    def __init__(
        self,
        source: Source | None,
        address: Address | None = None,
        indices: range | Array | None = None,
    ) -> None:
        self._opened = source
        self._address = address
        self._indices = range(len(self._source.lengths)) if indices is None else indices

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, key: int | np.integer[Any]) -> Array: ...
    @overload
    def __getitem__(
        self, key: slice | Sequence[int] | Array | tuple[Any, EllipsisType]
    ) -> StoredSequences: ...
    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):
            # As scikit-learn takes parts of whatever has a shape.
            key = _only_of_sequences(key)
        if isinstance(key, slice):
            return self._part(self._indices[key])
        if np.iterable(key) and not isinstance(key, str):
            return self._part(self._resolved(np.asarray(key)))
        try:
            index = operator.index(key)
        except TypeError:
            raise TypeError(
                "Stored sequences take an integer, a slice, a list of indices or a mask. Got"
                f" {key!r}."
            ) from None
        if not -len(self) <= index < len(self):
            raise IndexError(f"There is no sequence {index} among {len(self)}.")
        return self._item(self._indices[index])

    def __iter__(self) -> Iterator[Array]:
        for _, block in view_of_stored(self).blocks():
            for item in block:
                yield self._as_given(item)

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(
            "StoredSequences are no array: they are read when they are needed.\n\nlist(X) reads"
            " them all into memory."
        )

    def __repr__(self) -> str:
        where = type(self._source.rows).__name__ if self.path is None else repr(self.path)
        return (
            f"<StoredSequences of {where}: {len(self)} sequences, {self.n_features}"
            f" feature{'s' * (self.n_features > 1)}, {self.dtype}>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        origin = self._source if self._address is None else self._address
        return _unpickle, (origin, self._indices)

    @property
    def _source(self) -> Source:
        if self._opened is None:
            assert self._address is not None
            self._opened = self._address.open()
        return self._opened

    # What there is --------------------------------------------------------------------------------

    @property
    def path(self) -> str | None:
        return None if self._address is None else self._address.path

    @property
    def shape(self) -> tuple[int]:
        return (len(self),)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._source.rows.dtype

    @property
    def n_features(self) -> int:
        return int(self._source.rows.shape[1])

    @cached_property
    def lengths(self) -> IntArray:
        lengths: IntArray = self._source.lengths[as_key(self._indices)]
        return lengths

    @property
    def n_timesteps(self) -> int:
        return int(self.lengths.sum(dtype=np.int64))

    @cached_property
    def y(self) -> Array | None:
        return self._column("y")

    @cached_property
    def sample_weight(self) -> Array | None:
        return self._column("sample_weight")

    @cached_property
    def groups(self) -> Array | None:
        return self._column("groups")

    @cached_property
    def static(self) -> dict[str, Array]:
        columns = self._source.static
        return {name: column.take(self._indices) for name, column in columns.items()}

    def _column(self, name: str) -> Array | None:
        column = self._source.columns.get(name)
        return None if column is None else column.take(self._indices)

    # Parts ----------------------------------------------------------------------------------------

    def _item(self, index: int) -> Array:
        start, length = int(self._source.starts[index]), int(self._source.lengths[index])
        return self._as_given(self._source.rows.read(start, start + length))

    def _as_given(self, item: Array) -> Array:
        # A copy: memory that the caller may write to.
        return np.array(item[:, 0] if self._source.item_ndim == 1 else item)

    def _resolved(self, key: Array) -> Array:
        """Indices into the source of a list of indices or a mask."""
        if key.ndim != 1:
            raise IndexError(
                "Stored sequences have one dimension. Got indices of shape"
                f" {key.shape}: a slice, a list of indices or a mask is possible."
            )
        if key.dtype == bool:
            if len(key) != len(self):
                raise IndexError(f"A mask of {len(key)} for {len(self)} sequences.")
            key = np.flatnonzero(key)
        elif len(key) == 0:
            key = key.astype(np.int64)
        elif key.dtype.kind not in "iu":
            raise IndexError(f"Indices must be integers or booleans. Got dtype {key.dtype}.")
        n = len(self)
        outside = (key < -n) | (key >= n)
        if outside.any():
            raise IndexError(f"There is no sequence {key[outside][0]} among {n}.")
        if key.dtype.kind == "i":
            # Small integers may not hold the number of sequences.
            key = key.astype(np.int64, copy=False)
            key = np.where(key < 0, key + n, key)
        if not isinstance(self._indices, range):
            resolved: Array = self._indices[key]
            return resolved
        own = self._indices
        # In the smallest type: a pickle holds them.
        smallest = np.min_scalar_type(max(0, len(self._source.lengths) - 1))
        key = (
            key if own.start == 0 and own.step == 1 else own.start + key.astype(np.int64) * own.step
        )
        return key.astype(smallest)

    def _part(self, indices: range | Array) -> StoredSequences:
        return StoredSequences(self._opened, self._address, indices)


def _only_of_sequences(key: tuple[Any, ...]) -> Any:
    """The first of a tuple of indices, the others of which must be ``...`` or ``:``."""
    others = [other for other in key[1:] if other is not Ellipsis and other != slice(None)]
    if others or not key:
        raise IndexError(
            "Stored sequences have one dimension. Take the timesteps of one: X[3][:10]."
        )
    return key[0]


def _unpickle(origin: Source | Address, indices: range | Array) -> StoredSequences:
    if isinstance(origin, Source):
        return StoredSequences(origin, None, indices)
    # Not opened yet: an error here would end loky's workers, leave a search on Dask waiting for
    # ever, and ask for the files on the machine of Dask's scheduler, which unpickles tasks too.
    return StoredSequences(None, origin, indices)


def source_of(stored: StoredSequences) -> Source:
    """What is behind stored sequences; of parts of them, all of it."""
    return stored._source


def without_static(stored: StoredSequences) -> StoredSequences:
    """The sequences without their static columns, as long as they stay in this process."""
    source = replace(stored._source, static={}, order=())
    return StoredSequences(source, stored._address, stored._indices)


def view_of_stored(stored: StoredSequences) -> SequenceView:
    """The sequences as they are stored, not validated."""
    source, key = stored._source, as_key(stored._indices)
    address = stored._address
    rows = source.rows if address is None else OpenedRows(address, source)
    return SequenceView(rows, source.starts[key], source.lengths[key])
