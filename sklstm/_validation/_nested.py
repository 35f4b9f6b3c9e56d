"""Nested lists of pyarrow, awkward and polars -> flat values and lengths, with no copy by row.

None of these packages is imported: an object of theirs brings its own methods.
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


def flatten_nested(X: Any) -> Nested | None:
    """The sequences of X end to end; None if X is no such object."""
    package, dtype = type(X).__module__.partition(".")[0], str(getattr(X, "dtype", ""))
    if package == "polars" and dtype.startswith(("Array", "List", "Struct")):
        return _from_arrow(X.to_arrow())
    if (
        package == "pandas"
        and dtype.endswith("[pyarrow]")
        and ("list" in dtype or "struct" in dtype)
    ):
        return _from_arrow(X.array.__arrow_array__())
    if package == "pyarrow" and hasattr(X, "type"):
        return _from_arrow(X)
    if package == "awkward":
        return _from_awkward(X)
    return None


# pyarrow ------------------------------------------------------------------------------------------


def _from_arrow(X: Any) -> Nested | None:
    """From a (chunked) arrow array of lists: of numbers, of lists of one inner length, of structs;
    or of structs of lists of numbers."""
    if hasattr(X, "combine_chunks"):
        X = X.combine_chunks()
    if _is_struct(X):
        _reject_null(X, "sequence", "Drop them, with their labels.")
        return _side_by_side([_from_arrow(field) for field in X.flatten()], _fields(X))
    if not hasattr(X, "flatten") or not hasattr(X, "value_lengths"):
        return None
    _reject_null(X, "sequence", "Drop them, with their labels.")
    lengths = X.value_lengths().to_numpy(zero_copy_only=False)
    timesteps = X.flatten()
    remedy = "Drop them, or give NaN and fill these with SequenceImputer."
    if _is_struct(timesteps):
        _reject_null(timesteps, "timestep", remedy)
        columns = [_numbers(field) for field in timesteps.flatten()]
        return Nested(np.column_stack(columns), lengths, _fields(timesteps))
    if not hasattr(timesteps, "value_lengths"):
        return Nested(timesteps.to_numpy(zero_copy_only=False).reshape(-1, 1), lengths)
    _reject_null(timesteps, "timestep", remedy)
    widths = timesteps.value_lengths().to_numpy(zero_copy_only=False)
    values = timesteps.flatten().to_numpy(zero_copy_only=False)
    return Nested(_as_rows(values, widths), lengths)


def _is_struct(X: Any) -> bool:
    return str(X.type).startswith("struct<")


def _fields(X: Any) -> Array:
    return np.array([field.name for field in X.type], dtype=object)


def _numbers(column: Any) -> Array:
    """One field of all timesteps."""
    values: Array = column.to_numpy(zero_copy_only=False)
    if values.ndim > 1 or values.dtype.kind not in "biuf":
        raise TypeError(
            f"X has timesteps with a field of {column.type}; every field must be one number."
        )
    return values


def _reject_null(X: Any, thing: str, remedy: str) -> None:
    if X.null_count:
        raise ValueError(f"X has {X.null_count} null {thing}(s).\n\n{remedy}")


# awkward ------------------------------------------------------------------------------------------


def _from_awkward(X: Any) -> Nested | None:
    """From a jagged array of two or three dimensions, or records of such of two."""
    # Its own package is loaded already; this only finds it again.
    import awkward

    if X.fields:
        # The same for records of lists and for lists of records.
        parts = [_from_awkward(X[field]) for field in X.fields]
        return _side_by_side(parts, np.array(X.fields, dtype=object))
    if X.ndim < 2:
        return None
    lengths = np.asarray(awkward.num(X, axis=1))
    if X.ndim == 2:
        return Nested(_observed(awkward.flatten(X)).reshape(-1, 1), lengths)
    timesteps = awkward.flatten(X, axis=1)
    widths = np.asarray(awkward.num(timesteps, axis=1))
    return Nested(_as_rows(_observed(awkward.flatten(timesteps, axis=1)), widths), lengths)


def _observed(values: Any) -> Array:
    """A flat array of awkward, NaN where it has None."""
    import awkward

    array = awkward.to_numpy(values)
    masked = np.ma.is_masked(array)
    return array.astype(np.float64).filled(np.nan) if masked else np.asarray(array)


# Both ---------------------------------------------------------------------------------------------


def _side_by_side(parts: list[Nested | None], names: Array) -> Nested:
    """Univariate sequences, one part for each feature, as sequences of all of them."""
    complete = [part for part in parts if part is not None and part.values.shape[1] == 1]
    if len(complete) < len(parts) or not parts:
        raise ValueError(
            f"X has records of the fields {names.tolist()}, of which each must be one list of"
            " numbers for each sequence.\n\nIf the sequences are in one field, give it alone. If"
            " each record is a timestep, give lists of records, one list for each sequence."
        )
    for part, name in zip(complete, names, strict=True):
        differs = np.flatnonzero(part.lengths != complete[0].lengths)
        if len(differs):
            first = differs[0]
            raise ValueError(
                f"X[{first}] has {part.lengths[first]} timesteps of {name!r} but"
                f" {complete[0].lengths[first]} of {names[0]!r}; each feature needs one value for"
                " each timestep."
            )
    return Nested(np.hstack([part.values for part in complete]), complete[0].lengths, names)


def _as_rows(values: Array, widths: Array) -> Array:
    """Flat values as (n_timesteps, n_features), all rows being of one width."""
    narrowest, widest = (int(widths.min()), int(widths.max())) if len(widths) else (0, 0)
    if narrowest != widest or widest == 0:
        raise ValueError(
            f"X has timesteps of {narrowest} to {widest} features; every timestep of every sequence"
            " needs the same features, at least one."
        )
    return values.reshape(-1, widest)
