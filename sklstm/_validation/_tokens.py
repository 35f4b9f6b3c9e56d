"""X as token ids in any accepted form -> Sequences of ids, or an error that names the culprit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sklstm._compat import get_feature_names
from sklstm._sequences import Array, IntArray, Sequences
from sklstm._validation._forms import as_host, as_known_form, reject_pair
from sklstm._validation._inputs import (
    REMEDY_TEXT,
    Inputs,
    cut_padding,
    enumerate_names,
    is_list_of_sequences,
    name_value,
    no_samples_message,
)
from sklstm._validation._masks import without_mask, without_masks
from sklstm._validation._nested import flatten_nested

PADDING_ID, UNKNOWN_ID = 0, 1

REMEDY_FLOAT = (
    "Give token ids as integers, X.astype(int) if they are; leave embedding_dim and"
    " embedding_weights at None if X holds measurements."
)


class TokenIds(list[IntArray]):
    """What TokenEncoder gives: a list that can be told from one of measurements."""


def check_tokens(X: Any, *, vocabulary_size: int | None) -> Inputs:
    """Convert X to sequences of int64 token ids without modifying it; zeros at the end are cut off.

    Each timestep has one feature, its id.

    Parameters
    ----------
    X : array-like
        An integer array or data frame of shape (n_sequences, n_timesteps), a list, tuple or object
        array of 1-D integer sequences, or a nested list of pyarrow, awkward or polars.
    vocabulary_size : int or None
        Ids must be below it; None takes one more than the largest.
    """
    X = as_known_form(X)
    nested = flatten_nested(X)
    X = without_masks(X, gaps=False)
    if nested is not None:
        inputs = Inputs(Sequences.from_lengths(_nested_ids(nested.values), nested.lengths))
    elif is_list_of_sequences(X):
        inputs = Inputs(_from_list(X))
    else:
        inputs = _from_rectangle(X)
    sequences = cut_padding(inputs.sequences, PADDING_ID)
    _check_range(sequences, vocabulary_size)
    if vocabulary_size is None:
        vocabulary_size = max(int(sequences.values.max()), UNKNOWN_ID) + 1
    return inputs._replace(sequences=sequences, vocabulary_size=vocabulary_size)


def _nested_ids(values: Array) -> IntArray:
    if values.shape[1] != 1:
        raise ValueError(
            f"Token ids must be one integer for each timestep. Got {values.shape[1]} features."
        )
    return _as_ids(values, "X")


def _from_rectangle(X: Any) -> Inputs:
    """Inputs from an array or data frame with one sequence of ids per row."""
    array = _as_ids(np.asarray(X), "X")
    if array.ndim != 2:
        raise ValueError(
            "Token ids must be an array of shape (n_sequences, n_timesteps) or a list of 1-D"
            f" integer sequences. Got an array of shape {array.shape}.\n\nReshape your data: [X] if"
            " it is a single sequence."
        )
    if len(array) == 0:
        raise ValueError(no_samples_message(array.shape))
    sequences = Sequences.from_lengths(array.reshape(-1, 1), np.full(len(array), array.shape[1]))
    return Inputs(sequences, array.shape[1], get_feature_names(X))


def _from_list(X: Sequence[Any]) -> Sequences:
    """Sequences from a list, tuple or object array of 1-D sequences of ids."""
    if len(X) == 0:
        raise ValueError(no_samples_message((0,)))
    arrays = [_as_item(item, index) for index, item in enumerate(X)]
    values = np.concatenate(arrays).reshape(-1, 1)
    return Sequences.from_lengths(values, [len(array) for array in arrays])


def _as_item(item: Any, index: int) -> IntArray:
    if isinstance(item, (str, bytes)):
        raise ValueError(f"X[{index}] is text ({item[:30]!r}), not token ids.\n\n{REMEDY_TEXT}")
    reject_pair(item, f"X[{index}]")
    if isinstance(item, Mapping):
        raise ValueError(
            f"X[{index}] must be a 1-D sequence of token ids. Got a dict of {list(item)[:3]}.\n\n"
            "Give what is under one key: X = [x['input_ids'] for x in X]."
        )
    item = as_host(item)
    array = np.asarray(without_mask(item, f"X[{index}]", gaps=False))
    if array.ndim != 1:
        raise ValueError(
            f"X[{index}] must be a 1-D sequence of token ids. Got an array of shape {array.shape}."
        )
    # An empty list is an array of floats; its having no timesteps is reported later.
    return _as_ids(array, f"X[{index}]") if len(array) else np.empty(0, dtype=np.int64)


def _as_ids(array: Array, name: str) -> IntArray:
    """The array as int64, if it holds integers."""
    if array.dtype == object and all(isinstance(v, (int, np.integer)) for v in array.flat):
        array = array.astype(np.int64)
    if array.dtype.kind in "iu":
        return array.astype(np.int64, copy=False)
    if array.dtype.kind in "OUS":
        texts = [v for v in array.flat if isinstance(v, (str, bytes))]
        if texts:
            raise ValueError(
                f"{name} holds text ({texts[0][:30]!r}), not token ids.\n\n{REMEDY_TEXT}"
            )
    fraction = ""
    if array.dtype.kind == "f":
        fractional = array[array != np.floor(array)]
        fraction = f", among them {fractional[0]}" if len(fractional) else ""
    raise ValueError(
        f"{name} must hold token ids, which are integers. Got dtype {array.dtype}{fraction}.\n\n"
        f"{REMEDY_FLOAT}"
    )


def _check_range(sequences: Sequences, vocabulary_size: int | None) -> None:
    """Raise for ids below 0 or beyond the vocabulary: on a GPU they would end the process."""
    ids = sequences.values[:, 0]
    bad = np.flatnonzero((ids < 0) | (ids >= (vocabulary_size or np.iinfo(np.int64).max)))
    if len(bad) == 0:
        return
    offenders = [f"{name_value(sequences, row)} is {ids[row]}" for row in bad[:3]]
    accepted = "at least 0" if vocabulary_size is None else f"from 0 to {vocabulary_size - 1}"
    raise ValueError(
        f"Token ids must be {accepted}: {enumerate_names(offenders, len(bad))}.\n\nMap unknown"
        f" tokens to {UNKNOWN_ID}, or set vocabulary_size above the largest id that will ever come."
    )
