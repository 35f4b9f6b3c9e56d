"""Validation of token ids and their conversion to Sequences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from sklstm._sequences import PADDING_ID, UNKNOWN_ID, Array, IntArray, Sequences, in_memory
from sklstm._validation._forms import as_host, reject_pair
from sklstm._validation._inputs import (
    Inputs,
    Reader,
    check_lengths,
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
from sklstm._validation._views import check_blocks, n_columns_of, read_view, sample_of
from sklstm._views._open import as_stored
from sklstm._views._stored import StoredSequences, view_of_stored

# Values that are looked at for a message.
N_IN_MESSAGES = 1000


class TokenIds(list[IntArray]):
    """The output of TokenEncoder: a list that is not mistaken for one of measurements."""


def check_tokens(
    X: Any,
    *,
    vocabulary_size: int | None,
    check_values: bool = True,
    input_name: str = "X",
) -> Inputs:
    """Convert X to sequences of int64 token ids without modifying it; zeros at the end are cut off.

    Each timestep has one feature, its id.

    Parameters
    ----------
    X : array-like
        An integer array or data frame of shape (n_sequences, n_timesteps), a list, tuple or object
        array of 1-D integer sequences, a nested list of pyarrow, awkward or polars, or what
        ``as_stored`` makes a view of.
    vocabulary_size : int or None
        Ids must be below it; None takes one more than the largest.
    check_values : bool, default=True
        Whether to read the values of a view. If not, ``check_token_block`` has to do so.
    input_name : str, default="X"
        Name of X in messages.
    """
    stored = as_stored(X, input_name, kinds="iu")
    if stored is not None:
        return _from_stored(stored, vocabulary_size, check_values, input_name)
    reader = Reader(_read_item, _read_rectangle, _as_column, allow_gaps=False)
    inputs = read_sequences(X, input_name, reader)
    sequences = cut_padding(in_memory(inputs.sequences), PADDING_ID, input_name)
    _check_range(sequences, vocabulary_size, input_name)
    if vocabulary_size is None:
        vocabulary_size = max(int(sequences.values.max()), UNKNOWN_ID) + 1
    # The field of a struct has a name, but an id is no feature.
    names = None if inputs.n_columns is None else inputs.column_names
    return Inputs(sequences, inputs.n_columns, names, vocabulary_size)


def _from_stored(
    stored: StoredSequences, vocabulary_size: int | None, check_values: bool, name: str
) -> Inputs:
    """Inputs from a view of token ids."""
    if stored.n_features > 1:
        _raise_of_features(stored.n_features)
    if stored.dtype.kind not in "iu":
        # An error that tells the first values.
        _as_ids(sample_of(view_of_stored(stored), N_IN_MESSAGES).values, name)
    view = read_view(stored, np.int64)
    check_lengths(view.lengths, name)
    largest = UNKNOWN_ID

    def check(block: Sequences, first: int) -> Sequences:
        nonlocal largest
        block = check_token_block(block, first, vocabulary_size=vocabulary_size, input_name=name)
        largest = max(largest, int(block.values.max()))
        return block

    if check_values:
        view = check_blocks(view, check)
    size = largest + 1 if vocabulary_size is None else vocabulary_size
    return Inputs(view, n_columns_of(stored), None, size)


def check_token_block(
    block: Sequences, first: int, *, vocabulary_size: int | None, input_name: str = "X"
) -> Sequences:
    """Sequences of a view, the first of which is X[first], without padding; or an error."""
    block = cut_padding(block, PADDING_ID, input_name, first)
    _check_range(block, vocabulary_size, input_name, first)
    return block


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
        _raise_of_features(values.shape[1])
    return _as_ids(values, name)


def _raise_of_features(n_features: int) -> NoReturn:
    raise ValueError(f"Token ids must be one integer for each timestep. Got {n_features} features.")


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


def _check_range(
    sequences: Sequences, vocabulary_size: int | None, name: str, first: int = 0
) -> None:
    """Raise for ids outside the vocabulary, which would crash the process on a GPU."""
    ids = sequences.values[:, 0]
    bad = np.flatnonzero((ids < 0) | (ids >= (vocabulary_size or np.iinfo(np.int64).max)))
    if len(bad) == 0:
        return
    offenders = enumerate_names(
        bad, lambda row: f"{name_value(sequences, row, name=name, first=first)} is {ids[row]}"
    )
    accepted = "at least 0" if vocabulary_size is None else f"from 0 to {vocabulary_size - 1}"
    raise ValueError(
        f"Token ids must be {accepted}: {offenders}.\n\nMap unknown tokens to {UNKNOWN_ID}, or set"
        " vocabulary_size above the largest id that will ever come. Any embedding_weights need one"
        " row for each id: those of a TokenEncoder are vectors.weights(encoder.vocabulary_)."
    )
