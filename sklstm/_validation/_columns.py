"""Columns of data frames: static ones beside sequences, and categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from sklstm._sequences import AnySequences, Array, IntArray
from sklstm._validation._feature_names import check_column_names
from sklstm._validation._frames import KINDS_OF_TIME, is_frame
from sklstm._validation._messages import enumerate_names, shorten
from sklstm._validation._numbers import are_mostly_numbers
from sklstm._views._frame import StoredFrame

# The values of a categorical column, in order; their codes are 1, 2 and so on, and 0 that of none.
Categories = tuple[Any, ...]

# As many as HistGradientBoostingClassifier takes.
MAX_CATEGORIES = 255
# The standard deviation of larger numbers might overflow float32.
LARGEST = 1e18
# Prefixes of dtypes of text and of categories in pandas, polars and pyarrow.
KINDS_OF_CATEGORY = ("cat", "dictionary", "enum", "large_string", "str")
# Prefixes of dtypes of nested columns.
KINDS_OF_SEQUENCE = ("array", "fixed_size_list", "large_list", "list", "struct")


class Widths(NamedTuple):
    """Widths of inputs: numbers of categories of features; number of static columns that hold
    numbers, and numbers of categories of the others.
    """

    n_categories: tuple[int, ...] = ()
    n_static: int = 0
    static_categories: tuple[int, ...] = ()


@dataclass(frozen=True)
class StaticColumns:
    """The columns of a data frame with one column of sequences and static columns.

    Attributes
    ----------
    columns : tuple of str
        All columns, in order.
    sequences : str
        The column of sequences.
    categories : dict of str to tuple
        Categories of each static column that has such; the other ones hold numbers.
    features : tuple of str or None
        Names of the features of a timestep.
    """

    columns: tuple[str, ...]
    sequences: str
    categories: dict[str, Categories] = field(default_factory=dict)
    features: tuple[str, ...] | None = None

    @property
    def numbers(self) -> list[str]:
        """Names of the static columns that hold numbers."""
        return [c for c in self.columns if c != self.sequences and c not in self.categories]


# Static columns -----------------------------------------------------------------------------------


def column_of_sequences(X: Any) -> str | None:
    """The only column of sequences of a data frame; None if X is anything else."""
    if isinstance(X, StoredFrame):
        return X.sequences
    if not is_frame(X):
        return None
    kinds = ("object", *KINDS_OF_SEQUENCE)
    places = [i for i, dtype in enumerate(X.dtypes) if str(dtype).lower().startswith(kinds)]
    # By place: columns of pandas may share a name.
    columns = [X.iloc[:, i] if hasattr(X, "iloc") else X.to_series(i) for i in places]
    nested = [column.name for column in columns if holds_sequences(column)]
    return nested[0] if len(nested) == 1 else None


def learn_static(X: Any, sequences: str, name: str) -> StaticColumns:
    """What the columns of a data frame beside the column of sequences hold."""
    columns = names_of_columns(X, name)
    categories = {}
    for column in columns:
        if column != sequences and holds_categories(X[column]):
            categories[column] = _learn(X[column].to_list(), f"Column {column!r} of {name}")
    return StaticColumns(columns, sequences, categories)


def read_static(X: Any, static: StaticColumns, *, estimator: str, name: str) -> tuple[Any, Array]:
    """The sequences of a data frame, and its static columns, shape (n_sequences, n_columns)."""
    if not is_frame(X):
        raise ValueError(
            f"{estimator} was fitted with static columns, but {name} is a"
            f" {type(X).__name__}.\n\nGive a data frame with the columns {list(static.columns)}."
        )
    _check_columns(X, static.columns, estimator, name)
    sequences = read_cells(X[static.sequences], f"{name}[{static.sequences!r}]")
    return sequences, _read_table(X, static, name)


def read_static_alone(table: Any, static: StaticColumns, *, estimator: str, name: str) -> Array:
    """Static columns of a data frame without sequences, shape (n_sequences, n_columns)."""
    columns = tuple(column for column in static.columns if column != static.sequences)
    if not is_frame(table):
        raise ValueError(
            f"{name} must be a data frame with the columns {list(columns)}, which {estimator} was"
            f" fitted with. Got {'None' if table is None else f'a {type(table).__name__}'}."
        )
    _check_columns(table, columns, estimator, name)
    return _read_table(table, static, name)


def _check_columns(X: Any, fitted: Sequence[str], estimator: str, name: str) -> None:
    own = np.array(names_of_columns(X, name), dtype=object)
    check_column_names(own, np.array(fitted, dtype=object), estimator=estimator, name=name)


def _read_table(X: Any, static: StaticColumns, name: str) -> Array:
    """Static columns of a data frame that has them all, shape (n_sequences, n_columns)."""
    numbers = [read_numbers(X[c], f"Column {c!r} of {name}") for c in static.numbers]
    codes = [
        _encode(X[c].to_list(), of_column, f"Column {c!r} of {name}")
        for c, of_column in static.categories.items()
    ]
    shape = (len(numbers) + len(codes), len(X))
    table = np.array([*numbers, *codes], dtype=np.float64).reshape(shape).T
    return np.ascontiguousarray(table)


def reject_static(X: Any, *, estimator: str, name: str) -> None:
    """Raise if X has static columns, but the X of fit had none."""
    column = column_of_sequences(X)
    if isinstance(X, StoredFrame):
        raise ValueError(
            f"{name} has static columns beside the sequences, but {estimator} was fitted without"
            " such.\n\nOpen the sequences alone: open_sequences(path, static=[])."
        )
    if column is not None:
        raise ValueError(
            f"{name} is a data frame with a column of sequences, but {estimator} was fitted without"
            f" static columns.\n\nGive that column: {name}[{column!r}]."
        )


def names_of_columns(X: Any, name: str) -> tuple[str, ...]:
    """The names of the columns, which must be strings and differ."""
    columns = tuple(X.columns)
    twice = [column for column in columns if columns.count(column) > 1]
    if twice:
        raise ValueError(f"{name} has {len(twice)} columns {twice[0]!r}, but names must differ.")
    others = [column for column in columns if not isinstance(column, str)]
    if others:
        raise TypeError(
            f"Static columns need names that are strings. {name} has a column"
            f" {others[0]!r}.\n\nRename them: {name}.columns = {name}.columns.astype(str)."
        )
    return columns


def read_cells(column: Any, name: str) -> Any:
    """A column of sequences in a form in which a list of equal length is no row of a table."""
    if str(column.dtype).lower() != "object":
        return column
    # Not by numpy.array, which would stack sequences of one length.
    cells = np.fromiter(column, dtype=object, count=len(column))
    missing = [row for row, cell in enumerate(cells) if is_missing(cell)]
    if missing:
        raise ValueError(
            f"{name} has no sequence at row {enumerate_names(missing)}.\n\nDrop such rows, with"
            " their labels."
        )
    return cells


def holds_sequences(column: Any) -> bool:
    """Whether a column of a data frame holds lists, arrays or records of such."""
    dtype = str(column.dtype).lower()
    if dtype != "object":
        return dtype.startswith(KINDS_OF_SEQUENCE)
    first = next((value for value in column.to_list() if not is_missing(value)), None)
    return hasattr(first, "__len__") and not isinstance(first, (str, bytes, Mapping))


def holds_categories(column: Any) -> bool:
    dtype = str(column.dtype).lower()
    if dtype == "object":
        return any(isinstance(value, str) for value in column.to_list())
    return dtype.startswith(KINDS_OF_CATEGORY)


def read_numbers(column: Any, name: str) -> Array:
    """A numeric column as float64, NaN where missing."""
    dtype = str(column.dtype)
    if dtype.lower().startswith(KINDS_OF_TIME):
        raise TypeError(
            f"{name} holds times ({dtype}); a static column is numbers or categories.\n\nMake it a"
            " number, such as the seconds since a time that matters."
        )
    values = np.asarray(column.to_numpy())
    if values.dtype.kind not in "biuf":
        known = [(row, value) for row, value in enumerate(values) if not is_missing(value)]
        wrong = [pair for pair in known if not isinstance(pair[1], (*NUMBERS, Decimal))]
        if wrong:
            row, value = wrong[0]
            found = shorten(value) if isinstance(value, str) else repr(value)
            raise ValueError(f"{name} must hold numbers. Got {found:.60} at row {row}.")
        values = np.array([np.nan if is_missing(value) else value for value in values])
    numbers = values.astype(np.float64)
    bad = np.flatnonzero(np.abs(numbers) > LARGEST)
    if len(bad):
        raise ValueError(
            f"{name} must hold finite numbers of at most {LARGEST:.0e}, or NaN where one is not"
            f" known. Got {numbers[bad[0]]} at row {enumerate_names(bad, str)}."
        )
    return numbers


# Categories ---------------------------------------------------------------------------------------

NUMBERS = (bool, int, float, np.bool_, np.integer, np.floating)


def is_missing(value: Any) -> bool:
    """Whether a value of a column is missing: None, NaN, or pandas' NA."""
    is_nan = isinstance(value, (float, np.floating)) and bool(np.isnan(value))
    return value is None or is_nan or type(value).__name__ in ("NAType", "NaTType")


def _learn(values: Sequence[Any], name: str) -> Categories:
    """The categories among these values."""
    for value in values:
        if not isinstance(value, (str, *NUMBERS)) and not is_missing(value):
            raise TypeError(f"{name} must hold texts or numbers as categories. Got {value!r:.60}.")
    found = {value for value in values if not is_missing(value)}
    if len(found) > MAX_CATEGORIES:
        raise ValueError(
            f"{name} has {len(found)} categories; at most {MAX_CATEGORIES} are possible.\n\nLeave"
            " the column out if it tells rows apart, or merge rare categories."
            + are_mostly_numbers(found)
            * " If it is a measurement: pandas.to_numeric(..., errors='coerce')."
        )
    texts = [value for value in found if isinstance(value, str)]
    if 0 < len(texts) < len(found):
        number = next(value for value in found if not isinstance(value, str))
        raise ValueError(
            f"{name} must hold texts or numbers, not both. Got {shorten(min(texts))} and {number}."
            "\n\nMake it numbers, by pandas.to_numeric(..., errors='coerce') if the texts stand for"
            " missing ones, or texts, by astype(str)."
        )
    return tuple(
        sorted(value.item() if isinstance(value, np.generic) else value for value in found)
    )


def _encode(values: Sequence[Any], categories: Categories, name: str) -> IntArray:
    """Codes of values; 0 for missing and unknown ones."""
    codes = {category: code for code, category in enumerate(categories, start=1)}
    try:
        unknown = [value for value in {*values}.difference(codes) if not is_missing(value)]
    except TypeError as error:
        raise TypeError(f"{name} must hold one text or number in each row: {error}.") from error
    are_texts = isinstance(next(iter(categories), None), str)
    others = [value for value in unknown if isinstance(value, str) != are_texts]
    if categories and others:
        kinds = ("texts", "str") if are_texts else ("numbers", "float")
        raise ValueError(
            f"{name} must hold {kinds[0]} as categories, as in fit. Got {others[0]!r:.60}.\n\n"
            f"Convert it: astype({kinds[1]})."
        )
    return np.array([codes.get(value, 0) for value in values], dtype=np.int64)


def learn_features(X: Sequence[Any], names: Sequence[str], name: str) -> dict[str, Categories]:
    """Categories of each feature that has such in some data frame of the list X."""
    found = [column for column in names if any(holds_categories(frame[column]) for frame in X)]
    return {
        column: _learn(_concatenated(X, column), f"Feature {column!r} of {name}")
        for column in found
    }


def read_features(
    X: Sequence[Any], categories: Mapping[str, Categories], name: str
) -> tuple[list[Any], IntArray]:
    """Sequences without categorical features, and the codes of these in all timesteps."""
    codes = [
        _encode(_concatenated(X, column), of_column, f"Feature {column!r} of {name}")
        for column, of_column in categories.items()
    ]
    return [_without(frame, categories) for frame in X], np.stack(codes, axis=1)


def _without(frame: Any, categories: Mapping[str, Categories]) -> Any:
    """The columns of numbers: an array, or a data frame if others are left, for their messages."""
    names = [column for column in frame.columns if column not in categories]
    # Ten times as fast as to select columns of pandas and to read the frame.
    columns = [frame[column].to_numpy() for column in names]
    if all(column.dtype.kind in "biuf" for column in columns):
        return np.column_stack(columns) if columns else np.empty((len(frame), 0))
    return frame[names]


def _concatenated(X: Sequence[Any], column: str) -> list[Any]:
    return [value for frame in X for value in frame[column].to_list()]


def widths_of(features: Mapping[str, Categories], static: StaticColumns | None) -> Widths:
    """Widths of the inputs of a network; of no category as if there was one."""
    n_categories = tuple(max(1, len(own)) for own in features.values())
    if static is None:
        return Widths(n_categories)
    of_static = tuple(max(1, len(own)) for own in static.categories.values())
    return Widths(n_categories, len(static.numbers), of_static)


def drop_absent(
    sequences: AnySequences, features: Mapping[str, Categories], static: StaticColumns | None
) -> tuple[AnySequences, dict[str, Categories], StaticColumns | None]:
    """Sequences and categories without those categories that no sequence has."""
    of_features, of_static = dict(features), None if static is None else dict(static.categories)
    if sequences.codes is not None:
        codes, of_features = _renumber(sequences.codes, of_features)
        sequences = replace(sequences, codes=codes)
    if sequences.static is not None and static is not None and of_static:
        n = len(static.numbers)
        codes, of_static = _renumber(sequences.static[:, n:].astype(np.int64), of_static)
        table = np.concatenate([sequences.static[:, :n], codes], axis=1)
        sequences, static = replace(sequences, static=table), replace(static, categories=of_static)
    return sequences, of_features, static


def _renumber(
    codes: IntArray, categories: Mapping[str, Categories]
) -> tuple[IntArray, dict[str, Categories]]:
    renumbered, kept = np.zeros_like(codes), {}
    for place, (column, values) in enumerate(categories.items()):
        present = np.setdiff1d(codes[:, place], [0])
        kept[column] = tuple(values[code - 1] for code in present)
        new = np.zeros(len(values) + 1, dtype=np.int64)
        new[present] = np.arange(1, len(present) + 1)
        renumbered[:, place] = new[codes[:, place]]
    return renumbered, kept
