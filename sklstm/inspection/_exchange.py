"""X in the user's own form, with values exchanged between its sequences."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklstm._sequences import Array, IntArray, Sequences
from sklstm._validation._columns import column_of_sequences
from sklstm._validation._feature_names import is_structured, names_of_frames, read_named
from sklstm._validation._forms import as_array, as_host, as_known_form
from sklstm._validation._frames import is_frame
from sklstm._validation._inputs import cut_padding
from sklstm._validation._masks import without_mask, without_masks
from sklstm._validation._messages import shorten
from sklstm._validation._nested import flatten_nested


def rows_of_donors(
    starts: IntArray, lengths: IntArray, donors: IntArray, n_segments: int = 1, segment: int = 0
) -> tuple[IntArray, IntArray]:
    """Rows of the timesteps in a segment, and of the donors' timesteps at the same share of time.

    A timestep is where its middle is, as a share of the length of its sequence. Sequence ``i``
    takes from sequence ``donors[i]``: of lengths [3, 6], the first takes timesteps 1, 3 and 5 of
    the second. Of sequences of one length each takes the same timestep.
    """
    receiving = np.repeat(np.arange(len(lengths)), lengths)
    steps = np.arange(len(receiving)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    # Twice the middle, so that all is exact in integers.
    middles, spans = 2 * steps + 1, 2 * lengths[receiving]
    inside = (middles * n_segments) // spans == segment
    receiving, steps, middles, spans = (part[inside] for part in (receiving, steps, middles, spans))
    giving = donors[receiving]
    return starts[receiving] + steps, starts[giving] + (middles * lengths[giving]) // spans


@dataclass(frozen=True, eq=False)
class Exchangeable(ABC):
    """X whose values can be exchanged between sequences.

    Attributes
    ----------
    starts, lengths : ndarray of shape (n_sequences,), int64
        The first row of each sequence and its number of timesteps, without padding at its end.
    features : list of str
        Names of the features of a timestep.
    """

    starts: IntArray
    lengths: IntArray
    features: list[str]

    @property
    def static(self) -> list[str]:
        """Names of the static columns."""
        return []

    @abstractmethod
    def exchanged(self, place: int | None, order: IntArray) -> Any:
        """X with row ``order[i]`` in row ``i``, of the feature at ``place`` or of all features."""

    def exchanged_static(self, name: str, donors: IntArray) -> Any:
        """X with the value of sequence ``donors[i]`` in sequence ``i`` of a static column."""
        raise KeyError(name)

    def order_of(self, donors: IntArray, n_segments: int = 1, segment: int = 0) -> IntArray:
        """The row that comes to each row, for `exchanged`."""
        rows, sources = rows_of_donors(self.starts, self.lengths, donors, n_segments, segment)
        order = np.arange(self.n_rows)
        order[rows] = sources
        return order

    @property
    @abstractmethod
    def n_rows(self) -> int:
        """Number of timesteps, padding included."""


@dataclass(frozen=True, eq=False)
class Values(Exchangeable):
    """Arrays: ``build`` makes X of ``values`` (n_rows, n_features)."""

    values: Array
    build: Callable[[Array], Any]

    @property
    def n_rows(self) -> int:
        return len(self.values)

    def exchanged(self, place: int | None, order: IntArray) -> Any:
        if place is None:
            return self.build(self.values[order])
        values = self.values.copy()
        values[:, place] = values[order, place]
        return self.build(values)


@dataclass(frozen=True, eq=False)
class Frames(Exchangeable):
    """A list of data frames of pandas or polars, one below the other in ``frame``."""

    frame: Any

    @property
    def n_rows(self) -> int:
        return len(self.frame)

    def exchanged(self, place: int | None, order: IntArray) -> Any:
        frame, places = self.frame, range(len(self.features)) if place is None else [place]
        if hasattr(frame, "iloc"):
            changed = frame.copy()
            for at in places:
                changed.isetitem(at, frame.iloc[:, at].take(order).array)
        else:
            changed = frame.with_columns(frame.to_series(at).gather(order) for at in places)
        rows = getattr(changed, "iloc", changed)
        ends = self.starts + self.lengths
        return [rows[a:b] for a, b in zip(self.starts.tolist(), ends.tolist(), strict=True)]


@dataclass(frozen=True, eq=False)
class WithStatic(Exchangeable):
    """A data frame with a column of sequences and static columns."""

    frame: Any
    column: str
    inner: Exchangeable

    @property
    def static(self) -> list[str]:
        return [name for name in self.frame.columns if name != self.column]

    @property
    def n_rows(self) -> int:
        return self.inner.n_rows

    def exchanged(self, place: int | None, order: IntArray) -> Any:
        cells = list(self.inner.exchanged(place, order))
        if hasattr(self.frame, "iloc"):
            return self.frame.assign(**{self.column: _as_objects(cells)})
        polars = importlib.import_module("polars")
        return self.frame.with_columns(polars.Series(self.column, [*map(_as_plain, cells)]))

    def exchanged_static(self, name: str, donors: IntArray) -> Any:
        column = self.frame[name]
        if hasattr(self.frame, "iloc"):
            return self.frame.assign(**{name: column.take(donors).array})
        return self.frame.with_columns(column.gather(donors))


def _as_plain(cell: Any) -> list[Any]:
    """A sequence as lists, or as a list of dicts if it is a dict of columns."""
    if isinstance(cell, dict):
        columns = (column.tolist() for column in cell.values())
        return [dict(zip(cell, row, strict=True)) for row in zip(*columns, strict=True)]
    plain: list[Any] = cell.tolist()
    return plain


# Forms --------------------------------------------------------------------------------------------


def read_exchangeable(X: Any, mask_value: float | None, name: str = "X") -> Exchangeable:
    """X in a form whose values can be exchanged; it was valid for an estimator.

    Other forms than arrays, lists of arrays and data frames become lists of arrays or, if their
    features have names, of dicts of columns.
    """
    column = column_of_sequences(X)
    if column is not None:
        inner = read_exchangeable(_cells(X[column]), mask_value, f"{name}[{column!r}]")
        names = [column] if inner.features == ["x0"] else inner.features
        return WithStatic(inner.starts, inner.lengths, names, X, column, inner)
    if is_frame(X):
        return _of_rectangle(np.asarray(X), mask_value, name, _TableOf(X))
    X = as_known_form(X, name)
    if isinstance(X, np.ndarray) and X.ndim > 1 and not isinstance(X, np.ma.MaskedArray):
        if is_structured(X):
            return _of_items(list(X), mask_value, name)
        return _of_rectangle(X, mask_value, name, _ArrayOf(X.shape))
    nested = flatten_nested(X, name)
    if nested is not None:
        fields = None if nested.names is None else tuple(nested.names)
        ends, ndim = np.cumsum(nested.lengths), min(nested.values.shape[1], 2)
        build = _ListOf(ends[:-1], fields, ndim)
        return _of_values(nested.values, ends, build, mask_value, name)
    X = without_masks(X, name)
    _reject_texts(X, name)
    if names_of_frames(X, name) is not None:
        return _of_frames(X)
    return _of_items(X, mask_value, name)


@dataclass(frozen=True)
class _ArrayOf:
    """Makes an array of the shape that the user's has."""

    shape: tuple[int, ...]

    def __call__(self, values: Array) -> Array:
        return values.reshape(self.shape)


@dataclass(frozen=True, eq=False)
class _TableOf:
    """Makes a data frame with one sequence a row."""

    frame: Any

    def __call__(self, values: Array) -> Any:
        kind, table = type(self.frame), values.reshape(self.frame.shape)
        if hasattr(self.frame, "iloc"):
            return kind(table, index=self.frame.index, columns=self.frame.columns)
        return kind(table, schema=list(self.frame.columns))


@dataclass(frozen=True, eq=False)
class _ListOf:
    """Makes a list of arrays, or of dicts of columns if features have names."""

    bounds: IntArray
    names: tuple[str, ...] | None = None
    ndim: int = 2
    kind: Callable[[list[Any]], Any] = list

    def __call__(self, values: Array) -> Any:
        if self.names is None:
            return self.kind(np.split(values[:, 0] if self.ndim == 1 else values, self.bounds))
        parts = np.split(values, self.bounds)
        return [dict(zip(self.names, part.T, strict=True)) for part in parts]


def _of_rectangle(
    array: Array, mask_value: float | None, name: str, build: Callable[[Array], Any]
) -> Values:
    n, timesteps, n_features = (*array.shape, 1)[:3]
    values = array.reshape(n * timesteps, n_features)
    return _of_values(values, timesteps * np.arange(1, n + 1), build, mask_value, name)


def _of_values(
    values: Array, ends: IntArray, build: Any, mask_value: float | None, name: str
) -> Values:
    lengths = np.diff(ends, prepend=0)
    starts = ends - lengths
    if values.dtype.kind in "iuf":
        lengths = cut_padding(Sequences.from_lengths(values, lengths), mask_value, name).lengths
    names = getattr(build, "names", None) or [f"x{i}" for i in range(values.shape[1])]
    return Values(starts, lengths, list(names), values, build)


def _of_items(X: Sequence[Any], mask_value: float | None, name: str) -> Values:
    """Of a list of sequences, each an array or something with named features."""
    named = [read_named(item, f"{name}[{i}]") for i, item in enumerate(X)]
    arrays = [
        as_array(without_mask(as_host(item), f"{name}[{i}]")) for i, (item, _) in enumerate(named)
    ]
    shapes = {array.shape[1:] for array in arrays}
    if len(shapes) > 1 or arrays[0].ndim not in (1, 2):
        raise ValueError(
            f"The sequences of {name} must all be arrays of shape (n_timesteps_i, n_features), or"
            f" all 1-D. Got timesteps of the shapes {sorted(shapes)[:3]}."
        )
    values, ends = np.concatenate(arrays), np.cumsum([len(array) for array in arrays])
    # Of TokenEncoder, whose lists are of a type of their own.
    kind = type(X) if isinstance(X, list) else _as_objects if _is_object_array(X) else list
    build = _ListOf(ends[:-1], named[0][1], arrays[0].ndim, kind)
    return _of_values(values.reshape(len(values), -1), ends, build, mask_value, name)


def _is_object_array(X: Any) -> bool:
    return isinstance(X, np.ndarray) and X.dtype == object


def _as_objects(parts: list[Any]) -> Array:
    """A 1-D array of arrays, which NumPy would stack if they have one length."""
    objects = np.empty(len(parts), dtype=object)
    objects[:] = parts
    return objects


def _of_frames(X: Sequence[Any]) -> Frames:
    package = importlib.import_module(type(X[0]).__module__.partition(".")[0])
    relaxed = {} if hasattr(X[0], "iloc") else {"how": "vertical_relaxed"}
    lengths = np.array([len(frame) for frame in X])
    frame = package.concat(list(X), **relaxed)
    return Frames(np.cumsum(lengths) - lengths, lengths, list(frame.columns), frame)


def _cells(column: Any) -> Any:
    """A column of sequences: a list if it is one of objects, otherwise as it is."""
    return list(column) if str(column.dtype).lower() == "object" else column


def _reject_texts(X: Any, name: str) -> None:
    for index, item in enumerate(X):
        if isinstance(item, (str, bytes)):
            raise ValueError(
                f"{name}[{index}] is text ({shorten(item)}); values are exchanged between sequences"
                " of timesteps.\n\nEncode the texts first, and give the step after:"
                f" permutation_importance(pipeline[-1], pipeline[:-1].transform({name}), y,"
                " by='segment')."
            )
