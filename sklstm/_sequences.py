"""Sequences: the internal form of X."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
Array = npt.NDArray[Any]
# Token ids of padding and of unknown tokens.
PADDING_ID, UNKNOWN_ID = 0, 1
# Maximum number of values that are read, checked and converted at a time: 8 MB of float64.
BLOCK_VALUES = 2**20
# From this mean number of timesteps of a run on, runs are copied one by one.
LONG_RUN = 64


def all_finite(values: Array) -> bool:
    """Whether all values are finite, usually in one pass and without a copy."""
    with np.errstate(all="ignore"):
        # float64, so that a sum of finite float32 values cannot overflow.
        if np.isfinite(values.sum(dtype=np.float64)):
            return True
    return bool(np.isfinite(values).all())


def offsets_of(lengths: npt.ArrayLike) -> IntArray:
    """Where each of some runs begins that lie end to end, and the end of the last.

    Lengths [3, 1] -> [0, 3, 4].
    """
    offsets: IntArray = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return offsets.astype(np.int64, copy=False)


def rows_of(starts: IntArray, lengths: IntArray) -> IntArray:
    """So many rows from each start, one run after another.

    Starts [4, 0], lengths [2, 1] -> [4, 5, 0].
    """
    ends = np.cumsum(lengths, dtype=np.int64)
    n_rows = ends[-1] if len(ends) else 0
    rows: IntArray = np.arange(n_rows) + np.repeat(starts - (ends - lengths), lengths)
    return rows


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
        return cls(values, offsets_of(lengths))

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

    @property
    def n_timesteps(self) -> int:
        """Number of timesteps of all sequences together."""
        return len(self.values)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        dtype: np.dtype[Any] = self.values.dtype
        return dtype

    def locate(self, row: int) -> tuple[int, int]:
        """The (sequence, timestep) at which row ``row`` of ``values`` lies."""
        sequence = int(np.searchsorted(self.offsets, row, side="right")) - 1
        return sequence, int(row - self.offsets[sequence])

    def take(self, indices: npt.ArrayLike) -> Sequences:
        """The sequences at ``indices``, in that order."""
        indices = np.asarray(indices, dtype=np.int64)
        lengths = self.lengths[indices]
        rows = rows_of(self.offsets[indices], lengths)
        taken = self.from_lengths(self.values[rows], lengths)
        if self.codes is None and self.static is None:
            return taken
        codes = None if self.codes is None else self.codes[rows]
        static = None if self.static is None else self.static[indices]
        return replace(taken, codes=codes, static=static)

    def load(self, indices: npt.ArrayLike) -> Sequences:
        """The same, as of a `SequenceView`."""
        return self.take(indices)

    def blocks(self, max_values: int = BLOCK_VALUES) -> Iterator[tuple[slice, Sequences]]:
        """Runs of sequences of at most so many values, or of one sequence, without a copy."""
        for run in cut_into_runs(self.lengths, max_values // max(1, self.n_features)):
            start, stop = self.offsets[run.start], self.offsets[run.stop]
            codes = None if self.codes is None else self.codes[start:stop]
            static = None if self.static is None else self.static[run]
            offsets = self.offsets[run.start : run.stop + 1] - start
            yield run, Sequences(self.values[start:stop], offsets, codes, static)


class Rows(Protocol):
    """Timesteps in memory or on disk, shape (n_timesteps, n_features), which are only read."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of timesteps and of features."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of what is read."""

    def read(self, start: int, stop: int) -> Array:
        """Timesteps ``start`` to ``stop``, in memory."""

    def gather(self, starts: IntArray, lengths: IntArray) -> Array:
        """So many timesteps from each start, concatenated, in memory."""


@dataclass(frozen=True, slots=True, eq=False)
class SequenceView:
    """Sequences that are read when they are needed.

    Sequence ``i`` is ``rows[starts[i] : starts[i] + lengths[i]]``. They may overlap and lie in any
    order.

    Attributes
    ----------
    rows : Rows
    starts, lengths : ndarray of shape (n_sequences,), of integers
    codes, static : ndarray or None
        As of `Sequences`; ``codes`` has a row for each of ``rows``.
    """

    rows: Rows
    starts: IntArray
    lengths: IntArray
    codes: Array | None = None
    static: Array | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[Array]:
        for _, block in self.blocks():
            yield from block

    @property
    def n_features(self) -> int:
        """Number of features of a timestep."""
        return int(self.rows.shape[1])

    @property
    def n_timesteps(self) -> int:
        """Number of timesteps of all sequences together."""
        return int(self.lengths.sum(dtype=np.int64))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.rows.dtype

    def take(self, indices: npt.ArrayLike) -> SequenceView:
        """The sequences at ``indices``, in that order, not read yet."""
        indices = np.asarray(indices)
        static = None if self.static is None else self.static[indices]
        return replace(
            self, starts=self.starts[indices], lengths=self.lengths[indices], static=static
        )

    def load(self, indices: npt.ArrayLike) -> Sequences:
        """The same in memory."""
        indices = np.asarray(indices, dtype=np.int64)
        starts, lengths = self.starts[indices], self.lengths[indices].astype(np.int64)
        loaded = Sequences.from_lengths(self.rows.gather(starts, lengths), lengths)
        if self.codes is None and self.static is None:
            return loaded
        codes = None if self.codes is None else ArrayRows(self.codes).gather(starts, lengths)
        static = None if self.static is None else self.static[indices]
        return replace(loaded, codes=codes, static=static)

    def blocks(self, max_values: int = BLOCK_VALUES) -> Iterator[tuple[slice, Sequences]]:
        """Runs of sequences of at most so many values, or of one sequence, in memory."""
        for run in cut_into_runs(self.lengths, max_values // max(1, self.n_features)):
            yield run, self.load(np.arange(run.start, run.stop))


AnySequences = Sequences | SequenceView


@dataclass(frozen=True, slots=True, eq=False)
class ArrayRows:
    """Timesteps in an array, such as a memory map."""

    values: Array

    @property
    def shape(self) -> tuple[int, int]:
        """Number of timesteps and of features."""
        n_timesteps, n_features = self.values.shape
        return n_timesteps, n_features

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of what is read."""
        dtype: np.dtype[Any] = self.values.dtype
        return dtype

    def read(self, start: int, stop: int) -> Array:
        """Timesteps ``start`` to ``stop``, without a copy."""
        return self.values[start:stop]

    def gather(self, starts: IntArray, lengths: IntArray) -> Array:
        """So many timesteps from each start, concatenated; without a copy if they adjoin."""
        if (starts[1:] == starts[:-1] + lengths[:-1]).all():
            first = int(starts[0]) if len(starts) else 0
            return self.read(first, first + int(lengths.sum()))
        breaks = np.flatnonzero(starts[1:] != starts[:-1] + lengths[:-1]) + 1
        if lengths.sum() >= LONG_RUN * (len(breaks) + 1):
            bounds = [0, *breaks.tolist(), len(starts)]
            runs = [
                self.read(int(starts[a]), int(starts[b - 1] + lengths[b - 1]))
                for a, b in pairwise(bounds)
            ]
            return np.concatenate(runs)
        taken: Array = self.values[rows_of(starts, lengths)]
        return taken


def view_of(sequences: Sequences) -> SequenceView:
    """The same sequences as a view, of which a part takes no memory."""
    rows = ArrayRows(sequences.values)
    lengths, starts = sequences.lengths, sequences.offsets[:-1]
    return SequenceView(rows, starts, lengths, sequences.codes, sequences.static)


def in_memory(sequences: AnySequences) -> Sequences:
    """The same in memory."""
    if isinstance(sequences, Sequences):
        return sequences
    return sequences.load(np.arange(len(sequences)))


def cut_into_runs(lengths: IntArray, max_timesteps: int) -> Iterator[slice]:
    """Runs of sequences of at most so many timesteps together, or of one sequence each.

    Lengths [3, 4, 9, 2], 8 timesteps -> the first two, the third, the last.
    """
    ends, first = np.cumsum(lengths, dtype=np.int64), 0
    while first < len(lengths):
        before = int(ends[first]) - int(lengths[first])
        stop = int(np.searchsorted(ends, before + max_timesteps, side="right"))
        yield slice(first, max(stop, first + 1))
        first = max(stop, first + 1)
