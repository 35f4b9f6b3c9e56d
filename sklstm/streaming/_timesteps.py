"""Validation of what goes into a stream."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from sklstm._sequences import PADDING_ID, Array, Sequences, all_finite, in_memory
from sklstm._validation._frames import is_frame
from sklstm.streaming._models import Model

NAME = "timesteps"
REMEDY_SPEED = "Give streams of different speed to a Stream each."
REMEDY_PADDING = f", which a stream cannot hold.\n\nLeave it out. {REMEDY_SPEED}"


def check_timesteps(model: Model, timesteps: Any, n_streams: int | None, n: int) -> Sequences:
    """New timesteps of ``n`` streams as sequences of one length.

    ``n_streams`` is None for a single stream without a dimension of its own.
    """
    array = _as_numbers(timesteps)
    if array is not None:
        timesteps = _check_array(model, array, n_streams)
        if _is_plain(model) and timesteps.shape[-1] == model.schema.n_features:
            return _as_sequences(timesteps, n)
    X = [timesteps] if n_streams is None else timesteps
    try:
        sequences = _read(model, X)
    except (TypeError, ValueError) as error:
        if n_streams is not None:
            raise
        # There is no list, as far as the caller knows.
        raise type(error)(str(error).replace(f"{NAME}[0]", NAME)) from error
    _check_lengths(sequences, n)
    _reject_cut(X, sequences, n_streams)
    if sequences.codes is None and model.schema.vocabulary_size is None:
        values = sequences.values.reshape(n, -1, sequences.n_features)
        _reject_padding(model, values[0] if n_streams is None else values, n_streams)
    return sequences


def _as_numbers(timesteps: Any) -> Array | None:
    """Timesteps that are one array of numbers, or lists of such; None if they are not."""
    if isinstance(timesteps, (list, tuple)) and not any(map(_has_more, timesteps)):
        try:
            timesteps = np.asarray(timesteps)
        except ValueError:
            return None
    is_array = isinstance(timesteps, np.ndarray) and timesteps.dtype.kind in "biuf"
    return timesteps if is_array and not _has_more(timesteps) else None


def _has_more(item: Any) -> bool:
    """Whether an item holds more than an array of NumPy would: names or a mask."""
    return is_frame(item) or isinstance(item, np.ma.MaskedArray)


def _is_plain(model: Model) -> bool:
    """Whether an array that is checked is what the model reads: no names, hence no categories."""
    schema = model.timestep_schema
    is_named = schema.names is not None and schema.n_columns is None
    return not (is_named or model.steps) and schema.vocabulary_size is None


def _as_sequences(array: Array, n: int) -> Sequences:
    """Checked measurements as ``n`` sequences, if there are as many: as `_read`, but faster."""
    n_new = array.shape[-2]
    if array.ndim == 3 and len(array) != n:
        raise ValueError(_other_number(len(array), n))
    if array.dtype != np.float32:
        array = array.astype(np.float64, copy=False)
    values = array.reshape(n * n_new, array.shape[-1])
    return Sequences(values, np.arange(0, n * n_new + 1, n_new))


def _read(model: Model, X: Any) -> Sequences:
    # Not cut where it seems to be padding.
    inputs = model.timestep_schema.check_X(
        model.transform(X), mask_value=None, estimator=model.name, input_name=NAME
    )
    return in_memory(inputs.sequences)


def _check_array(model: Model, array: Array, n_streams: int | None) -> Array:
    """An array of the right number of dimensions, without padding."""
    tokens = model.schema.vocabulary_size is not None
    sizes = [] if n_streams is None else ["n_streams"]
    sizes.append("n_new")
    if not tokens:
        if array.ndim == len(sizes) and model.schema.n_features == 1:
            array = array[..., np.newaxis]
        sizes.append(str(model.schema.n_features))
    if array.ndim != len(sizes):
        shape = f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"
        remedy = ""
        if array.ndim == len(sizes) - 1:
            index = "np.newaxis" if n_streams is None else ":, np.newaxis"
            remedy = f"\n\nReshape your data: {NAME}[{index}] if it is one timestep."
        raise ValueError(f"{NAME} must be of shape {shape}. Got {array.shape}.{remedy}")
    if array.shape[len(sizes) - 1 - (not tokens)] == 0:
        raise ValueError(f"{NAME} must be at least one. Got an array of shape {array.shape}.")
    if not model.steps:
        _reject_padding(model, array, n_streams)
    _reject_infinite(array, n_streams)
    return array


def _reject_cut(X: Any, sequences: Sequences, n_streams: int | None) -> None:
    """Raise if the end of a sequence has been cut off as padding, such as masked timesteps."""
    for index, (item, length) in enumerate(zip(X, sequences.lengths, strict=True)):
        if not isinstance(item, Mapping) and hasattr(item, "__len__") and len(item) != length:
            at = f"[{length}]" if n_streams is None else f"[{index}][{length}]"
            raise ValueError(f"{NAME}{at} is padding{REMEDY_PADDING}")


def _reject_padding(model: Model, array: Array, n_streams: int | None) -> None:
    """Raise for a timestep that is padding."""
    tokens = model.schema.vocabulary_size is not None
    mask_value = PADDING_ID if tokens else model.estimator.mask_value
    if mask_value is None:
        return
    is_padding = np.isnan(array) if math.isnan(mask_value) else array == mask_value
    if not tokens:
        is_padding = is_padding.all(axis=-1)
    if is_padding.any():
        kind = "token id 0" if tokens else f"mask_value={mask_value}"
        raise ValueError(f"{_place(is_padding, n_streams)} is padding ({kind}){REMEDY_PADDING}")


def _reject_infinite(array: Array, n_streams: int | None) -> None:
    """Raise for NaN and infinity, as the estimator, but with a remedy for a stream."""
    if not all_finite(array):
        is_bad = ~np.isfinite(array)
        kind = "NaN" if np.isnan(array[is_bad][0]) else "infinity"
        raise ValueError(
            f"{_place(is_bad, n_streams)} is {kind}; every value must be finite.\n\nFill such"
            " values before, with the last known ones or as in training."
        )


def _place(where: Array, n_streams: int | None) -> str:
    """The caller's index of the first True."""
    first, *rest = np.argwhere(where)[0].tolist()
    return f"{NAME}{[first, *rest]}" if n_streams is None else f"{NAME}[{first}]{rest}"


def _other_number(found: int, n: int) -> str:
    return f"{NAME} has {found} sequences, but there are {n} streams."


def _check_lengths(sequences: Sequences, n: int) -> None:
    """Raise unless there is one sequence for each stream, and all have one length."""
    if len(sequences) != n:
        raise ValueError(_other_number(len(sequences), n))
    lengths = sequences.lengths
    if (lengths != lengths[0]).any():
        other = int(np.flatnonzero(lengths != lengths[0])[0])
        raise ValueError(
            f"All streams of an update go on by the same number of timesteps. {NAME}[0] has"
            f" {lengths[0]} and {NAME}[{other}] has {lengths[other]}.\n\n{REMEDY_SPEED}"
        )
