"""Blocks of sequences and of what belongs to them, as they are written to disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from sklstm._sequences import Array, Sequences, in_memory
from sklstm._validation._columns import (
    column_of_sequences,
    holds_categories,
    is_missing,
    names_of_columns,
    read_cells,
    read_numbers,
)
from sklstm._validation._forms import as_host
from sklstm._validation._frames import is_frame
from sklstm._validation._inputs import read_as_given
from sklstm._validation._tokens import TokenIds
from sklstm._views._frame import StoredColumn, as_frame
from sklstm._views._open import as_stored
from sklstm._views._source import SEQUENCES
from sklstm._views._stored import StoredSequences, source_of, view_of_stored

# What a block may hold beside its sequences.
COLUMNS = ("y", "sample_weight", "groups")


@dataclass(frozen=True, eq=False)
class Block:
    """Sequences in memory, with one value for each of them in each column.

    ``static`` has pairs of values and whether these are categories; ``order`` names all columns of
    the data frame that they came from.
    """

    name: str
    sequences: Sequences
    item_ndim: int = 2
    features: tuple[str, ...] | None = None
    holds_token_ids: bool = False
    columns: Mapping[str, Array] = field(default_factory=dict)
    static: Mapping[str, tuple[Array, bool]] = field(default_factory=dict)
    sequences_column: str = SEQUENCES
    order: tuple[str, ...] = ()


def read_blocks(blocks: Any) -> Iterator[Block]:
    """The blocks of an iterator, or the single one that anything else is."""
    if hasattr(blocks, "__next__"):
        names = map("blocks[{}]".format, count())
        for block in blocks:
            yield from _read(block, next(names))
            # Before the next one is made; enumerate would keep it too.
            del block
    else:
        yield from _read(blocks, "blocks")


def _read(block: Any, name: str) -> Iterator[Block]:
    if isinstance(block, list) and block and _is_block(block[0]):
        raise TypeError(
            f"{name} is a list of dicts with the key 'X', each of which would be a block; blocks"
            " come from an iterator.\n\nGive iter(blocks)."
        )
    if isinstance(block, tuple):
        raise TypeError(
            f"{name} must be sequences, or a dict of them and of what belongs to them. Got a"
            " tuple.\n\nGive {'X': X, 'y': y}."
        )
    if not isinstance(block, Mapping):
        block = {"X": block}
    unknown = sorted(map(str, set(block) - {"X", "static", *COLUMNS}))
    if "X" not in block or unknown:
        raise ValueError(
            f"{name} must be a dict with the key 'X', and if need be 'y', 'sample_weight', 'groups'"
            f" and 'static'. Got the keys {[*map(str, block)]}."
        )
    name = f"{name}['X']" if len(block) > 1 else name
    X = block["X"]
    stored = as_stored(X, name)
    if stored is not None:
        yield from _read_stored(stored, block, name)
    elif not hasattr(X, "__len__") or len(X):
        yield _read_in_memory(X, block, name)


def _is_block(item: Any) -> bool:
    """Whether it is a dict of several sequences, and not of the columns of a single one."""
    X = item.get("X") if isinstance(item, Mapping) else None
    first = next(iter(X), None) if np.iterable(X) else None
    return np.iterable(first) and not isinstance(first, str)


# In memory ----------------------------------------------------------------------------------------


def _read_in_memory(X: Any, block: Mapping[str, Any], name: str) -> Block:
    table, sequences = block.get("static"), SEQUENCES
    order: tuple[str, ...] = ()
    column = column_of_sequences(X)
    if column is not None:
        if table is not None:
            raise ValueError(f"{name} has static columns of its own, so 'static' must be left out.")
        sequences, order = column, names_of_columns(X, name)
        table, X = {c: X[c] for c in order if c != column}, read_cells(X[column], name)
    inputs = read_as_given(X, input_name=name)
    n = len(inputs.sequences)
    static = {} if table is None else _static_of(table, name)
    columns = {c: _as_column(block[c], c) for c in COLUMNS if block.get(c) is not None}
    _check_one_each(n, columns, static, name)
    names = None if inputs.n_columns is not None else inputs.column_names
    read = in_memory(inputs.sequences)
    return Block(
        name,
        read,
        _item_ndim(X, read) if names is None else 2,
        None if names is None else tuple(map(str, names)),
        isinstance(X, TokenIds),
        columns,
        static,
        sequences,
        order or (sequences, *static),
    )


def _item_ndim(X: Any, sequences: Sequences) -> int:
    """Dimensions of one sequence of X."""
    ndim = getattr(X, "ndim", 1)
    if sequences.n_features > 1 or ndim > 1 or is_frame(X):
        return 2 if sequences.n_features > 1 or ndim == 3 else 1
    first = next(iter(X))
    # A list of pyarrow is no array.
    first = as_host(first.as_py() if hasattr(first, "as_py") else first)
    return 1 if np.ndim(first) == 1 else 2


def _static_of(table: Any, name: str) -> dict[str, tuple[Array, bool]]:
    """Values of static columns, None where a category is missing, and whether they are such."""
    names = names_of_columns(table, name) if is_frame(table) else tuple(table)
    return {
        column: _static_column(table[column], f"Column {column!r} of {name}") for column in names
    }


def _static_column(column: Any, name: str) -> tuple[Array, bool]:
    if not hasattr(column, "to_list"):
        values = np.asarray(column)
        column = StoredColumn(name, values, values.dtype.kind in "OU")
    if not holds_categories(column):
        return read_numbers(column, name), False
    listed = column.to_list()
    values = np.empty(len(listed), dtype=object)
    values[:] = [None if is_missing(value) else value for value in listed]
    return values, True


Static = Mapping[str, tuple[Array, bool]]


def _check_one_each(n: int, columns: Mapping[str, Array], static: Static, name: str) -> None:
    for what, values in [*columns.items(), *((c, pair[0]) for c, pair in static.items())]:
        if len(values) != n:
            raise ValueError(f"{name} has {n} sequences, but {what!r} of it has {len(values)}.")


def _as_column(values: Any, name: str) -> Array:
    """One number or text for each sequence, or several numbers."""
    array = np.asarray(as_host(values))
    if array.dtype.kind == "O" and not any(isinstance(value, str) for value in array.flat):
        # Numbers, as a series of pandas may hold them.
        array = np.array(array.tolist())
    are_texts = array.dtype.kind in "OU" and all(isinstance(v, str) for v in array.flat)
    if array.ndim == 0 or (array.dtype.kind not in "biuf" and not are_texts):
        raise TypeError(
            f"{name!r} must hold one number or text for each sequence. Got dtype {array.dtype},"
            f" shape {array.shape}."
        )
    return array


# Stored -------------------------------------------------------------------------------------------


def _read_stored(stored: StoredSequences, block: Mapping[str, Any], name: str) -> Iterator[Block]:
    """Blocks of sequences that are on disk or in a store, and of what is stored beside them."""
    source, frame = source_of(stored), as_frame(stored)
    own = {c: getattr(stored, c) for c in COLUMNS}
    given = {c: _as_column(block[c], c) for c in COLUMNS if block.get(c) is not None}
    columns = {c: v for c, v in {**own, **given}.items() if v is not None}
    static, order = _static_of({c: frame[c] for c in source.static}, name), source.order
    if block.get("static") is not None:
        static = _static_of(block["static"], name)
        order = (source.sequences, *static)
    _check_one_each(len(stored), columns, static, name)
    for run, sequences in view_of_stored(stored).blocks():
        yield Block(
            name,
            sequences,
            source.item_ndim,
            source.names,
            source.holds_token_ids,
            {c: values[run] for c, values in columns.items()},
            {c: (values[run], are) for c, (values, are) in static.items()},
            source.sequences,
            order,
        )
