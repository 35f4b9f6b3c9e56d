"""Validation of token ids and their conversion to Sequences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sklstm._sequences import PADDING_ID, UNKNOWN_ID, Array, IntArray, Sequences
from sklstm._validation._forms import as_host, reject_pair
from sklstm._validation._inputs import (
    Inputs,
    Reader,
    cut_padding,
    name_value,
    read_sequences,
)
from sklstm._validation._masks import without_mask
from sklstm._validation._messages import (
    REMEDY_TEXT,
    enumerate_names,
    name_of_whole,
    none_found,
    shorten,
)


class TokenIds(list[IntArray]):
    """The output of TokenEncoder: a list that is not mistaken for one of measurements."""


def check_tokens(X: Any, *, vocabulary_size: int | None, input_name: str = "X") -> Inputs:
    """Convert X to sequences of int64 token ids without modifying it; zeros at the end are cut off.

    Each timestep has one feature, its id.

    Parameters
    ----------
    X : array-like
        An integer array or data frame of shape (n_sequences, n_timesteps), a list, tuple or object
        array of 1-D integer sequences, or a nested list of pyarrow, awkward or polars.
    vocabulary_size : int or None
        Ids must be below it; None takes one more than the largest.
    input_name : str, default="X"
        Name of X in messages.
    """
    reader = Reader(_read_item, _read_rectangle, _as_column, allow_gaps=False)
    inputs = read_sequences(X, input_name, reader)
    sequences = cut_padding(inputs.sequences, PADDING_ID, input_name)
    _check_range(sequences, vocabulary_size, input_name)
    if vocabulary_size is None:
        vocabulary_size = max(int(sequences.values.max()), UNKNOWN_ID) + 1
    # The field of a struct has a name, but an id is no feature.
    names = None if inputs.n_columns is None else inputs.column_names
    return Inputs(sequences, inputs.n_columns, names, vocabulary_size)


def _read_rectangle(X: Any, name: str) -> Array:
    """An array or data frame with one sequence of ids per row, as int64."""
    array = _as_ids(np.asarray(X), name)
    if array.ndim != 2:
        raise ValueError(
            "Token ids must be an array of shape (n_sequences, n_timesteps) or a list of 1-D"
            f" integer sequences. Got an array of shape {array.shape}.\n\nReshape your data:"
            f" [{name}] if it is a single sequence."
        )
    if len(array) == 0:
        raise ValueError(none_found("sample", array.shape))
    return array


def _read_item(item: Any, name: str, index: int) -> tuple[Array, None]:
    """One sequence of a list as int64 ids; their feature has no name."""
    own_name = f"{name}[{index}]"
    if isinstance(item, (str, bytes)):
        raise ValueError(f"{own_name} is text ({shorten(item)}), not token ids.\n\n{REMEDY_TEXT}")
    reject_pair(item, name, index)
    if isinstance(item, Mapping):
        raise ValueError(
            f"{own_name} must be a 1-D sequence of token ids. Got a dict of {list(item)[:3]}.\n\n"
            f"Give what is under one key: {name} = [x['input_ids'] for x in {name}]."
        )
    array = np.asarray(without_mask(as_host(item), own_name, allow_gaps=False))
    if array.ndim != 1:
        raise ValueError(
            f"{own_name} must be a 1-D sequence of token ids. Got an array of shape {array.shape}."
        )
    # An empty list is an array of floats; its having no timesteps is reported later.
    return _as_ids(array, own_name) if len(array) else np.empty(0, dtype=np.int64), None


def _as_column(values: Array, name: str) -> IntArray:
    """Values of shape (n_timesteps, 1) as int64."""
    if values.shape[1] != 1:
        raise ValueError(
            f"Token ids must be one integer for each timestep. Got {values.shape[1]} features."
        )
    return _as_ids(values, name)


def _as_ids(array: Array, name: str) -> IntArray:
    """The array as int64, if it holds integers."""
    kind = array.dtype.kind
    are_ints = kind == "O" and all(isinstance(v, (int, np.integer)) for v in array.flat)
    if are_ints or kind in "iu":
        return array.astype(np.int64, copy=False)
    texts = [v for v in array.flat if isinstance(v, (str, bytes))] if kind in "OUS" else []
    if texts:
        raise ValueError(
            f"{name} holds text ({shorten(texts[0])}), not token ids.\n\n{REMEDY_TEXT}"
        )
    X = name_of_whole(name)
    fractional = array[array != np.floor(array)] if kind == "f" else []
    fraction = f", among them {fractional[0]}" if len(fractional) else ""
    raise ValueError(
        f"{name} must hold token ids, which are integers. Got dtype {array.dtype}{fraction}.\n\n"
        f"Give token ids as integers, {X}.astype(int) if they are; leave embedding_dim and"
        f" embedding_weights at None if {X} holds measurements."
    )


def _check_range(sequences: Sequences, vocabulary_size: int | None, name: str) -> None:
    """Raise for ids outside the vocabulary, which would crash the process on a GPU."""
    ids = sequences.values[:, 0]
    bad = np.flatnonzero((ids < 0) | (ids >= (vocabulary_size or np.iinfo(np.int64).max)))
    if len(bad) == 0:
        return
    offenders = enumerate_names(
        bad, lambda row: f"{name_value(sequences, row, name=name)} is {ids[row]}"
    )
    accepted = "at least 0" if vocabulary_size is None else f"from 0 to {vocabulary_size - 1}"
    raise ValueError(
        f"Token ids must be {accepted}: {offenders}.\n\nMap unknown tokens to {UNKNOWN_ID}, or set"
        " vocabulary_size above the largest id that will ever come."
    )
