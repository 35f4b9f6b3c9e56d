"""Nested lists of pyarrow, awkward and polars -> flat values and lengths, with no copy by row.

None of these packages is imported: an object of theirs brings its own methods.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm._sequences import Array


def flatten_nested(X: Any) -> tuple[Array, Array] | None:
    """Values (n_timesteps, n_features) and lengths (n_sequences,); None if X is no such object."""
    package = type(X).__module__.partition(".")[0]
    if package == "polars" and str(X.dtype if hasattr(X, "dtype") else "").startswith("List"):
        return _from_arrow(X.to_arrow())
    if package == "pyarrow":
        return _from_arrow(X)
    if package == "awkward":
        return _from_awkward(X)
    return None


def _from_arrow(X: Any) -> tuple[Array, Array] | None:
    """From a (chunked) arrow array of lists, or of lists of lists of one inner length."""
    if hasattr(X, "combine_chunks"):
        X = X.combine_chunks()
    if not hasattr(X, "flatten") or not hasattr(X, "value_lengths"):
        return None
    if X.null_count:
        raise ValueError(f"X has {X.null_count} null sequence(s).\n\nDrop them, with their labels.")
    lengths = X.value_lengths().to_numpy(zero_copy_only=False)
    timesteps = X.flatten()
    if not hasattr(timesteps, "value_lengths"):
        return timesteps.to_numpy(zero_copy_only=False).reshape(-1, 1), lengths
    if timesteps.null_count:
        raise ValueError(
            f"X has {timesteps.null_count} null timestep(s).\n\nDrop them, or give lists of NaN and"
            " fill these with SequenceImputer."
        )
    widths = timesteps.value_lengths().to_numpy(zero_copy_only=False)
    values = timesteps.flatten().to_numpy(zero_copy_only=False)
    return _as_rows(values, widths), lengths


def _from_awkward(X: Any) -> tuple[Array, Array]:
    """From a jagged array of two or three dimensions."""
    # Its own package is loaded already; this only finds it again.
    import awkward

    lengths = np.asarray(awkward.num(X, axis=1))
    if X.ndim == 2:
        return np.asarray(awkward.flatten(X)).reshape(-1, 1), lengths
    timesteps = awkward.flatten(X, axis=1)
    widths = np.asarray(awkward.num(timesteps, axis=1))
    return _as_rows(np.asarray(awkward.flatten(timesteps, axis=1)), widths), lengths


def _as_rows(values: Array, widths: Array) -> Array:
    """Flat values as (n_timesteps, n_features), all rows being of one width."""
    narrowest, widest = (int(widths.min()), int(widths.max())) if len(widths) else (0, 0)
    if narrowest != widest or widest == 0:
        raise ValueError(
            f"X has timesteps of {narrowest} to {widest} features; every timestep of every sequence"
            " needs the same features, at least one."
        )
    return values.reshape(-1, widest)
