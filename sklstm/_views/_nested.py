"""Conversion of nested lists of pyarrow, without a loop over sequences.

It is no dependency: only methods of the given object are called.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sklstm._sequences import Array


class Nested(NamedTuple):
    """Values (n_timesteps, n_features), lengths (n_sequences,), and the names of the features."""

    values: Array
    lengths: Array
    names: Array | None = None


def from_arrow(X: Any, name: str) -> Nested | None:
    """From a (chunked) arrow array: lists of numbers, lists or structs, or structs of lists."""
    X = X.combine_chunks() if hasattr(X, "combine_chunks") else X
    is_struct = _is_struct(X)
    if not is_struct and not hasattr(X, "value_lengths"):
        return None
    if X.null_count:
        first = int(_to_numpy(X.is_null()).argmax())
        remedy = "Drop them, with their labels."
        _reject_null(X, name, f"sequence(s), the first of them {name}[{first}].\n\n{remedy}")
    if is_struct:
        parts = [from_arrow(field, name) for field in X.flatten()]
        return side_by_side(parts, _fields(X), name)
    lengths, timesteps = _to_numpy(X.value_lengths()), X.flatten()
    is_struct = _is_struct(timesteps)
    if not is_struct and not hasattr(timesteps, "value_lengths"):
        return Nested(_to_numpy(timesteps).reshape(-1, 1), lengths)
    remedy = "Drop them, or give NaN and fill these with SequenceImputer."
    _reject_null(timesteps, name, f"timestep(s).\n\n{remedy}")
    if is_struct:
        columns = [_one_number(field, name) for field in timesteps.flatten()]
        return Nested(np.column_stack(columns), lengths, _fields(timesteps))
    widths = _to_numpy(timesteps.value_lengths())
    return Nested(as_rows(_to_numpy(timesteps.flatten()), widths, name), lengths)


def _is_struct(X: Any) -> bool:
    return str(X.type).startswith("struct<")


def _fields(X: Any) -> Array:
    return np.array([field.name for field in X.type], dtype=object)


def _to_numpy(X: Any) -> Array:
    """A flat array, NaN where it is null."""
    values: Array = X.to_numpy(zero_copy_only=False)
    return values


def _one_number(field: Any, name: str) -> Array:
    """One field of all timesteps, which must hold numbers."""
    values = _to_numpy(field)
    if values.ndim > 1 or values.dtype.kind not in "biuf":
        raise TypeError(
            f"{name} has timesteps with a field of {field.type}; every field must be one number."
        )
    return values


def _reject_null(part: Any, name: str, of: str) -> None:
    if part.null_count:
        raise ValueError(f"{name} has {part.null_count} null {of}")


# Parts of sequences -------------------------------------------------------------------------------


def side_by_side(parts: list[Nested | None], fields: Array, name: str) -> Nested:
    """Stack univariate sequences, one part per feature, to multivariate ones."""
    complete = [part for part in parts if part is not None and part.values.shape[1] == 1]
    if len(complete) < len(parts) or not parts:
        raise ValueError(
            f"{name} has records of the fields {fields.tolist()}, of which each must be one list of"
            " numbers for each sequence.\n\nIf the sequences are in one field, give it alone. If"
            " each record is a timestep, give lists of records, one list for each sequence."
        )
    for part, field in zip(complete, fields, strict=True):
        differs = np.flatnonzero(part.lengths != complete[0].lengths)
        if len(differs):
            first = differs[0]
            raise ValueError(
                f"{name}[{first}] has {part.lengths[first]} timesteps of {field!r} but"
                f" {complete[0].lengths[first]} of {fields[0]!r}; each feature needs one value for"
                " each timestep."
            )
    return Nested(np.hstack([part.values for part in complete]), complete[0].lengths, fields)


def as_rows(values: Array, widths: Array, name: str) -> Array:
    """Reshape flat values to (n_timesteps, n_features); all timesteps must have one width."""
    narrowest, widest = (int(widths.min()), int(widths.max())) if len(widths) else (0, 0)
    if narrowest != widest or widest == 0:
        raise ValueError(
            f"{name} has timesteps of {narrowest} to {widest} features; every timestep of every"
            " sequence needs the same features, at least one."
        )
    return values.reshape(-1, widest)
